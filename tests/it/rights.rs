//! What is granted to Albedo is what it uses: `deploy/albedo.yaml` is held to the API servers' audit logs of the run. In AWS nothing was refused.
//!
//! All tests run with the rights that are shipped, so what is missing there is refused. What is granted in Kubernetes and was used by no test has
//! a row here with its reason, or goes. That the policy of AWS allows nothing else than what the program calls is seen in `engine/tests/iam.rs`.

use std::collections::BTreeSet;
use std::path::Path;

use albedo_testenv::{
    AUDIT, CALLS, MANIFESTS, Reviewed, UsedRights, granted_by_roles, missing, refused_in_aws, shipped, unused,
};
use anyhow::{Context as _, Result};

/// Granted by others than `deploy/albedo.yaml`, and used.
const BEYOND: Reviewed<'_> = &[
    ("get secrets", OIDC),
    ("list secrets", OIDC),
    ("watch secrets", OIDC),
    ("list configmaps", FACTS),
    ("watch configmaps", FACTS),
    ("create selfsubjectreviews.authentication.k8s.io", "the ClusterRole system:basic-user lets everybody ask"),
];

const FACTS: &str = "the chart grants it on the request for facts, if admission is separate";
const OIDC: &str = "operators grant it where an OIDC annotation names a Secret";

/// Granted in Kubernetes, and no test is sure to need it.
const UNREACHED: Reviewed<'_> = &[
    ("get targetgroupbindings.elbv2.k8s.aws", ANEW),
    ("get ingressgroups.albedo.dev", ANEW),
    ("get ingressdefaults.albedo.dev", ANEW),
    ("get ingresspolicies.albedo.dev", ANEW),
    ("create validatingwebhookconfigurations.admissionregistration.k8s.io", APPLIED),
    ("create mutatingwebhookconfigurations.admissionregistration.k8s.io", APPLIED),
    ("create configmaps", APPLIED),
    ("get services", "a Service that was not seen is asked for before targets go, and mostly it was seen by then"),
];

const APPLIED: &str = "a server-side apply that creates an object needs it, and the audit log calls it a patch";
const ANEW: &str = "an object is read anew when somebody else was faster to write it, which comes by chance";

/// How what is granted differs from what was used in a run whose logs are below a folder. Of a run of some tests only what is missing is told.
pub fn differences(dir: &Path, whole: bool) -> Result<Vec<String>> {
    let (mut kubernetes, mut aws) = (UsedRights::default(), BTreeSet::new());
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name());
            let text = || std::fs::read_to_string(&path).with_context(|| path.display().to_string());
            match name.to_str() {
                Some(AUDIT) => kubernetes.audited(&text()?)?,
                Some(CALLS) => aws.extend(refused_in_aws(&text()?)?),
                _ if entry.file_type()?.is_dir() => folders.push(path),
                _ => {}
            }
        }
    }
    if kubernetes.used.is_empty() {
        // No Albedo was started.
        return Ok(Vec::new());
    }
    let roles = granted_by_roles(&shipped(MANIFESTS)?)?;
    let mut said = missing(&roles, &kubernetes.used, BEYOND);
    // What is granted is refused as well while an API server starts.
    let refused = missing(&roles, &kubernetes.refused, BEYOND).into_iter();
    said.extend(refused.map(|line| format!("{line}; it was refused")));
    said.extend(aws.iter().map(|what| format!("not allowed in AWS: {what}")));
    if whole {
        said.extend(unused(&roles, &kubernetes.used, UNREACHED));
        said.extend(unused(&BEYOND.iter().map(|(right, _)| (*right).to_owned()).collect(), &kubernetes.used, &[]));
    }
    Ok(said)
}
