//! What another hand deleted is made again under the name that it had.

use std::collections::BTreeMap;

use albedo_engine::plan::{self, AwsOperation, Input, KubeOperation, Operation, Plan, TargetsByArn, as_observed};
use albedo_engine::stack::{Desired, Observed, ResourceId, Tags};

use crate::cluster::{desired, member, rule};
use crate::{holds, next};

fn shop() -> Desired {
    desired(vec![member("web", &[], vec![rule("a.example.com", "/", "svc-1")])])
}

/// Deletions of bindings, and writes of them, in their order.
fn bindings(plan: &Plan) -> Vec<String> {
    let named = |operation: &Operation| match operation {
        Operation::Kube(KubeOperation::ApplyBinding(binding)) => Some(format!("+ {}", binding.name)),
        Operation::Kube(KubeOperation::DeleteBinding { name, .. }) => Some(format!("- {name}")),
        Operation::Aws(_) => None,
    };
    plan.operations.iter().filter_map(named).collect()
}

/// The old binding, which nothing can be registered through any more, goes before the one of the new target group comes.
#[test]
fn a_target_group_is_made_again_under_its_name() {
    let after = shop();
    let (mut observed, there) = as_observed(&after);
    observed.target_groups.clear();
    for listener in observed.load_balancers.iter_mut().flat_map(|found| &mut found.listeners) {
        listener.rules.clear();
    }
    let plan = next(&after, &observed, &there, &TargetsByArn::new());
    let name = &there.first().expect("a binding").is.name;
    assert_eq!(bindings(&plan), [format!("- {name}"), format!("+ {name}")]);
    holds("made-again", &[("its target group was deleted", plan)]);
}

/// A binding that somebody deletes is made again when it is gone; until then nothing else waits, and nothing is a defect.
#[test]
fn a_binding_that_is_being_deleted_is_waited_for() {
    let after = shop();
    let (observed, mut there) = as_observed(&after);
    for binding in &mut there {
        binding.deleting = true;
    }
    let plan = next(&after, &observed, &there, &TargetsByArn::new());
    assert!(plan.operations.is_empty() && plan.waits.is_empty(), "{}", plan::show(&plan));
    assert!(plan.later.first().is_some_and(|one| one.contains("TargetGroupBinding")), "{:?}", plan.later);
    let plan = next(&after, &observed, &[], &TargetsByArn::new());
    assert_eq!(bindings(&plan).len(), 1, "{}", plan::show(&plan));
}

/// A target group that lost its tag is known by the name that only this cluster gives.
#[test]
fn a_target_group_that_lost_its_tag_is_kept() {
    let after = shop();
    let (mut observed, there) = as_observed(&after);
    for found in &mut observed.target_groups {
        found.is.tags.insert("ingress.k8s.aws/resource".to_owned(), "typed by hand".to_owned());
    }
    let plan = next(&after, &observed, &there, &TargetsByArn::new());
    let retags = |one: &Operation| matches!(one, Operation::Aws(AwsOperation::AddTags { .. }));
    assert!(!plan.operations.is_empty() && plan.operations.iter().all(retags), "{}", plan::show(&plan));
}

/// What is remembered of a pass leaves nothing to do in AWS, whatever names AWS gave; without one of them nothing is remembered.
#[test]
fn what_is_remembered_leaves_nothing_to_do() {
    let after = shop();
    let arn = |id: &ResourceId| Some(format!("arn-of-{id}"));
    let remembered = plan::remember(&after, arn, &Observed::default()).expect("every name is known");
    assert!(remembered.target_groups.iter().all(|found| found.arn.starts_with("arn-of-")), "{remembered:?}");
    let plan = next(&after, &remembered, &[], &TargetsByArn::new());
    assert!(!plan.operations.iter().any(|one| matches!(one, Operation::Aws(_))), "{}", plan::show(&plan));
    let lacking = |id: &ResourceId| arn(id).filter(|_| *id != ResourceId::rule(80, 1));
    assert_eq!(plan::remember(&after, lacking, &Observed::default()), None);
}

/// Whoever deletes what the same plan has just made or changed has a defect, of whatever kind that is.
#[test]
fn a_plan_that_undoes_itself_is_a_defect() {
    let after = shop();
    let observed = Observed::default();
    let made = next(&after, &observed, &[], &TargetsByArn::new());
    let (there, bound) = as_observed(&after);
    let arn = |found: &str| found.to_owned();
    let group = there.target_groups.first().expect("a target group");
    let balancer = there.load_balancers.first().expect("a load balancer");
    let binding = bound.first().expect("a binding").is.clone();
    let named = format!("arn:aws:elasticloadbalancing:r:1:targetgroup/{}/0", group.is.name);
    let health = AwsOperation::ModifyTargetGroup {
        target_group: arn(&group.arn),
        protocol_version: group.is.protocol_version,
        health_check: group.is.health_check.clone(),
    };
    let pairs: Vec<(Vec<Operation>, Operation)> = vec![
        (
            vec![Operation::Kube(KubeOperation::ApplyBinding(Box::new(binding.clone())))],
            Operation::Kube(KubeOperation::DeleteBinding { namespace: binding.namespace, name: binding.name }),
        ),
        (made.operations, Operation::Aws(AwsOperation::DeleteTargetGroup { target_group: named })),
        (
            vec![Operation::Aws(health)],
            Operation::Aws(AwsOperation::DeleteTargetGroup { target_group: arn(&group.arn) }),
        ),
        (
            vec![Operation::Aws(AwsOperation::SetSubnets {
                load_balancer: arn(&balancer.arn),
                subnets: Vec::new(),
                allocation_ids: BTreeMap::new(),
            })],
            Operation::Aws(AwsOperation::DeleteLoadBalancer { load_balancer: arn(&balancer.arn) }),
        ),
    ];
    for (first, then) in pairs {
        let input = Input {
            desired: &after,
            observed: &observed,
            bindings: &[],
            cluster: "demo",
            external_tags: &[],
            default_tags: &Tags::new(),
            rule_quota: 100,
            targets: None,
        };
        let right = Plan { operations: first.clone(), ..Plan::default() };
        assert_eq!(plan::check(&right, input), [], "{}", plan::show(&right));
        let wrong = Plan { operations: first.into_iter().chain([then]).collect(), ..Plan::default() };
        assert_eq!(plan::check(&wrong, input).len(), 1, "{}", plan::show(&wrong));
    }
}
