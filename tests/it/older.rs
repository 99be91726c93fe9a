//! States as older versions of the predecessor left them: what 3.5.0 would write is written, nothing else, and nothing is replaced.

use std::sync::Arc;

use albedo_testenv::{Gate, State};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::base::Base;
use crate::fixture::{Fixture, tail};
use crate::objects::{deployment, rule, service};

struct Older {
    fixture: Fixture,
    gate: Gate,
}

impl Older {
    async fn open(base: &Arc<Base>) -> Result<Self> {
        let mut fixture = Fixture::open(base, "older").await?;
        fixture.allow(&[&[], &["--for-untagged"]]).await?;
        let gate = fixture.gate().await?;
        fixture.flags(&["--admission-mode=off", "--admission-defaults=none"]);
        let certificate = fixture.scope.emulator().certificate(&fixture.scope.region, &["shop.example.com"]).await?;
        let (paths, ports) = ([("/", "Prefix", "web", 80)], r#"[{"HTTP": 80}, {"HTTPS": 443}]"#);
        let pairs = [("listen-ports", ports), ("certificate-arn", &certificate), ("target-type", "ip")];
        let objects = [
            deployment("web", 1, 8080),
            service("web", "ClusterIP", 80, 8080),
            fixture.ingress("shop", &pairs, &json!([rule(None, &paths)])),
        ];
        fixture.apply(&objects).await?;
        fixture.kubectl(&["rollout", "status", "deployment", "web", "--timeout=60s"]).await?;
        fixture.start().await?;
        fixture.hostname("shop").await?;
        fixture.quiet().await?;
        Ok(Self { fixture, gate })
    }

    async fn call(&self, service: &str, operation: &str, params: &Value) -> Result<()> {
        let (emulator, region) = (self.fixture.scope.emulator(), &self.fixture.scope.region);
        emulator.call(region, service, operation, params).await.map(drop)
    }

    /// Deletes the ledger.
    async fn forget(&self) -> Result<()> {
        let all = self.fixture.kubectl(&["get", "ingressgroups", "-o", "name"]).await?;
        let own = all.lines().find(|name| name.contains(&self.fixture.scope.namespace)).context("no ledger")?;
        self.fixture.kubectl(&["delete", own]).await.map(drop)
    }

    async fn untag(&self, arns: &[&str], key: &str) -> Result<()> {
        self.call("elbv2", "RemoveTags", &json!({"ResourceArns": arns, "TagKeys": [key]})).await
    }

    /// `kubectl patch`, JSON, of the status or of the object.
    async fn patch(&self, kind: &str, name: &str, status: bool, patch: &Value) -> Result<()> {
        let patch = patch.to_string();
        let mut args = vec!["patch", kind, name, "--type=json", "--patch", &patch];
        args.extend(status.then_some("--subresource=status"));
        self.fixture.kubectl(&args).await.map(drop)
    }

    /// A binding without a field of its spec, and registered as it is.
    async fn without(&self, binding: &str, field: &str) -> Result<()> {
        let patch = json!([{"op": "remove", "path": format!("/spec/{field}")}]);
        self.patch("targetgroupbinding", binding, false, &patch).await?;
        let get = ["get", "targetgroupbinding", binding, "-o", "jsonpath={.metadata.generation}"];
        let generation: i64 = self.fixture.kubectl(&get).await?.parse()?;
        let patch = json!([{"op": "replace", "path": "/status/observedGeneration", "value": generation}]);
        self.patch("targetgroupbinding", binding, true, &patch).await
    }

    /// Puts into a state what an older version would have left.
    async fn age(&self, what: &str, state: &State) -> Result<()> {
        let balancer = state.load_balancers.first().context("no load balancer")?;
        let listener = balancer.listener(443).context("no listener")?;
        let group = state.target_groups.first().context("no target group")?;
        let entry = "/status/loadBalancer/ingress/0";
        match what {
            "before 3.5: the default certificate is no other one's too" => {
                let default = listener.all_certificates.first().and_then(|one| one["CertificateArn"].as_str());
                let certificates = json!([{"CertificateArn": default.context("no certificate")?}]);
                let params = json!({"ListenerArn": listener.arn, "Certificates": certificates});
                self.call("elbv2", "RemoveListenerCertificates", &params).await
            }
            "before 2.17: a status without ports" => {
                let patch = json!([{"op": "remove", "path": format!("{entry}/ports")}]);
                self.patch("ingress", "shop", true, &patch).await
            }
            "before 2.14: a binding without protocol" => self.without(&group.name, "targetGroupProtocol").await,
            "before 2.8: a binding without VPC" => self.without(&group.name, "vpcID").await,
            "without tags of listeners and rules" => {
                let listeners = &balancer.listeners;
                let rules = listeners.iter().flat_map(|one| one.rules.iter().filter(|rule| !rule.is_default));
                let arns: Vec<&str> =
                    listeners.iter().map(|one| one.arn.as_str()).chain(rules.map(|rule| rule.arn.as_str())).collect();
                for key in ["elbv2.k8s.aws/cluster", "ingress.k8s.aws/stack", "ingress.k8s.aws/resource"] {
                    self.untag(&arns, key).await?;
                }
                Ok(())
            }
            "version 1: the cluster in another tag" => {
                let arns = [balancer.arn.as_str(), group.arn.as_str()];
                let tag = json!([{"Key": "ingress.k8s.aws/cluster", "Value": self.fixture.scope.cluster}]);
                self.call("elbv2", "AddTags", &json!({"ResourceArns": arns, "Tags": tag})).await?;
                self.untag(&arns, "elbv2.k8s.aws/cluster").await?;
                let stack =
                    |tags: &std::collections::BTreeMap<String, String>| tags.contains_key("ingress.k8s.aws/stack");
                let managed = state.security_groups.iter().find(|one| stack(&one.tags)).context("no security group")?;
                self.call("ec2", "CreateTags", &json!({"Resources": [managed.id], "Tags": tag})).await?;
                let gone = json!({"Resources": [managed.id], "Tags": [{"Key": "elbv2.k8s.aws/cluster"}]});
                self.call("ec2", "DeleteTags", &gone).await
            }
            other => anyhow::bail!("nothing is known of {other}"),
        }
    }
}

pub async fn what_older_versions_left_is_brought_up_to_date(base: Arc<Base>) -> Result<()> {
    let mut older = Older::open(&base).await?;
    let arns = |state: &State| -> Vec<String> {
        let balancers = state.load_balancers.iter();
        let listeners =
            balancers.flat_map(|one| std::iter::once(&one.arn).chain(one.listeners.iter().map(|one| &one.arn)));
        let groups = state.target_groups.iter().map(|one| &one.arn);
        listeners.chain(groups).chain(state.security_groups.iter().map(|one| &one.id)).cloned().collect()
    };
    let (first, binding) = (older.fixture.state().await?, "PATCH targetgroupbindings/TG");
    let rows: [(&str, &[&str]); 6] = [
        ("before 3.5: the default certificate is no other one's too", &["AWS AddListenerCertificates"]),
        ("before 2.17: a status without ports", &["PATCH ingresses/shop/status"]),
        // Taken for HTTP, which it is.
        ("before 2.14: a binding without protocol", &[]),
        ("before 2.8: a binding without VPC", &[binding, "PATCH targetgroupbindings/TG/status"]),
        ("without tags of listeners and rules", &["AWS AddTags"; 4]),
        ("version 1: the cluster in another tag", &["AWS AddTags", "AWS AddTags", "AWS CreateTags"]),
    ];
    for (what, wanted) in rows {
        older.fixture.albedo()?.stop().await?;
        let state = older.fixture.state().await?;
        older.age(what, &state).await.with_context(|| what.to_owned())?;
        // No older version has left a ledger; one would be believed for a while.
        older.forget().await?;
        older.gate.reset();
        let mark = older.fixture.mark().await?;
        older.fixture.start().await?;
        older.fixture.looked_at(mark).await?;
        older.fixture.quiet().await?;
        let name = &state.target_groups.first().context("no target group")?.name;
        let writes = older.gate.writes().into_iter().filter(|write| !write.contains(" ingressgroups"));
        let mut writes: Vec<String> = writes.map(|write| write.replace(name, "TG")).collect();
        writes.sort();
        // A status is asked to be written again while the cache lags; the server changes nothing then.
        writes.dedup_by(|one, other| one == other && one.starts_with("PATCH"));
        ensure!(writes == wanted, "{what}: albedo wrote {writes:?}\n{}", tail(&older.fixture.log()));
        ensure!(arns(&older.fixture.state().await?) == arns(&first), "{what}: something was replaced");
    }
    older.fixture.close().await
}
