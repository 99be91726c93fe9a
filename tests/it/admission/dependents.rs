//! Changes of objects on which stored Ingresses depend: kubectl prints which Ingresses break, and only the parameters of a class are refused.

use std::sync::Arc;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{plain, refused, said, services, silent, warned};
use crate::base::Base;
use crate::fixture::Fixture;
use crate::objects::{rule, service};

/// A class of this fixture's with parameters.
fn class(fixture: &Fixture, name: &str, spec: &Value) -> [Value; 2] {
    let reference = json!({"apiGroup": "elbv2.k8s.aws", "kind": "IngressClassParams", "name": name});
    let class = json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": name},
        "spec": {"controller": "ingress.k8s.aws/alb", "parameters": reference}});
    [params(name, spec), class].map(|mut object| {
        object["metadata"]["labels"] = json!({"test": fixture.scope.id});
        object
    })
}

fn params(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "IngressClassParams", "metadata": {"name": name}, "spec": spec})
}

/// A Service is changed and deleted: warnings with names, and the change is stored.
pub async fn who_breaks_an_ingress_is_told(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_webhooks(&base, "dependents", &[]).await?;
    services(&fixture).await?;
    let name = format!("{}-class", fixture.scope.class);
    fixture.apply(&class(&fixture, &name, &json!({}))).await?;
    let mut classed = fixture.ingress("classed", &[], &json!([rule(None, &[("/c", "Prefix", "web", 80)])]));
    classed["spec"]["ingressClassName"] = json!(name);
    fixture.apply(&[fixture.ingress("one", &[], &plain()), fixture.ingress("two", &[], &plain()), classed]).await?;
    for ingress in ["one", "two", "classed"] {
        fixture.hostname(ingress).await?;
    }
    let namespace = fixture.scope.namespace.as_str();
    let all = format!("ALB118: breaks Ingresses {namespace}/classed, {namespace}/one, {namespace}/two: ALB10");
    let other_port = service("web", "NodePort", 81, 8080);
    let dry = fixture.try_apply(std::slice::from_ref(&other_port), &["--dry-run=server"]).await?;
    warned("another port", &dry, &[all.as_str()])?;
    silent("a label", &fixture.try_kubectl(&["label", "service", "web", "a=b"]).await?)?;
    silent("a Service that no Ingress has", &fixture.try_kubectl(&["delete", "service", "inner"]).await?)?;
    let gone = fixture.try_kubectl(&["delete", "service", "web"]).await?;
    warned("a deletion", &gone, &[all.as_str()])?;
    let classes = format!("ALB118: breaks Ingress {namespace}/classed: ALB104");
    warned("its class", &fixture.try_kubectl(&["delete", "ingressclass", &name]).await?, &[classes.as_str()])?;
    fixture.apply(&[service("web", "NodePort", 80, 8080)]).await?;
    fixture.apply(&class(&fixture, &name, &json!({}))).await?;
    fixture.kubectl(&["delete", "ingress", "--all", "--timeout=60s"]).await?;
    // Nothing depends on them any more; kubectl itself warns whoever deletes in the whole cluster.
    for kind in ["ingressclass", "ingressclassparams"] {
        let out = fixture.try_kubectl(&["delete", kind, &name]).await?;
        ensure!(out.status.success() && !said(&out).contains("ALB"), "{kind} without Ingresses: {}", said(&out));
    }
    fixture.close().await
}

/// Parameters of a class are refused if an Ingress breaks, or gets another load balancer that nobody asked for.
pub async fn parameters_that_break_ingresses_are_refused(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_webhooks(&base, "class-params", &[]).await?;
    services(&fixture).await?;
    let name = format!("{}-class", fixture.scope.class);
    fixture.apply(&class(&fixture, &name, &json!({}))).await?;
    let mut ingress = fixture.ingress("web", &[], &plain());
    ingress["spec"]["ingressClassName"] = json!(name);
    fixture.apply(&[ingress]).await?;
    let hostname = fixture.hostname("web").await?;
    let faulty = fixture.try_apply(&[params(&name, &json!({"inboundCIDRs": ["10.0.0.1"]}))], &[]).await?;
    refused("a faulty field", &faulty, &["spec.inboundCIDRs[0]: ALB032", "10.0.0.1/32"])?;
    let web = format!("Ingress {}/web", fixture.scope.namespace);
    let public = params(&name, &json!({"scheme": "internet-facing"}));
    let out = fixture.try_apply(std::slice::from_ref(&public), &[]).await?;
    let text =
        format!("ALB119: replaces the load balancer of {web}: scheme internal → internet-facing, another DNS name");
    refused("another scheme", &out, &[text.as_str(), "albedo.dev/allow-replacement"])?;
    let missing = params(&name, &json!({"subnets": {"ids": ["subnet-0fff", "subnet-0eee"]}}));
    let text = format!("ALB118: breaks {web}: ALB201 subnets that do not exist");
    refused("subnets that do not exist", &fixture.try_apply(&[missing], &["--server-side"]).await?, &[text.as_str()])?;
    silent("tags", &fixture.try_apply(&[params(&name, &json!({"tags": [{"key": "a", "value": "b"}]}))], &[]).await?)?;
    fixture.quiet().await?;
    ensure!(fixture.hostname("web").await? == hostname, "a refused change reached AWS");
    let mut meant = public;
    meant["metadata"]["annotations"] = json!({"albedo.dev/allow-replacement": "true"});
    let out = fixture.try_apply(&[meant], &["--dry-run=server"]).await?;
    warned("what is meant", &out, &["ALB119", web.as_str()])?;
    let out = fixture.try_kubectl(&["delete", "ingressclassparams", &name, "--dry-run=server"]).await?;
    ensure!(said(&out).contains("ALB118") && out.status.success(), "a deletion is never refused: {}", said(&out));
    fixture.kubectl(&["delete", "ingress", "--all", "--timeout=60s"]).await?;
    fixture.kubectl(&["delete", "ingressclass,ingressclassparams", &name]).await?;
    fixture.close().await
}
