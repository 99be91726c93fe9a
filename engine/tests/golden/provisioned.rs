//! Every case and step that the predecessor provisioned: the desired state is what was there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use albedo_engine::kinds::Key;
use albedo_engine::link::{Existing, ExistingNlb, Input, Linked, MemberState, link};
use albedo_engine::stack::{Desired, GroupId, Holder, LoadBalancerKind, Nlb};
use albedo_engine::world::{Leaving, Object, Overlay};
use serde_json::Value;

use crate::case::{self, Case, Cluster, Step, now};
use crate::normal::{self, LISTS};

#[test]
fn what_was_provisioned_is_desired() {
    let (mut faults, mut steps, mut compared) = (Vec::new(), 0, 0);
    for case in &case::all() {
        let mut run = Run::new(case);
        for step in &case.steps {
            steps += 1;
            match run.step(step) {
                Ok(true) => compared += 1,
                Ok(false) => {}
                Err(differences) => faults.push(format!("{}\n{}", step.name, differences.join("\n"))),
            }
        }
    }
    println!("{compared} of {steps} steps were provisioned and are compared whole; the others failed or were not ours");
    assert!(faults.is_empty(), "{} steps differ\n{}", faults.len(), faults.join("\n\n"));
}

/// A case on its way through its steps, with what AWS would hold by now.
struct Run<'a> {
    case: &'a Case,
    cluster: Cluster,
    there: BTreeMap<GroupId, Desired>,
}

impl<'a> Run<'a> {
    fn new(case: &'a Case) -> Self {
        Self { case, cluster: Cluster::new(case.settings.clone()), there: BTreeMap::new() }
    }

    /// Whether the step was compared; or what differs.
    fn step(&mut self, step: &Step) -> Result<bool, Vec<String>> {
        self.cluster.take(step);
        let mut states = BTreeMap::new();
        for group in self.cluster.world.group_ids() {
            let linked = self.pass(&group);
            states.extend(linked.members.into_iter().map(|member| (member.key.to_string(), member.state)));
        }
        let provisioned = |one: &Value| one["outcome"] == "provisioned";
        let ingresses = step.expected["ingresses"].as_object().expect("Ingresses");
        let mut differences = Vec::new();
        for (key, _) in ingresses.iter().filter(|(_, one)| provisioned(one)) {
            if states.get(key) != Some(&MemberState::Linked) {
                differences.push(format!("  {key} was provisioned, here it is {:?}", states.get(key)));
            }
        }
        let settled = ["provisioned", "released", "empty"].contains(&step.expected["outcome"].as_str().unwrap_or(""));
        if settled {
            let there: Vec<Desired> = self.there.values().cloned().collect();
            let (mut want, mut got) = (step.expected.clone(), normal::of(&there, &self.cluster));
            for form in [&mut want, &mut got] {
                leave_out(form);
            }
            let want = normal::canonical(want);
            for list in LISTS {
                differ(&want[list], &got[list], list, &mut differences);
            }
        }
        if differences.is_empty() { Ok(settled) } else { Err(differences) }
    }

    /// One group's pass: what AWS would hold after it.
    fn pass(&mut self, group: &GroupId) -> Linked {
        let view = self.cluster.world.view(group, &Overlay::None);
        let before = self.there.get(group);
        let existing = before.and_then(|before| before.load_balancer.as_ref());
        let existing = existing.map(|is| Existing {
            ip_address_type: Some(is.ip_address_type),
            nlb: before.and_then(|before| before.nlb.as_ref()).map(existing_nlb),
            ..Existing::new(is.scheme, is.subnets.clone())
        });
        let linked = link(Input {
            settings: &self.case.settings,
            view: &view,
            facts: &self.case.facts,
            existing: existing.as_ref(),
            now: now(),
        });
        let Some(desired) = linked.desired.clone() else { return linked };
        let protected = view.leaving.iter().any(|leaving| !matches!(leaving, Leaving::Unknown(..)))
            && desired.load_balancer.is_none()
            && !desired.lift_deletion_protection.contains(&LoadBalancerKind::Application)
            && before.is_some_and(is_protected);
        if protected {
            return linked;
        }
        let desired = born(desired, before);
        if desired.load_balancer.is_some() {
            self.there.insert(group.clone(), desired);
        } else {
            self.there.remove(group);
        }
        for member in &view.members {
            self.hold(&member.key(), &group.finalizer(Holder::Shared));
        }
        for leaving in &view.leaving {
            if let Leaving::Left(ingress) = leaving {
                self.release(&Key::of(&ingress.metadata), &group.finalizer(Holder::Shared));
            }
        }
        linked
    }

    fn hold(&mut self, key: &Key, finalizer: &str) {
        let Some(ingress) = self.cluster.world.ingress(key) else { return };
        let mut ingress = (**ingress).clone();
        let held = ingress.metadata.finalizers.get_or_insert_default();
        if !held.iter().any(|one| one == finalizer) {
            held.push(finalizer.to_owned());
            self.cluster.world.apply(Object::Ingress(Box::new(ingress)));
        }
    }

    fn release(&mut self, key: &Key, finalizer: &str) {
        let Some(ingress) = self.cluster.world.ingress(key) else { return };
        let mut ingress = (**ingress).clone();
        ingress.metadata.finalizers.get_or_insert_default().retain(|one| one != finalizer);
        let gone = ingress.metadata.deletion_timestamp.is_some();
        self.cluster.world.apply(Object::Ingress(Box::new(ingress)));
        if gone {
            self.cluster.delete("Ingress", key);
        }
    }
}

fn existing_nlb(nlb: &Nlb) -> ExistingNlb {
    ExistingNlb { scheme: nlb.is.scheme, subnets: nlb.is.subnets.clone() }
}

fn is_protected(desired: &Desired) -> bool {
    let balancer = desired.load_balancer.as_ref();
    balancer.is_some_and(|is| {
        is.attributes.get(albedo_engine::stack::DELETION_PROTECTION).is_some_and(|value| value == "true")
    })
}

/// What exists keeps what it was born with: names, and ports of target groups.
fn born(mut desired: Desired, before: Option<&Desired>) -> Desired {
    let Some(before) = before else { return desired };
    if let (Some(is), Some(was)) = (&mut desired.load_balancer, &before.load_balancer)
        && is.scheme == was.scheme
    {
        is.name.clone_from(&was.name);
    }
    for (id, is) in &mut desired.target_groups {
        let Some(was) = before.target_groups.get(id) else { continue };
        let same = (is.target_type, is.protocol, is.protocol_version, is.target_control_port)
            == (was.target_type, was.protocol, was.protocol_version, was.target_control_port);
        if same {
            let is = Arc::make_mut(is);
            is.name.clone_from(&was.name);
            is.port = was.port;
        }
    }
    desired
}

/// Takes out of a form what is not compared.
fn leave_out(form: &mut Value) {
    for list in LISTS {
        let Some(items) = form[list].as_array_mut() else { continue };
        for item in items.iter_mut().filter_map(Value::as_object_mut) {
            // Which targets are registered is the bindings' pass, not the group's; so is what it writes into them.
            for key in ["targets", "finalizers", "observed"] {
                item.remove(key);
            }
        }
    }
}

/// Every path at which two forms differ.
fn differ(want: &Value, got: &Value, path: &str, into: &mut Vec<String>) {
    match (want, got) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                let (a, b) = (a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null));
                differ(a, b, &format!("{path}.{key}"), into);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (number, (a, b)) in a.iter().zip(b).enumerate() {
                differ(a, b, &format!("{path}[{number}]"), into);
            }
        }
        _ if want == got => {}
        _ => into.push(format!("  {path}: recorded {want}, desired {got}")),
    }
}
