//! What is granted to Albedo is what it uses: `deploy/albedo.yaml` is held to the API servers' audit logs of the run, `deploy/iam-policy.json` to the
//! emulators' records of calls.
//!
//! All tests run with the rights that are shipped, so what is missing there is refused. What is granted and was used by no test has a row here
//! with its reason, or goes.

use std::path::Path;

use albedo_testenv::{
    AUDIT, CALLS, MANIFESTS, Reviewed, UsedRights, granted_by_policy, granted_by_roles, missing, shipped, unused,
};
use anyhow::{Context as _, Result};

/// Granted by others than `deploy/albedo.yaml`, and used.
const BEYOND: Reviewed<'_> = &[
    ("get secrets", OIDC),
    ("list secrets", OIDC),
    ("watch secrets", OIDC),
    ("create selfsubjectreviews.authentication.k8s.io", "the ClusterRole system:basic-user lets everybody ask"),
];

const OIDC: &str = "operators grant it where an OIDC annotation names a Secret";

/// Granted in Kubernetes, and no test is sure to need it.
const UNREACHED: Reviewed<'_> = &[
    ("get targetgroupbindings.elbv2.k8s.aws", ANEW),
    ("get ingressgroups.albedo.dev", ANEW),
    ("create validatingwebhookconfigurations.admissionregistration.k8s.io", APPLIED),
    ("create mutatingwebhookconfigurations.admissionregistration.k8s.io", APPLIED),
    ("get services", "a Service that was not seen is asked for before targets go, and mostly it was seen by then"),
];

const APPLIED: &str = "a server-side apply that creates an object needs it, and the audit log calls it a patch";
const ANEW: &str = "an object is read anew when somebody else was faster to write it, which comes by chance";

/// Allowed in AWS, and no test is sure to need it.
const UNREACHED_IN_AWS: Reviewed<'_> = &[
    (
        "iam:CreateServiceLinkedRole",
        "AWS makes the role in the caller's name with the first load balancer of an account",
    ),
    ("ec2:DescribeAccountAttributes", IN_OUR_NAME),
    ("ec2:DescribeAddresses", IN_OUR_NAME),
    ("ec2:DescribeCoipPools", IN_OUR_NAME),
    ("ec2:DescribeInternetGateways", IN_OUR_NAME),
    ("ec2:DescribeIpamPools", IN_OUR_NAME),
    ("ec2:DescribeVpcPeeringConnections", IN_OUR_NAME),
    ("ec2:GetCoipPoolUsage", IN_OUR_NAME),
    ("ec2:GetSecurityGroupsForVpc", IN_OUR_NAME),
    ("iam:GetServerCertificate", IN_OUR_NAME),
    ("iam:ListServerCertificates", IN_OUR_NAME),
    ("elasticloadbalancing:ModifyIpPools", NOT_EDITED),
    ("elasticloadbalancing:ModifyListenerAttributes", NOT_EDITED),
    ("elasticloadbalancing:SetIpAddressType", NOT_EDITED),
    ("elasticloadbalancing:SetSubnets", NOT_EDITED),
    (
        "waf-regional:GetWebACLForResource",
        "asked where a web ACL of WAF Classic may be there already; no test takes one over",
    ),
    ("elasticloadbalancing:SetWebAcl", WITH_ASSOCIATE),
    ("waf-regional:GetWebACL", WITH_ASSOCIATE),
    ("wafv2:GetWebACL", WITH_ASSOCIATE),
];

const NOT_EDITED: &str = "an operation of a plan that no integration test edits its Ingress for";
const IN_OUR_NAME: &str = "AWS reads it in the caller's name while it makes a load balancer or a listener";
const WITH_ASSOCIATE: &str = "AWS asks for it when a web ACL is associated with a load balancer or taken away";

/// How what is granted differs from what was used in a run whose logs are below a folder. Of a run of some tests only what is missing is told.
pub fn differences(dir: &Path, whole: bool) -> Result<Vec<String>> {
    let (mut kubernetes, mut aws) = (UsedRights::default(), UsedRights::default());
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
    let (roles, policy) = (granted_by_roles(&shipped(MANIFESTS)?)?, granted_by_policy(&shipped("iam-policy.json")?)?);
    let mut said = missing(&roles, &kubernetes.used, BEYOND);
    // What is granted is refused as well while an API server starts.
    let refused = missing(&roles, &kubernetes.refused, BEYOND).into_iter();
    said.extend(refused.map(|line| format!("{line}; it was refused")));
    said.extend(missing(&policy, &aws.used, &[]));
    if whole {
        said.extend(unused(&roles, &kubernetes.used, UNREACHED));
        said.extend(unused(&BEYOND.iter().map(|(right, _)| (*right).to_owned()).collect(), &kubernetes.used, &[]));
        said.extend(unused(&policy, &aws.used, UNREACHED_IN_AWS));
    }
    Ok(said)
}
