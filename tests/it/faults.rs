//! What a group cannot be given because something changes under it: what AWS has of that part stays, and edits go through.

use std::sync::Arc;

use albedo_ground::eventually;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::base::Base;
use crate::objects::rule;
use crate::stage::{SOON, Stage, tail};

struct Shop {
    stage: Stage,
}

impl Shop {
    fn shop(&self, name: &str, path: &str) -> Value {
        self.stage.ingress(name, &[("target-type", "ip")], &json!([rule(None, &[(path, "Exact", "web", 80)])]))
    }

    /// The class's parameters.
    async fn parameters(&self, spec: Value) -> Result<()> {
        let params = json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "IngressClassParams",
            "metadata": {"name": self.stage.scope.class}, "spec": spec});
        self.stage.apply(&[params]).await
    }

    async fn has_rule(&self, path: &str) -> Result<()> {
        eventually(&format!("the rule is {path}"), SOON, async || {
            let state = self.stage.state().await?;
            let listener = state.load_balancers.first().and_then(|one| one.listener(80)).context("no listener")?;
            let rules: Vec<String> = listener.rules.iter().map(|rule| format!("{:?}", rule.conditions)).collect();
            ensure!(rules.iter().any(|rule| rule.contains(path)), "they are {rules:?}");
            Ok(Some(()))
        })
        .await
        .with_context(|| tail(&self.stage.log()))
    }

    async fn ledger(&self) -> Result<Value> {
        let name = format!("ingress.{}.shop", self.stage.scope.namespace);
        let text = self.stage.kubectl(&["get", "ingressgroup", &name, "-o", "json"]).await?;
        Ok(serde_json::from_str::<Value>(&text)?["status"].clone())
    }
}

/// A class's parameters are edited to a subnet that is not there: the load balancer keeps its subnets, a path edit is admitted and
/// provisioned, event and ledger tell, and what is new of that class is refused. Mended, nothing is told any more.
pub async fn parameters_that_name_a_missing_subnet_stop_no_edit(base: Arc<Base>) -> Result<()> {
    let shop = Shop { stage: Stage::with_webhooks(&base, "params", &[]).await? };
    let stage = &shop.stage;
    stage.backends("ClusterIP").await?;
    shop.parameters(json!({"tags": [{"key": "team", "value": "shop"}]})).await?;
    let reference = json!({"apiGroup": "elbv2.k8s.aws", "kind": "IngressClassParams", "name": stage.scope.class});
    let class = json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
        "metadata": {"name": stage.scope.class}, "spec": {"controller": "ingress.k8s.aws/alb", "parameters": reference}});
    stage.apply(&[class, shop.shop("shop", "/old")]).await?;
    stage.hostname("shop").await?;
    stage.quiet().await?;

    let mark = stage.mark().await?;
    shop.parameters(json!({"subnets": {"ids": ["subnet-0fff", "subnet-0eee"]}})).await?;
    let told = stage.event("shop", "FailedBuildModel", "subnet-0fff").await?;
    ensure!(told.contains("AWS keeps what it has for this part"), "{told}");
    stage.apply(&[shop.shop("shop", "/new")]).await?;
    shop.has_rule("/new").await?;
    stage.quiet().await?;
    for call in stage.writes_since(mark).await? {
        let other = ["SetSubnets", "CreateLoadBalancer", "DeleteLoadBalancer"].contains(&call.operation.as_str());
        ensure!(!other, "{call:?}");
    }
    let status = shop.ledger().await?;
    ensure!(status["state"] == "Ready" && status["members"][0]["state"] == "Linked", "{status}");
    let findings = status["members"][0]["findings"].as_array().context("no findings")?;
    let kept = findings.iter().find(|one| one["code"] == "ALB201").context("no ALB201")?;
    ensure!(kept["effect"] == "PartKept" && kept["path"] == "spec.ingressClassName", "{kept}");
    let refused = stage.try_apply(&[shop.shop("other", "/")], &[]).await?;
    let said = String::from_utf8_lossy(&refused.stderr);
    ensure!(!refused.status.success() && said.contains("ALB201") && said.contains("subnet-0fff"), "{said}");

    shop.parameters(json!({"tags": [{"key": "team", "value": "shop"}]})).await?;
    eventually("nothing is told any more", SOON, async || {
        let status = shop.ledger().await?;
        Ok(status["members"][0]["findings"].as_array().is_none_or(Vec::is_empty).then_some(()))
    })
    .await?;
    stage.kubectl(&["delete", "ingress", "shop", "--timeout=60s"]).await?;
    stage.kubectl(&["delete", "ingressclassparams", &stage.scope.class]).await?;
    shop.stage.close().await
}
