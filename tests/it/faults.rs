//! What a group cannot be given because something changes under it: what AWS has of that part stays, and edits go through.

use std::sync::Arc;

use albedo_testenv::eventually;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::base::Base;
use crate::fixture::{Fixture, SOON, tail};
use crate::objects::rule;

struct Shop {
    fixture: Fixture,
}

impl Shop {
    fn shop(&self, name: &str, path: &str) -> Value {
        self.fixture.ingress(name, &[("target-type", "ip")], &json!([rule(None, &[(path, "Exact", "web", 80)])]))
    }

    /// The class's parameters.
    fn params(&self, spec: &Value) -> Value {
        json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "IngressClassParams",
            "metadata": {"name": self.fixture.scope.class}, "spec": spec})
    }

    async fn parameters(&self, spec: Value) -> Result<()> {
        self.fixture.apply(&[self.params(&spec)]).await
    }

    /// Stores an object while the validating webhooks are not registered; they are asked again when this ends.
    async fn unreviewed(&self, object: &Value) -> Result<()> {
        let (fixture, name) = (&self.fixture, self.fixture.scope.id.as_str());
        let kind = "validatingwebhookconfiguration";
        let mut kept: Value = serde_json::from_str(&fixture.kubectl(&["get", kind, name, "-o", "json"]).await?)?;
        kept["metadata"] = json!({"name": name, "labels": kept["metadata"]["labels"]});
        fixture.kubectl(&["delete", kind, name]).await?;
        let is_refused = async || {
            Ok::<_, anyhow::Error>(!fixture.try_apply(std::slice::from_ref(object), &[]).await?.status.success())
        };
        eventually("nothing is reviewed", SOON, async || Ok((!is_refused().await?).then_some(()))).await?;
        let file = fixture.write("kept.json", &kept.to_string())?;
        fixture.kubectl(&["create", "-f", &file.to_string_lossy()]).await?;
        let faulty = fixture.ingress("probe", &[("no-such-key", "x")], &json!([]));
        eventually("the webhooks are asked again", SOON, async || {
            let out = fixture.try_apply(std::slice::from_ref(&faulty), &["--dry-run=server"]).await?;
            Ok(String::from_utf8_lossy(&out.stderr).contains("ALB001").then_some(()))
        })
        .await
    }

    async fn has_rule(&self, path: &str) -> Result<()> {
        eventually(&format!("the rule is {path}"), SOON, async || {
            let state = self.fixture.state().await?;
            let listener = state.load_balancers.first().and_then(|one| one.listener(80)).context("no listener")?;
            let rules: Vec<String> = listener.rules.iter().map(|rule| format!("{:?}", rule.conditions)).collect();
            ensure!(rules.iter().any(|rule| rule.contains(path)), "they are {rules:?}");
            Ok(Some(()))
        })
        .await
        .with_context(|| tail(&self.fixture.log()))
    }

    async fn ledger(&self) -> Result<Value> {
        let name = format!("ingress.{}.shop", self.fixture.scope.namespace);
        let text = self.fixture.kubectl(&["get", "ingressgroup", &name, "-o", "json"]).await?;
        Ok(serde_json::from_str::<Value>(&text)?["status"].clone())
    }
}

/// A class's parameters are edited to a subnet that is not there, while no webhook validates: the load balancer keeps its subnets, a path edit is
/// admitted and provisioned, event and ledger tell, and what is new of that class is refused. Fixed, nothing is told any more, and the same edit is refused.
pub async fn parameters_that_name_a_missing_subnet_stop_no_edit(base: Arc<Base>) -> Result<()> {
    let shop = Shop { fixture: Fixture::with_webhooks(&base, "params", &[]).await? };
    let fixture = &shop.fixture;
    fixture.backends("ClusterIP").await?;
    shop.parameters(json!({"tags": [{"key": "team", "value": "shop"}]})).await?;
    let reference = json!({"apiGroup": "elbv2.k8s.aws", "kind": "IngressClassParams", "name": fixture.scope.class});
    let class = json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
        "metadata": {"name": fixture.scope.class}, "spec": {"controller": "ingress.k8s.aws/alb", "parameters": reference}});
    fixture.apply(&[class, shop.shop("shop", "/old")]).await?;
    fixture.hostname("shop").await?;
    fixture.quiet().await?;

    let mark = fixture.mark().await?;
    shop.unreviewed(&shop.params(&json!({"subnets": {"ids": ["subnet-0fff", "subnet-0eee"]}}))).await?;
    let told = fixture.event("shop", "FailedBuildModel", "subnet-0fff").await?;
    ensure!(told.contains("AWS keeps what it has for this part"), "{told}");
    fixture.apply(&[shop.shop("shop", "/new")]).await?;
    shop.has_rule("/new").await?;
    fixture.quiet().await?;
    for call in fixture.writes_since(mark).await? {
        let other = ["SetSubnets", "CreateLoadBalancer", "DeleteLoadBalancer"].contains(&call.operation.as_str());
        ensure!(!other, "{call:?}");
    }
    let status = shop.ledger().await?;
    ensure!(status["state"] == "Ready" && status["members"][0]["state"] == "Linked", "{status}");
    let findings = status["members"][0]["findings"].as_array().context("no findings")?;
    let kept = findings.iter().find(|one| one["code"] == "ALB201").context("no ALB201")?;
    ensure!(kept["effect"] == "PartKept" && kept["path"] == "spec.ingressClassName", "{kept}");
    let refused = fixture.try_apply(&[shop.shop("other", "/")], &[]).await?;
    let said = String::from_utf8_lossy(&refused.stderr);
    ensure!(!refused.status.success() && said.contains("ALB201") && said.contains("subnet-0fff"), "{said}");

    shop.parameters(json!({"tags": [{"key": "team", "value": "shop"}]})).await?;
    eventually("nothing is told any more", SOON, async || {
        let status = shop.ledger().await?;
        Ok(status["members"][0]["findings"].as_array().is_none_or(Vec::is_empty).then_some(()))
    })
    .await?;
    let bad = shop.params(&json!({"subnets": {"ids": ["subnet-0fff", "subnet-0eee"]}}));
    let refused = fixture.try_apply(&[bad], &[]).await?;
    let said = String::from_utf8_lossy(&refused.stderr);
    let names = format!("ALB118: breaks Ingress {}/shop: ALB201", fixture.scope.namespace);
    ensure!(!refused.status.success() && said.contains(&names), "{said}");
    fixture.kubectl(&["delete", "ingress", "shop", "--timeout=60s"]).await?;
    fixture.kubectl(&["delete", "ingressclassparams", &fixture.scope.class]).await?;
    shop.fixture.close().await
}
