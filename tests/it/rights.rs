//! What is granted to Albedo is what it uses: `deploy/rbac.yaml` is held to the API servers' audit logs of the run, `deploy/iam-policy.json` to the
//! emulators' records of calls.
//!
//! All tests run with the rights that are shipped, so what is missing there is refused. What is granted and was used by no test has a row here
//! with its reason, or goes.

use std::collections::BTreeSet;
use std::path::Path;

use albedo_ground::{AUDIT, CALLS, Reviewed, Seen, granted_by_policy, granted_by_roles, idle, missing, shipped};
use anyhow::{Context as _, Result};

/// Granted by others than `deploy/rbac.yaml`.
const BEYOND: Reviewed<'_> = &[("get secrets", "operators grant it where an OIDC annotation names a Secret")];

/// Granted in Kubernetes, and no test needs it.
const UNREACHED: Reviewed<'_> = &[];

/// Allowed in AWS, and no test needs it.
const UNREACHED_IN_AWS: Reviewed<'_> = &[];

/// How what is granted differs from what was used in a run whose logs are below a folder. Of a run of some tests only what is missing is told.
pub fn differences(dir: &Path, whole: bool) -> Result<Vec<String>> {
    let (mut kubernetes, mut aws) = (Seen::default(), Seen::default());
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name());
            let text = || std::fs::read_to_string(&path).with_context(|| path.display().to_string());
            match name.to_str() {
                Some(AUDIT) => kubernetes.audited(&text()?)?,
                Some(CALLS) => aws.called(&text()?)?,
                _ if entry.file_type()?.is_dir() => folders.push(path),
                _ => {}
            }
        }
    }
    if kubernetes.used.is_empty() {
        // No Albedo was started.
        return Ok(Vec::new());
    }
    let (roles, policy) = (granted_by_roles(&shipped("rbac.yaml")?)?, granted_by_policy(&shipped("iam-policy.json")?)?);
    let mut said = missing(&roles, &kubernetes.used, BEYOND);
    said.extend(
        missing(&BTreeSet::new(), &kubernetes.refused, BEYOND).into_iter().map(|line| format!("{line}; refused")),
    );
    said.extend(missing(&policy, &aws.used, &[]));
    if whole {
        said.extend(idle(&roles, &kubernetes.used, UNREACHED));
        said.extend(idle(&policy, &aws.used, UNREACHED_IN_AWS));
    }
    Ok(said)
}
