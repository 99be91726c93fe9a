//! Albedo's account in a control plane: the service account that is shipped, with the rights of `deploy/albedo.yaml` and no others.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::binaries::tests_dir;
use crate::{ControlPlane, eventually};

/// Its name as a user.
pub const ACCOUNT: &str = "system:serviceaccount:albedo-system:albedo";

/// All that is installed but the CRDs, as the chart renders it.
pub const MANIFESTS: &str = "albedo.yaml";
const RBAC: &str = "rbac.authorization.k8s.io";
/// How long the API server may take to see what was granted.
const SEEN: Duration = Duration::from_secs(30);

/// A file of `deploy/`.
pub fn shipped(file: &str) -> Result<String> {
    let path = tests_dir().join("..").join("deploy").join(file);
    std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
}

/// The objects of one kind in `deploy/albedo.yaml`.
pub fn shipped_objects(kind: &str) -> Result<Vec<Value>> {
    let all: Vec<Value> = serde_saphyr::from_multiple(&shipped(MANIFESTS)?).context(MANIFESTS)?;
    let found: Vec<Value> = all.into_iter().filter(|one| one.get("kind") == Some(&json!(kind))).collect();
    ensure!(!found.is_empty(), "{MANIFESTS} has no {kind}");
    Ok(found)
}

impl ControlPlane {
    /// Grants the account what is shipped, and answers its kubeconfig.
    pub async fn account(&self) -> Result<PathBuf> {
        let mut objects = Vec::new();
        for kind in ["Namespace", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"] {
            objects.extend(shipped_objects(kind)?);
        }
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        let file = self.kubeconfig().with_file_name("account.json");
        std::fs::write(&file, list.to_string()).with_context(|| format!("writing {}", file.display()))?;
        self.kubectl_ok(["apply", "--server-side", "-f", &file.to_string_lossy()]).await?;
        self.granted("list", "ingresses.networking.k8s.io", "default").await?;
        self.kubeconfig_for(ACCOUNT, None)
    }

    /// Lets the account use Secrets of a namespace by these verbs, which operators grant where an Ingress names one. Without a name, all of them.
    pub async fn grant_secret(&self, namespace: &str, name: Option<&str>, verbs: &[&str]) -> Result<()> {
        let names = name.map(|name| json!([name]));
        let rule = json!({"apiGroups": [""], "resources": ["secrets"], "verbs": verbs, "resourceNames": names});
        let account = format!("albedo-secret-{}", name.unwrap_or("all"));
        self.grant(namespace, &account, &json!([rule])).await?;
        let resource = name.map_or_else(|| "secrets".to_owned(), |name| format!("secrets/{name}"));
        self.granted("get", &resource, namespace).await
    }

    /// Lets the account hold a lease of another name than the usual one, with the rights that are shipped for that.
    pub async fn grant_lease(&self, namespace: &str, name: &str) -> Result<()> {
        let of_leases = |role: &Value| role.pointer("/metadata/name") == Some(&json!("albedo-leader-election"));
        let role = shipped_objects("Role")?.into_iter().find(of_leases).context("no Role for the lease")?;
        let mut rules = role.get("rules").cloned().context("a Role without rules")?;
        for rule in rules.as_array_mut().into_iter().flatten() {
            if let Some(names) = rule.get_mut("resourceNames") {
                *names = json!([name]);
            }
        }
        self.grant(namespace, "albedo-leader-election", &rules).await?;
        self.granted("create", "leases.coordination.k8s.io", namespace).await
    }

    async fn grant(&self, namespace: &str, name: &str, rules: &Value) -> Result<()> {
        let metadata = json!({"name": name, "namespace": namespace});
        let version = format!("{RBAC}/v1");
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": version, "kind": "Role", "metadata": metadata, "rules": rules},
            {"apiVersion": version, "kind": "RoleBinding", "metadata": metadata,
                "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": "albedo", "namespace": "albedo-system"}]},
        ]});
        let file = self.kubeconfig().with_file_name(format!("{name}-{namespace}.json"));
        std::fs::write(&file, list.to_string()).with_context(|| format!("writing {}", file.display()))?;
        self.kubectl_ok(["apply", "-f", &file.to_string_lossy()]).await.map(drop)
    }

    /// Waits until the account has a right.
    async fn granted(&self, verb: &str, resource: &str, namespace: &str) -> Result<()> {
        eventually(&format!("{ACCOUNT} may {verb} {resource}"), SEEN, async || {
            let out = self.kubectl(["auth", "can-i", verb, resource, "-n", namespace, "--as", ACCOUNT]).await?;
            Ok(String::from_utf8_lossy(&out.stdout).lines().any(|line| line == "yes").then_some(()))
        })
        .await
    }
}
