//! A cluster and an account in memory, and one Ingress that is about to be stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use albedo_engine::admit::registration::{Kind as WebhookKind, ROWS};
use albedo_engine::admit::{self, Context, Object as Reviewed, Operation, Policy, Request, ReviewAnswer};
use albedo_engine::annotation::PREFIX;
use albedo_engine::facts::{Aged, Certificate, Facts, SecurityGroupFact, Subnet};
use albedo_engine::kinds::{IngressClassParams, IngressGroup, Key};
use albedo_engine::link::{Input, Linked, MemberState, link};
use albedo_engine::settings::{CONTROLLER, Settings};
use albedo_engine::stack::GroupId;
use albedo_engine::world::{Kind, Object, Overlay, World};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use serde_json::{Value, json};

/// A certificate of the account that covers `*.example.com`.
pub const CERTIFICATE: &str = "arn:aws:acm:eu-central-1:123456789012:certificate/0d1b6a9c-1234-4f5e-9abc-0123456789ab";

pub fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("a time")
}

#[expect(clippy::unnecessary_wraps, reason = "as the fields of facts are")]
fn aged<T>(value: T) -> Option<Aged<T>> {
    Some(Aged { value, read_at: now() })
}

/// Region eu-central-1, subnets in two zones (two of them in one), a certificate, two security groups.
pub fn facts() -> Facts {
    let subnet = |id: &str, zone: &str, role: &str| Subnet {
        id: id.to_owned(),
        vpc_id: "vpc-1".to_owned(),
        zone: zone.to_owned(),
        locale: "availability-zone".to_owned(),
        free_addresses: 100,
        ipv6: false,
        public: None,
        tags: BTreeMap::from([(format!("kubernetes.io/role/{role}"), "1".to_owned())]),
    };
    let group = |id: &str| SecurityGroupFact { id: id.to_owned(), name: id.to_owned(), tags: BTreeMap::new() };
    Facts {
        region: Some("eu-central-1".to_owned()),
        vpc_id: Some("vpc-1".to_owned()),
        vpc_cidrs: aged(vec!["10.0.0.0/16".to_owned()]),
        subnets: aged(vec![
            subnet("subnet-0a11", "eu-central-1a", "internal-elb"),
            subnet("subnet-0b22", "eu-central-1b", "internal-elb"),
            subnet("subnet-0a12", "eu-central-1a", "elb"),
            subnet("subnet-0b23", "eu-central-1b", "elb"),
        ]),
        certificates: aged(vec![Certificate {
            arn: CERTIFICATE.to_owned(),
            status: "ISSUED".to_owned(),
            domains: vec!["*.example.com".to_owned()],
            certificate_authority: None,
        }]),
        security_groups: aged(vec![group("sg-0a11"), group("sg-0b22")]),
        target_groups: None,
        target_group_names: aged(BTreeMap::new()),
        ..Facts::default()
    }
}

/// Annotations by what follows the prefix.
pub fn annotations(short: &Value) -> BTreeMap<String, String> {
    let pairs = short.as_object().into_iter().flatten();
    let full = |key: &str| if key.contains('/') { key.to_owned() } else { format!("{PREFIX}{key}") };
    pairs.map(|(key, value)| (full(key), value.as_str().unwrap_or_default().to_owned())).collect()
}

/// An Ingress with these annotations and, beside or instead of the plain ones, members of its spec.
pub fn ingress(name: &str, short: &Value, spec: &Value) -> Ingress {
    let mut whole = json!({
        "metadata": {"name": name, "namespace": "shop", "uid": name, "annotations": annotations(short)},
        "spec": {
            "ingressClassName": "alb",
            "rules": [{"host": format!("{name}.example.com"), "http": {"paths": [{"path": "/", "pathType": "Prefix",
                "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]
        }
    });
    if let (Some(target), Some(source)) = (whole["spec"].as_object_mut(), spec.as_object()) {
        target.extend(source.clone());
    }
    serde_json::from_value(whole).expect("an Ingress")
}

/// A cluster: a class, Services `web` (`NodePort`) and `inner` (`ClusterIP`), and the Ingresses that are stored.
pub struct Fixture {
    pub world: World,
    pub facts: Facts,
    pub policy: Policy,
    stored: u32,
}

impl Fixture {
    pub fn new() -> Self {
        Self::by(Settings::new("test"))
    }

    /// The same, by what the operator decides.
    pub fn by(settings: Settings) -> Self {
        let mut world = World::new(settings);
        for kind in Kind::ALL {
            world.reset(kind, Vec::new());
        }
        let mut fixture = Self { world, facts: facts(), policy: Policy::default(), stored: 0 };
        fixture.class("alb", CONTROLLER, None);
        for (name, kind, node_port) in [("web", "NodePort", Some(30_080)), ("inner", "ClusterIP", None)] {
            let service = json!({"metadata": {"name": name, "namespace": "shop", "uid": name}, "spec": {"type": kind,
                "ports": [{"name": "http", "port": 80, "targetPort": 8080, "nodePort": node_port}]}});
            let service: Service = serde_json::from_value(service).expect("a Service");
            fixture.world.apply(Object::Service(Box::new(service)));
        }
        fixture
    }

    /// A class, and the spec of its parameters.
    pub fn class(&mut self, name: &str, controller: &str, params: Option<&Value>) {
        let reference =
            params.map(|_| json!({"apiGroup": "elbv2.k8s.aws", "kind": "IngressClassParams", "name": name}));
        let class = json!({"metadata": {"name": name}, "spec": {"controller": controller, "parameters": reference}});
        let class: IngressClass = serde_json::from_value(class).expect("a class");
        self.world.apply(Object::IngressClass(Box::new(class)));
        if let Some(spec) = params {
            let params = json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "IngressClassParams",
                "metadata": {"name": name}, "spec": spec});
            let params: IngressClassParams = serde_json::from_value(params).expect("parameters");
            self.world.apply(Object::IngressClassParams(Box::new(params)));
        }
    }

    /// Stores an Ingress, a minute younger than the one before, whatever admission would say.
    pub fn store(&mut self, name: &str, short: &Value, spec: &Value) -> &mut Self {
        self.stored += 1;
        let mut ingress = ingress(name, short, spec);
        let created = Timestamp::from_second(1_700_000_000 + i64::from(self.stored) * 60).expect("a time");
        ingress.metadata.creation_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(created));
        self.world.apply(Object::Ingress(Box::new(ingress)));
        self
    }

    pub fn remember(&mut self, ledger: IngressGroup) -> &mut Self {
        self.world.apply(Object::Group(Box::new(ledger)));
        self
    }

    /// What is answered when the Ingress is created, or changed if one of its name is stored.
    pub fn answer(&self, candidate: &Ingress) -> ReviewAnswer {
        self.review(candidate, false)
    }

    /// What is answered to the same with `--dry-run=server`.
    pub fn preview(&self, candidate: &Ingress) -> ReviewAnswer {
        self.review(candidate, true)
    }

    fn review(&self, candidate: &Ingress, dry_run: bool) -> ReviewAnswer {
        let settings = self.world.settings();
        let context =
            Context { world: &self.world, facts: &self.facts, settings: &settings, policy: &self.policy, now: now() };
        let old = self.world.ingress(&Key::of(&candidate.metadata)).map(|old| Box::new((**old).clone()));
        let request = Request {
            row: ROWS.iter().find(|row| row.kind == WebhookKind::Validating).expect("a row"),
            operation: if old.is_some() { Operation::Update } else { Operation::Create },
            namespace: "shop".to_owned(),
            name: candidate.metadata.name.clone().unwrap_or_default(),
            dry_run,
            user: "somebody".to_owned(),
            object: Some(Reviewed::Ingress(Box::new(candidate.clone()))),
            old_object: old.map(Reviewed::Ingress),
        };
        admit::review(&request, context)
    }

    pub fn linked_with(&self, group: &str, overlay: &Overlay) -> Linked {
        let settings = self.world.settings();
        let view = self.world.view(&GroupId::Explicit(group.to_owned()), overlay);
        link(Input { settings: &settings, view: &view, facts: &self.facts, existing: None, now: now() })
    }

    /// The group as it is stored.
    pub fn linked(&self, group: &str) -> Linked {
        self.linked_with(group, &Overlay::None)
    }

    /// The group `g` with a candidate.
    pub fn with(&self, candidate: &Ingress) -> Linked {
        self.linked_with("g", &Overlay::Put(Arc::new(candidate.clone())))
    }
}

/// Name and state of each member.
pub fn states(linked: &Linked) -> Vec<(&str, MemberState)> {
    linked.members.iter().map(|member| (member.key.name.as_str(), member.state)).collect()
}

/// The text of a denial holds all of these.
#[track_caller]
pub fn says(what: &str, text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{what}: {word:?} is not said in: {text}");
    }
}
