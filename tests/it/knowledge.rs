//! What one part of Albedo learns is passed on, success is looked at, and claims of others are not believed.

use std::sync::Arc;
use std::time::Duration;

use albedo_testenv::{LoadBalancer, eventually};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::base::Base;
use crate::fixture::{Fixture, SOON, tail};
use crate::objects::rule;

const IP: (&str, &str) = ("target-type", "ip");

/// An Ingress `shop` that has its load balancer and targets, and nothing to do.
async fn shop(base: &Arc<Base>, name: &str, pairs: &[(&str, &str)]) -> Result<Fixture> {
    let fixture = Fixture::with_albedo(base, name).await?;
    fixture.backends("ClusterIP").await?;
    fixture.apply(&[shop_of(&fixture, pairs, "/")]).await?;
    fixture.hostname("shop").await?;
    fixture.quiet().await?;
    Ok(fixture)
}

fn shop_of(fixture: &Fixture, pairs: &[(&str, &str)], path: &str) -> Value {
    let pairs = [&[IP], pairs].concat();
    fixture.ingress("shop", &pairs, &json!([rule(None, &[(path, "Prefix", "web", 80)])]))
}

async fn by_hand(fixture: &Fixture, operation: &str, params: &Value) -> Result<Value> {
    fixture.scope.emulator().call(&fixture.scope.region, "elbv2", operation, params).await
}

async fn balancer(fixture: &Fixture) -> Result<LoadBalancer> {
    fixture.state().await?.load_balancers.into_iter().next().context("there is no load balancer")
}

async fn until_as(fixture: &Fixture, before: &str, what: &str, within: Duration) -> Result<()> {
    let found = eventually(what, within, async || {
        let is = fixture.state().await?.picture(&fixture.scope.world);
        ensure!(is == before, "AWS holds\n{is}\nand should hold\n{before}");
        Ok(Some(()))
    });
    found.await.with_context(|| tail(&fixture.log()))
}

/// The first failure of a binding tells the group: nobody waits for the sync, and Ready is not said meanwhile.
pub async fn a_target_group_deleted_by_hand_is_made_again(base: Arc<Base>) -> Result<()> {
    let fixture = shop(&base, "tgbyhand", &[]).await?;
    let before = fixture.state().await?.picture(&fixture.scope.world);
    let is = balancer(&fixture).await?;
    let rule = is.listeners.iter().flat_map(|one| &one.rules).find(|one| !one.is_default).context("no rule")?;
    by_hand(&fixture, "DeleteRule", &json!({"RuleArn": rule.arn})).await?;
    let group = fixture.state().await?.target_groups.into_iter().next().context("no target group")?;
    by_hand(&fixture, "DeleteTargetGroup", &json!({"TargetGroupArn": group.arn})).await?;
    fixture.kubectl(&["scale", "deployment", "web", "--replicas=3"]).await?;
    fixture.kubectl(&["scale", "deployment", "web", "--replicas=2"]).await?;
    eventually("the target group is there again", SOON, async || {
        let groups = fixture.state().await?.target_groups;
        Ok(groups.iter().any(|one| one.name == group.name && one.arn != group.arn).then_some(()))
    })
    .await
    .with_context(|| tail(&fixture.log()))?;
    fixture.quiet().await?;
    let is = fixture.state().await?.picture(&fixture.scope.world);
    // Addresses of pods may be others than before.
    let shape = |text: &str| text.lines().filter(|line| !line.contains(" healthy")).collect::<Vec<_>>().join("\n");
    ensure!(shape(&is) == shape(&before), "AWS holds\n{is}\nand should hold\n{before}");
    let events = fixture.events("shop").await?;
    ensure!(!events.iter().any(|(reason, _)| reason == "PlanDefect"), "{events:?}");
    fixture.close().await
}

/// Nothing happens in the cluster, but a list that is read for admission lacks the target group: its group hears of that.
pub async fn a_list_tells_what_was_deleted_by_hand(base: Arc<Base>) -> Result<()> {
    let fixture = shop(&base, "listed", &[]).await?;
    let before = fixture.state().await?.picture(&fixture.scope.world);
    let rule = balancer(&fixture).await?.listeners.into_iter().flat_map(|one| one.rules).find(|one| !one.is_default);
    by_hand(&fixture, "DeleteRule", &json!({"RuleArn": rule.context("no rule")?.arn})).await?;
    let group = fixture.state().await?.target_groups.into_iter().next().context("no target group")?;
    by_hand(&fixture, "DeleteTargetGroup", &json!({"TargetGroupArn": group.arn})).await?;
    // What was just made is missed from the second list on.
    until_as(&fixture, &before, "the target group is made again", SOON * 2).await?;
    let own = balancer(&fixture).await?;
    by_hand(&fixture, "DeleteLoadBalancer", &json!({"LoadBalancerArn": own.arn})).await?;
    until_as(&fixture, &before, "the load balancer is made again", SOON * 2).await?;
    fixture.close().await
}

/// While a binding fails its group is not ready.
pub async fn a_group_is_not_ready_while_a_binding_fails(base: Arc<Base>) -> Result<()> {
    let fixture = shop(&base, "notready", &[]).await?;
    let refused = json!([{"service": "elbv2", "operation": "RegisterTargets", "times": 1000, "code": "AccessDenied", "status": 403}]);
    fixture.scope.emulator().faults(&fixture.scope.region, &refused).await?;
    fixture.kubectl(&["scale", "deployment", "web", "--replicas=4"]).await?;
    let object = format!("ingress.{}.shop", fixture.scope.namespace);
    let ready =
        r#"jsonpath={.status.conditions[?(@.type=="Ready")].status} {.status.conditions[?(@.type=="Ready")].reason}"#;
    let is = async |wanted: &str| {
        eventually(&format!("the group is {wanted:?}"), SOON, async || {
            let said = fixture.kubectl(&["get", "ingressgroup", &object, "-o", ready]).await?;
            ensure!(said.trim() == wanted, "it is {said:?}");
            Ok(Some(()))
        })
        .await
        .with_context(|| tail(&fixture.log()))
    };
    is("False TargetsFail").await?;
    fixture.scope.emulator().faults(&fixture.scope.region, &json!([])).await?;
    fixture.kubectl(&["scale", "deployment", "web", "--replicas=3"]).await?;
    is("True Reconciled").await?;
    fixture.close().await
}

/// Whatever a person writes, the load balancer has to be there; a status that another hand clears is put back.
pub async fn a_load_balancer_deleted_by_hand_is_made_again(base: Arc<Base>) -> Result<()> {
    let fixture = shop(&base, "lbbyhand", &[]).await?;
    let before = fixture.state().await?.picture(&fixture.scope.world);
    let arn = balancer(&fixture).await?.arn;
    by_hand(&fixture, "DeleteLoadBalancer", &json!({"LoadBalancerArn": arn})).await?;
    fixture.kubectl(&["annotate", "ingress", "shop", "example.org/touched=1"]).await?;
    until_as(&fixture, &before, "an edit finds that the load balancer is gone", SOON).await?;
    fixture.quiet().await?;

    let rule = balancer(&fixture).await?.listeners.into_iter().flat_map(|one| one.rules).find(|one| !one.is_default);
    by_hand(&fixture, "DeleteRule", &json!({"RuleArn": rule.context("no rule")?.arn})).await?;
    fixture.kubectl(&["annotate", "ingress", "shop", "albedo.dev/reconcile-at=now"]).await?;
    until_as(&fixture, &before, "what is asked for is read", SOON).await?;
    fixture.quiet().await?;

    let host = fixture.hostname("shop").await?;
    for status in [json!({}), json!({"loadBalancer": {"ingress": [{"hostname": "evil.example.com"}]}})] {
        let patch = json!({"status": null}).to_string();
        fixture.kubectl(&["patch", "ingress", "shop", "--subresource=status", "--type=merge", "-p", &patch]).await?;
        let patch = json!({"status": status}).to_string();
        fixture.kubectl(&["patch", "ingress", "shop", "--subresource=status", "--type=merge", "-p", &patch]).await?;
        eventually(
            "the status is put back",
            SOON,
            async || Ok((fixture.hostname("shop").await? == host).then_some(())),
        )
        .await?;
    }
    fixture.close().await
}

/// AWS has the client secret that the Secret has, without an edit of anything else. One Secret may be watched, of the other only `get` is granted.
pub async fn a_rotated_client_secret_is_sent(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_albedo(&base, "rotation").await?;
    let verbs: [(&str, &[&str]); 2] = [("watched", &["get", "list", "watch"]), ("got", &["get"])];
    for (name, verbs) in verbs {
        base.test_env.plane().grant_secret(&fixture.scope.namespace, Some(name), verbs).await?;
    }
    fixture.backends("ClusterIP").await?;
    let certificate = fixture.scope.emulator().certificate(&fixture.scope.region, &["shop.example.com"]).await?;
    let secret = |name: &str, value: &str| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
            "stringData": {"clientID": "shop", "clientSecret": format!("{name}-{value}")}})
    };
    let ingress = |name: &str| {
        let oidc = json!({"issuer": "https://idp.example.org", "authorizationEndpoint": "https://idp.example.org/a",
            "tokenEndpoint": "https://idp.example.org/t", "userInfoEndpoint": "https://idp.example.org/u", "secretName": name});
        let oidc = oidc.to_string();
        let pairs = [
            IP,
            ("listen-ports", r#"[{"HTTPS":443}]"#),
            ("certificate-arn", certificate.as_str()),
            ("auth-type", "oidc"),
            ("auth-idp-oidc", &oidc),
        ];
        fixture.ingress(name, &pairs, &json!([rule(None, &[("/", "Prefix", "web", 80)])]))
    };
    let has = async |wanted: &str| {
        eventually(&format!("AWS has the client secret {wanted}"), SOON, async || {
            let sent = format!("\"ClientSecret\":\"{wanted}\"");
            let rules = fixture
                .state()
                .await?
                .load_balancers
                .into_iter()
                .flat_map(|one| one.listeners)
                .flat_map(|one| one.rules);
            let said: Vec<String> = rules.flat_map(|rule| rule.actions).map(|action| action.to_string()).collect();
            ensure!(said.iter().any(|rule| rule.contains(&sent)), "{said:?}");
            Ok(Some(()))
        })
        .await
        .with_context(|| tail(&fixture.log()))
    };
    for (name, _) in verbs {
        fixture.apply(&[secret(name, "first"), ingress(name)]).await?;
        fixture.hostname(name).await?;
        has(&format!("{name}-first")).await?;
    }
    fixture.quiet().await?;
    for (name, _) in verbs {
        fixture.apply(&[secret(name, "second")]).await?;
        has(&format!("{name}-second")).await?;
    }
    fixture.quiet().await?;
    let mark = fixture.mark().await?;
    fixture.kubectl(&["annotate", "ingress", "watched", "albedo.dev/reconcile-at=1"]).await?;
    fixture.looked_at(mark).await?;
    ensure!(fixture.writes_since(mark).await?.is_empty(), "what was sent is sent again");
    fixture.close().await
}

/// The finalizer of a group is not yet a member of it.
pub async fn a_foreign_finalizer_holds_nobody(base: Arc<Base>) -> Result<()> {
    let group = format!("claims-{}", std::process::id());
    let fixture = shop(&base, "claims", &[("group.name", &group)]).await?;
    let mut evil = fixture.ingress("evil", &[], &json!([]));
    evil["metadata"]["finalizers"] = json!([format!("group.ingress.k8s.aws/{group}")]);
    evil["spec"]["ingressClassName"] = json!("nope");
    fixture.apply(&[evil]).await?;
    fixture.event("evil", "FailedLoadGroupID", "nope").await?;
    fixture.apply(&[shop_of(&fixture, &[("group.name", &group)], "/edited")]).await?;
    eventually("the victim's edit is in AWS", SOON, async || {
        let state = fixture.state().await?.picture(&fixture.scope.world);
        Ok(state.contains("/edited").then_some(()))
    })
    .await
    .with_context(|| tail(&fixture.log()))?;
    // It is let go when it is deleted, and takes nothing with it.
    let before = fixture.state().await?.picture(&fixture.scope.world);
    fixture.kubectl(&["delete", "ingress", "evil", "--timeout=30s"]).await.with_context(|| tail(&fixture.log()))?;
    fixture.quiet().await?;
    ensure!(fixture.state().await?.picture(&fixture.scope.world) == before, "something went with it");
    fixture.close().await
}

/// Tags are anybody's to write: what was not made for the group stays, whatever becomes of the group.
pub async fn only_what_is_ours_is_deleted(base: Arc<Base>) -> Result<()> {
    let fixture = shop(&base, "strangers", &[]).await?;
    let own = balancer(&fixture).await?;
    let subnets: Vec<&str> = fixture.scope.world.public_subnets().collect();
    let tags: Vec<Value> = own.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    let made = json!({"Name": "payments-prod", "Subnets": subnets, "Tags": tags});
    by_hand(&fixture, "CreateLoadBalancer", &made).await?;
    let there = async || -> Result<bool> {
        Ok(fixture.state().await?.load_balancers.iter().any(|one| one.name == "payments-prod"))
    };
    fixture.kubectl(&["annotate", "ingress", "shop", "albedo.dev/reconcile-at=1"]).await?;
    fixture.event("shop", "OrphanedResource", "delete-load-balancer").await?;
    fixture.apply(&[shop_of(&fixture, &[("scheme", "internet-facing")], "/")]).await?;
    fixture.quiet().await?;
    ensure!(there().await?, "an edit deleted it\n{}", tail(&fixture.log()));
    fixture.kubectl(&["delete", "ingress", "shop", "--timeout=60s"]).await.with_context(|| tail(&fixture.log()))?;
    fixture.quiet().await?;
    let left: Vec<String> = fixture.state().await?.load_balancers.into_iter().map(|one| one.name).collect();
    ensure!(left == ["payments-prod"], "{left:?}\n{}", tail(&fixture.log()));
    ensure!(!fixture.log().contains("cannot delete the IngressGroup"), "{}", tail(&fixture.log()));
    fixture.close().await
}

/// A cluster under another name makes no second load balancer for what it has one for.
pub async fn another_name_of_the_cluster_is_told(base: Arc<Base>) -> Result<()> {
    let mut fixture = shop(&base, "renamed", &[]).await?;
    let before = fixture.state().await?.picture(&fixture.scope.world);
    let cluster = fixture.flag("cluster-name")?;
    fixture.albedo()?.stop().await?;
    let other = format!("--cluster-name={cluster}-b");
    fixture.flags(&[&other]);
    fixture.start().await?;
    fixture.event("shop", "FailedDeployModel", &format!("elbv2.k8s.aws/cluster={cluster}")).await?;
    ensure!(
        fixture.state().await?.picture(&fixture.scope.world) == before,
        "something was made\n{}",
        tail(&fixture.log())
    );
    fixture.albedo()?.stop().await?;
    fixture.flags(&[&format!("--cluster-name={cluster}")]);
    fixture.start().await?;
    fixture.apply(&[shop_of(&fixture, &[], "/again")]).await?;
    eventually("it goes on", SOON, async || {
        Ok(fixture.state().await?.picture(&fixture.scope.world).contains("/again").then_some(()))
    })
    .await
    .with_context(|| tail(&fixture.log()))?;
    fixture.close().await
}

/// The shared security group goes with the last group that needs it, which goes on without it.
pub async fn the_shared_security_group_goes_with_its_last_user(base: Arc<Base>) -> Result<()> {
    let fixture = shop(&base, "lastuser", &[]).await?;
    let shared = crate::names::backend_security_group(&fixture.scope.cluster);
    let there =
        async || -> Result<bool> { Ok(fixture.state().await?.security_groups.iter().any(|one| one.name == shared)) };
    ensure!(there().await?, "there is none");
    let own = fixture.scope.world.node_security_group.clone();
    fixture.apply(&[shop_of(&fixture, &[("security-groups", &own)], "/")]).await?;
    eventually("the shared security group goes", SOON, async || Ok((!there().await?).then_some(())))
        .await
        .with_context(|| tail(&fixture.log()))?;
    fixture.apply(&[shop_of(&fixture, &[], "/")]).await?;
    eventually("and comes again", SOON, async || Ok(there().await?.then_some(()))).await?;
    fixture.quiet().await?;
    let events = fixture.events("shop").await?;
    ensure!(!events.iter().any(|(reason, _)| reason == "FailedDeployModel"), "{events:?}");
    fixture.close().await
}

/// A certificate that is listed and cannot be described is issued all the same: whoever names it is not refused.
pub async fn a_certificate_that_cannot_be_described_is_not_missing(base: Arc<Base>) -> Result<()> {
    let mut fixture = Fixture::open(&base, "undescribed").await?;
    let (test_env, region) = (base.test_env.clone(), fixture.scope.region.clone());
    let emulator = test_env.emulator();
    let certificate = emulator.certificate(&region, &["a.example.com"]).await?;
    emulator.certificate(&region, &["b.example.com"]).await?;
    let id = certificate.rsplit('/').next().context("no id")?;
    let fault =
        json!([{"service": "acm", "operation": "DescribeCertificate", "times": 0, "target": id, "kind": "internal"}]);
    emulator.faults(&region, &fault).await?;
    fixture.start().await?;
    fixture.register().await?;
    eventually("it was tried", SOON, async || Ok((emulator.struck(&region).await? > 0).then_some(()))).await?;
    let ingress = shop_of(&fixture, &[("certificate-arn", &certificate)], "/");
    let out = fixture.try_apply(&[ingress], &[]).await?;
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    ensure!(out.status.success() && !said.contains("ALB204"), "{said}");
    fixture.hostname("shop").await?;
    fixture.close().await
}

/// What was made in AWS a moment ago is not missing: before a refusal the account is read again.
pub async fn what_was_made_a_moment_ago_is_not_missing(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_webhooks(&base, "moment", &[]).await?;
    let certificate = fixture.scope.emulator().certificate(&fixture.scope.region, &["a.example.com"]).await?;
    let out = fixture.try_apply(&[shop_of(&fixture, &[("certificate-arn", &certificate)], "/")], &[]).await?;
    ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    fixture.hostname("shop").await?;
    fixture.close().await
}
