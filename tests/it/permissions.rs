//! What the IAM policies allow, asked of the emulator's evaluator for calls on what Albedo really made.
//!
//! All tests run under the policy of their cluster, and [`crate::rights`] says what it refused. Here is what it has to refuse.

use std::sync::Arc;

use albedo_testenv::{Emulator, State};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::base::{Base, albedo};
use crate::fixture::{Fixture, policy};
use crate::objects::{rule, service};

type Asked = (&'static str, &'static str, Value);

/// A load balancer with all that belongs to it, as Albedo makes it.
async fn made(base: &Arc<Base>, name: &str) -> Result<(Fixture, State)> {
    let fixture = Fixture::with_albedo(base, name).await?;
    let paths = [("/", "Prefix", "web", 80)];
    let objects = [service("web", "NodePort", 80, 8080), fixture.ingress("shop", &[], &json!([rule(None, &paths)]))];
    fixture.apply(&objects).await?;
    fixture.hostname("shop").await?;
    fixture.quiet().await?;
    let state = fixture.state().await?;
    Ok((fixture, state))
}

/// One call of each kind that changes something, on what is there.
fn writes(state: &State, cluster: &str, vpc: &str) -> Result<Vec<Asked>> {
    let balancer = state.load_balancers.first().context("no load balancer")?;
    let listener = balancer.listeners.first().context("no listener")?;
    let rule = listener.rules.iter().find(|rule| !rule.is_default).context("no rule")?;
    let target_group = &state.target_groups.first().context("no target group")?.arn;
    let group = state.security_groups.iter().find(|one| one.tags.contains_key("elbv2.k8s.aws/cluster"));
    let group = &group.context("no security group")?.id;
    let tag = |key: &str, value: &str| json!([{"Key": key, "Value": value}]);
    let (own, team) = (tag("elbv2.k8s.aws/cluster", cluster), tag("team", "shop"));
    let answer = json!([{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}]);
    let host = json!([{"Field": "host-header", "HostHeaderConfig": {"Values": ["a.example.com"]}}]);
    let (balancer, listener, rule) = (&balancer.arn, &listener.arn, &rule.arn);
    let specification = |tags: &Value| json!([{"ResourceType": "security-group", "Tags": tags}]);
    Ok(vec![
        ("elbv2", "CreateLoadBalancer", json!({"Name": "a", "Tags": own})),
        ("elbv2", "CreateTargetGroup", json!({"Name": "a", "Tags": own})),
        ("elbv2", "CreateListener", json!({"LoadBalancerArn": balancer, "DefaultActions": answer, "Tags": own})),
        (
            "elbv2",
            "CreateRule",
            json!({"ListenerArn": listener, "Priority": 9, "Conditions": host, "Actions": answer, "Tags": own}),
        ),
        ("elbv2", "ModifyListener", json!({"ListenerArn": listener, "DefaultActions": answer})),
        ("elbv2", "ModifyRule", json!({"RuleArn": rule, "Actions": answer})),
        ("elbv2", "SetRulePriorities", json!({"RulePriorities": [{"RuleArn": rule, "Priority": 8}]})),
        ("elbv2", "ModifyLoadBalancerAttributes", json!({"LoadBalancerArn": balancer, "Attributes": []})),
        ("elbv2", "SetSecurityGroups", json!({"LoadBalancerArn": balancer, "SecurityGroups": [group]})),
        ("elbv2", "SetSubnets", json!({"LoadBalancerArn": balancer, "Subnets": []})),
        ("elbv2", "ModifyTargetGroup", json!({"TargetGroupArn": target_group, "HealthCheckPath": "/"})),
        ("elbv2", "AddTags", json!({"ResourceArns": [listener], "Tags": team})),
        ("elbv2", "RemoveTags", json!({"ResourceArns": [rule], "TagKeys": ["team"]})),
        ("elbv2", "DeleteRule", json!({"RuleArn": rule})),
        ("elbv2", "DeleteListener", json!({"ListenerArn": listener})),
        ("elbv2", "DeleteTargetGroup", json!({"TargetGroupArn": target_group})),
        ("elbv2", "DeleteLoadBalancer", json!({"LoadBalancerArn": balancer})),
        ("ec2", "CreateTags", json!({"Resources": [group], "Tags": team})),
        ("ec2", "DeleteTags", json!({"Resources": [group], "Tags": [{"Key": "team"}]})),
        ("ec2", "DeleteSecurityGroup", json!({"GroupId": group})),
        (
            "ec2",
            "CreateSecurityGroup",
            json!({"GroupName": "a", "Description": "a", "VpcId": vpc, "TagSpecifications": specification(&own)}),
        ),
    ])
}

async fn denied(emulator: &Emulator, region: &str, policies: &[String], asked: &Asked) -> Result<Option<String>> {
    emulator.denied(region, policies, (asked.0, asked.1, &asked.2)).await
}

/// Under the policy of its own cluster each change is allowed, under that of another cluster, or in another VPC, none.
pub async fn another_clusters_resources_cannot_be_changed(base: Arc<Base>) -> Result<()> {
    let (fixture, state) = made(&base, "others").await?;
    let (emulator, region) = (fixture.scope.emulator(), fixture.scope.region.as_str());
    let (cluster, vpc) = (fixture.scope.cluster.as_str(), fixture.scope.world.vpc_id.as_str());
    let own = [policy(cluster, vpc, &[]).await?];
    // A name that begins with the other's is another one, too.
    let others = [
        policy(&format!("{cluster}-b"), vpc, &[]).await?,
        policy(&format!("{cluster}-b"), vpc, &["--for-untagged"]).await?,
    ];
    let any = [albedo(&["iam-policy"]).await?];
    for asked in writes(&state, cluster, vpc)? {
        let what = asked.1;
        ensure!(denied(emulator, region, &own, &asked).await?.is_none(), "{what} is denied to its own cluster");
        ensure!(
            denied(emulator, region, &any, &asked).await?.is_none(),
            "{what} is denied by the policy without a name"
        );
        let action = denied(emulator, region, &others, &asked)
            .await?
            .with_context(|| format!("{what} is allowed to another cluster"))?;
        ensure!(action.ends_with(what), "{what}: {action}");
    }
    // The tag that all this rests on stays as it is, and rules of security groups stay in the VPC.
    let balancer = &state.load_balancers[0].arn;
    let group = &fixture.scope.world.node_security_group;
    let elsewhere = [policy(cluster, "vpc-0123456789abcdef0", &[]).await?];
    let tag = json!([{"Key": "elbv2.k8s.aws/cluster", "Value": "x"}]);
    let rows: [(&[String], Asked); 4] = [
        (&own, ("elbv2", "AddTags", json!({"ResourceArns": [balancer], "Tags": tag}))),
        (&own, ("elbv2", "RemoveTags", json!({"ResourceArns": [balancer], "TagKeys": ["elbv2.k8s.aws/cluster"]}))),
        (&any, ("elbv2", "AddTags", json!({"ResourceArns": [balancer], "Tags": tag}))),
        (&elsewhere, ("ec2", "AuthorizeSecurityGroupIngress", json!({"GroupId": group, "IpPermissions": []}))),
    ];
    for (policies, asked) in rows {
        ensure!(denied(emulator, region, policies, &asked).await?.is_some(), "{} is allowed: {}", asked.1, asked.2);
    }
    fixture.close().await
}

/// What LBC left without tags cannot be changed. With the second policy it can be tagged, as this cluster's, and nothing more.
pub async fn what_has_no_tags_can_only_be_tagged(base: Arc<Base>) -> Result<()> {
    let (fixture, state) = made(&base, "untagged").await?;
    let (emulator, region) = (fixture.scope.emulator(), fixture.scope.region.as_str());
    let (cluster, vpc) = (fixture.scope.cluster.as_str(), fixture.scope.world.vpc_id.as_str());
    let (balancer, listener) = (&state.load_balancers[0].arn, &state.load_balancers[0].listeners[0].arn);
    for arn in [balancer, listener] {
        let untag = json!({"ResourceArns": [arn], "TagKeys": ["elbv2.k8s.aws/cluster"]});
        emulator.call(region, "elbv2", "RemoveTags", &untag).await?;
    }
    let run = policy(cluster, vpc, &[]).await?;
    let both = [run.clone(), policy(cluster, vpc, &["--for-untagged"]).await?];
    let tags = |arn: &str, value: &str| json!({"ResourceArns": [arn], "Tags": [{"Key": "elbv2.k8s.aws/cluster", "Value": value}]});
    let tag = ("elbv2", "AddTags", tags(listener, cluster));
    ensure!(denied(emulator, region, &[run], &tag).await?.is_some(), "the first policy allows to tag what is not ours");
    ensure!(denied(emulator, region, &both, &tag).await?.is_none(), "what has no tags cannot be tagged");
    let old = json!({"ResourceArns": [balancer], "Tags": [{"Key": "ingress.k8s.aws/cluster", "Value": cluster}]});
    let rows = [
        ("as another's", ("elbv2", "AddTags", tags(listener, "x"))),
        ("changed", ("elbv2", "DeleteListener", json!({"ListenerArn": listener}))),
        ("that LBC did not make", ("elbv2", "AddTags", tags(balancer, cluster))),
    ];
    for (what, asked) in &rows {
        ensure!(denied(emulator, region, &both, asked).await?.is_some(), "what has no tags: {what}");
    }
    emulator.call(region, "elbv2", "AddTags", &old).await?;
    ensure!(
        denied(emulator, region, &both, &rows[2].1).await?.is_none(),
        "a load balancer of version 1 cannot be tagged"
    );
    // As it was, so that it can be deleted.
    for arn in [balancer, listener] {
        emulator.call(region, "elbv2", "AddTags", &tags(arn, cluster)).await?;
    }
    fixture.close().await
}

/// Each row: flags, whether there is a policy, and what is said or stands in it.
pub async fn a_policy_is_printed_for_what_is_asked(_: Arc<Base>) -> Result<()> {
    let rows: [(&[&str], bool, &str); 6] = [
        (&[], true, "\"aws:ResourceTag/elbv2.k8s.aws/cluster\": [\n            \"false\""),
        (&["--partition=aws-cn"], true, "arn:aws-cn:elasticloadbalancing:*:*:*/app/*"),
        (&["--cluster-name=shop", "--aws-vpc-id=vpc-1"], true, "arn:aws:ec2:*:*:vpc/vpc-1"),
        (&["--partition=aws-moon"], false, "use one of aws, aws-cn, aws-us-gov"),
        (&["--cluster-name=sh*p"], false, "--cluster-name `sh*p`"),
        (&["--aws-vpc-id="], false, "--aws-vpc-id ``"),
    ];
    for (flags, is_printed, fact) in rows {
        let out = tokio::process::Command::new(crate::base::ALBEDO).arg("iam-policy").args(flags).output().await?;
        let said = String::from_utf8(if is_printed { out.stdout } else { out.stderr })?;
        ensure!(out.status.success() == is_printed && said.contains(fact), "{flags:?}: {said}");
    }
    Ok(())
}
