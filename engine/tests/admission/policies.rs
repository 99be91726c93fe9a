//! `IngressDefaults` and `IngressPolicy`: which values are written, and which are refused.

use std::collections::BTreeMap;

use albedo_engine::admit::registration::{Kind as WebhookKind, ROWS};
use albedo_engine::admit::{self, Context, Object as Reviewed, Operation, PatchOp, Request};
use albedo_engine::annotation::PREFIX;
use albedo_engine::kinds::{IngressDefaults, IngressPolicy, Key};
use albedo_engine::world::Object;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::Ingress;
use serde_json::{Value, json};

use crate::fixture::{CERTIFICATE, Fixture, annotations, ingress, now, says};

impl Fixture {
    fn defaults(&mut self, name: &str, spec: &Value) -> &mut Self {
        let object = json!({"apiVersion": "albedo.dev/v1alpha1", "kind": "IngressDefaults", "metadata": {"name": name}, "spec": spec});
        let object: IngressDefaults = serde_json::from_value(object).expect("IngressDefaults");
        self.world.apply(Object::Defaults(Box::new(object)));
        self
    }

    fn rule(&mut self, name: &str, spec: &Value) -> &mut Self {
        let object = json!({"apiVersion": "albedo.dev/v1alpha1", "kind": "IngressPolicy", "metadata": {"name": name}, "spec": spec});
        let object: IngressPolicy = serde_json::from_value(object).expect("IngressPolicy");
        self.world.apply(Object::Policy(Box::new(object)));
        self
    }

    fn namespace(&mut self, labels: &[(&str, &str)]) -> &mut Self {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        self.world.apply(Object::Namespace { name: "shop".to_owned(), labels });
        self
    }

    /// The patch of the mutating webhook.
    fn patch(&self, candidate: &Ingress, old: Option<&Ingress>) -> Vec<PatchOp> {
        let settings = self.world.settings();
        let context =
            Context { world: &self.world, facts: &self.facts, settings: &settings, policy: &self.policy, now: now() };
        let request = Request {
            row: ROWS.iter().find(|row| row.kind == WebhookKind::Mutating).expect("a row"),
            operation: if old.is_some() { Operation::Update } else { Operation::Create },
            namespace: "shop".to_owned(),
            name: candidate.metadata.name.clone().unwrap_or_default(),
            dry_run: false,
            user: "somebody".to_owned(),
            object: Some(Reviewed::Ingress(Box::new(candidate.clone()))),
            old_object: old.map(|old| Reviewed::Ingress(Box::new(old.clone()))),
        };
        admit::review(&request, context).patch
    }

    /// The Ingress with what is written into it.
    fn mutated(&self, candidate: &Ingress, old: Option<&Ingress>) -> Ingress {
        let mut object = serde_json::to_value(candidate).expect("JSON");
        for op in self.patch(candidate, old) {
            let (path, value) = (op.path, op.value.expect("a value"));
            match path.strip_prefix("/metadata/annotations/") {
                None => object["metadata"]["annotations"] = value,
                Some(key) => {
                    object["metadata"]["annotations"][key.replace("~1", "/").replace("~0", "~")] = value;
                }
            }
        }
        serde_json::from_value(object).expect("an Ingress")
    }

    /// What is written into a new Ingress, by short keys.
    fn written(&self, candidate: &Ingress) -> BTreeMap<String, String> {
        let given = candidate.metadata.annotations.clone().unwrap_or_default();
        let all = self.mutated(candidate, None).metadata.annotations.unwrap_or_default();
        let new = all.into_iter().filter(|(key, _)| !given.contains_key(key) && key != "albedo.dev/defaulted");
        new.map(|(key, value)| (key.strip_prefix(PREFIX).expect("our prefix").to_owned(), value)).collect()
    }

    fn explained(&self) -> String {
        let settings = self.world.settings();
        let context =
            Context { world: &self.world, facts: &self.facts, settings: &settings, policy: &self.policy, now: now() };
        admit::explain_defaults(context)
    }
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn plain(short: &Value) -> Ingress {
    ingress("web", short, &json!({}))
}

const TLS: &str = "ELBSecurityPolicy-TLS13-1-2-2021-06";

#[test]
fn the_strongest_layer_is_written() {
    let mut fixture = Fixture::new();
    fixture.policy.defaults.scheme = Some(albedo_engine::stack::Scheme::Internal);
    assert_eq!(fixture.written(&plain(&json!({}))), pairs(&[("scheme", "internal")]));
    fixture.defaults("base", &json!({"settings": {"scheme": "internet-facing", "healthy-threshold-count": "3"}}));
    let of_base = pairs(&[("healthy-threshold-count", "3"), ("scheme", "internet-facing")]);
    assert_eq!(fixture.written(&plain(&json!({}))), of_base);
    // Of equal priorities the first name counts, then the higher priority.
    fixture.defaults("alpha", &json!({"settings": {"healthy-threshold-count": "4"}}));
    fixture.defaults("zulu", &json!({"settings": {"healthy-threshold-count": "5"}}));
    assert_eq!(fixture.written(&plain(&json!({})))["healthy-threshold-count"], "4");
    fixture.defaults("zulu", &json!({"priority": 1, "settings": {"healthy-threshold-count": "5"}}));
    assert_eq!(fixture.written(&plain(&json!({})))["healthy-threshold-count"], "5");
    // The Ingress itself is the strongest.
    let own = plain(&json!({"healthy-threshold-count": "2"}));
    assert_eq!(fixture.written(&own), pairs(&[("scheme", "internet-facing")]));
    let text = {
        fixture.store("web", &json!({"healthy-threshold-count": "2"}), &json!({}));
        fixture.explained()
    };
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
    let first = "Ingress shop/web: class alb, a load balancer of its own SETTING VALUE FROM RESULT \
        healthy-threshold-count 2 the Ingress in effect \
        5 IngressDefaults zulu, priority 1 not used: the Ingress has a value \
        4 IngressDefaults alpha, priority 0 not used: the Ingress has a value";
    assert!(words(&text).starts_with(first), "{text}");
    says(
        "explained",
        &words(&text),
        &[
            "3 IngressDefaults base, priority 0 not used: the Ingress has a value",
            "scheme internet-facing IngressDefaults base, priority 0 in effect, written when the Ingress is created",
            "internal built-in (--admission-defaults) not used: a stronger layer has a value",
        ],
    );
}

#[test]
fn what_selects_decides() {
    let mut fixture = Fixture::new();
    fixture.class("other", "ingress.k8s.aws/alb", None);
    fixture.namespace(&[("team", "a")]);
    let selectors = [
        (json!({}), true),
        (json!({"classes": ["alb"]}), true),
        (json!({"classes": ["other"]}), false),
        (json!({"namespaceSelector": {"matchLabels": {"team": "a"}}}), true),
        (json!({"namespaceSelector": {"matchLabels": {"team": "b"}}}), false),
        (json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}), true),
        (json!({"ingressSelector": {"matchLabels": {"tier": "web"}}}), true),
        (json!({"ingressSelector": {"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}}), false),
        (json!({"ingressSelector": {"matchExpressions": [{"key": "tier", "operator": "in"}]}}), false),
    ];
    let mut labelled = plain(&json!({}));
    labelled.metadata.labels = Some(pairs(&[("tier", "web")]));
    for (selector, fits) in selectors {
        let mut spec = selector.clone();
        spec["settings"] = json!({"scheme": "internal"});
        fixture.defaults("one", &spec);
        assert_eq!(!fixture.written(&labelled).is_empty(), fits, "{selector}");
    }
    // The legacy annotation names the class, too.
    fixture.defaults("one", &json!({"classes": ["alb"], "settings": {"scheme": "internal"}}));
    let mut legacy = plain(&json!({"kubernetes.io/ingress.class": "alb"}));
    legacy.spec.as_mut().expect("a spec").ingress_class_name = None;
    assert_eq!(fixture.written(&legacy), pairs(&[("scheme", "internal")]));
    let mut foreign = plain(&json!({}));
    foreign.spec.as_mut().expect("a spec").ingress_class_name = Some("nginx".to_owned());
    assert!(fixture.patch(&foreign, None).is_empty());
}

#[test]
fn what_cannot_be_a_default_is_not_written() {
    let mut fixture = Fixture::new();
    let settings = json!({"scheme": "public", "schema": "internal", "listen-ports": "[{\"HTTP\": 80}]", "group.name": "g",
        "load-balancer-name": "one", "target-type": "ip"});
    fixture.defaults("odd", &json!({"settings": settings}));
    assert_eq!(fixture.written(&plain(&json!({}))), pairs(&[("target-type", "ip")]));
    // Nothing of a load balancer that others share is for one member to say by a default.
    let shared = json!({"ssl-policy": TLS, "tags": "team=a", "scheme": "internal", "target-type": "ip",
        "certificate-arn": CERTIFICATE, "enable-frontend-nlb": "true", "group.order": "7"});
    fixture.defaults("odd", &json!({"settings": shared}));
    assert_eq!(fixture.written(&plain(&json!({}))).len(), 7);
    let member = plain(&json!({"group.name": "g"}));
    let own = pairs(&[("certificate-arn", CERTIFICATE), ("group.order", "7"), ("target-type", "ip")]);
    assert_eq!(fixture.written(&member), own);
    // What the class enforces wins anyway. Pairs count each by itself.
    fixture.class(
        "alb",
        "ingress.k8s.aws/alb",
        Some(&json!({"scheme": "internal", "tags": [{"key": "team", "value": "b"}]})),
    );
    let written = fixture.written(&plain(&json!({})));
    assert!(!written.contains_key("scheme") && !written.contains_key("tags"), "{written:?}");
    fixture.defaults("odd", &json!({"settings": {"tags": "team=a,stage=dev"}}));
    assert_eq!(fixture.written(&plain(&json!({}))), pairs(&[("tags", "team=a,stage=dev")]));
}

/// As the API server hands an object to webhooks: what a manager set is noted.
fn managed(mut ingress: Ingress, keys: &[&str]) -> Ingress {
    let fields: serde_json::Map<String, Value> =
        keys.iter().map(|key| (format!("f:{PREFIX}{key}"), json!({}))).collect();
    let entry = json!({"manager": "kubectl", "operation": "Apply", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:metadata": {"f:annotations": fields}}});
    ingress.metadata.managed_fields = Some(vec![serde_json::from_value(entry).expect("managed fields")]);
    ingress
}

fn list(ingress: &Ingress) -> &str {
    ingress.metadata.annotations.as_ref().and_then(|map| map.get("albedo.dev/defaulted")).map_or("", String::as_str)
}

#[test]
fn applying_again_changes_nothing() {
    let mut fixture = Fixture::new();
    fixture.defaults("base", &json!({"settings": {"scheme": "internal", "target-type": "ip"}}));
    let manifest = plain(&json!({"group.order": "1"}));
    let stored = fixture.mutated(&manifest, None);
    assert_eq!(list(&stored), "scheme,target-type");
    // Server-side: the object keeps fields without an owner. Client-side: neither does a patch remove it.
    assert!(fixture.patch(&stored, Some(&stored)).is_empty());
    // `kubectl replace` drops it, and it comes back.
    assert_eq!(fixture.mutated(&manifest, Some(&stored)), stored);
    // A default that changes later leaves stored objects alone.
    fixture.defaults("base", &json!({"settings": {"scheme": "internet-facing", "ip-address-type": "ipv4"}}));
    assert!(fixture.patch(&stored, Some(&stored)).is_empty());
    assert_eq!(fixture.mutated(&manifest, Some(&stored)), stored);
}

#[test]
fn what_a_manager_owns_is_the_users() {
    let mut fixture = Fixture::new();
    fixture.defaults("base", &json!({"settings": {"scheme": "internal", "target-type": "ip"}}));
    let stored = fixture.mutated(&plain(&json!({})), None);
    // The same value as the default, in the user's manifest now.
    let own = managed(stored.clone(), &["scheme"]);
    let after = fixture.mutated(&own, Some(&stored));
    assert_eq!(list(&after), "target-type");
    assert!(fixture.patch(&after, Some(&own)).is_empty(), "the second time nothing changes");
    // He removes it, before a webhook was called that could note it: it does not come back.
    let mut removed = stored.clone();
    removed.metadata.annotations.as_mut().expect("annotations").remove(&format!("{PREFIX}scheme"));
    let gone = fixture.mutated(&removed, Some(&own));
    assert_eq!(gone.metadata.annotations.as_ref().and_then(|map| map.get(&format!("{PREFIX}scheme"))), None);
    assert_eq!(list(&gone), "target-type");
    // A restored backup holds the list, too: its defaults stay defaults.
    let mut restored = managed(stored.clone(), &["scheme", "target-type"]);
    let fields = &mut restored.metadata.managed_fields.as_mut().expect("managers")[0].fields_v1;
    fields.as_mut().expect("fields").0["f:metadata"]["f:annotations"]["f:albedo.dev/defaulted"] = json!({});
    assert_eq!(list(&fixture.mutated(&restored, None)), "scheme,target-type");
}

/// A default that this Ingress does not use is no mistake of its author, so it draws no warning; login that is not asked for does.
#[test]
fn an_unused_default_is_silent() {
    let mut fixture = Fixture::new();
    let ports = json!({"listen-ports": "[{\"HTTP\": 80}]"});
    fixture.defaults("base", &json!({"settings": {"ssl-policy": TLS}}));
    let stored = fixture.mutated(&plain(&ports), None);
    assert!(stored.metadata.annotations.as_ref().is_some_and(|map| map.contains_key(&format!("{PREFIX}ssl-policy"))));
    assert!(fixture.answer(&stored).warnings.is_empty(), "{:?}", fixture.answer(&stored));
    let written = fixture.answer(&plain(&json!({"listen-ports": "[{\"HTTP\": 80}]", "ssl-policy": TLS})));
    assert_eq!(written.warnings.len(), 1, "{written:?}");
    fixture.defaults(
        "base",
        &json!({"settings": {"jwt-validation":
        "{\"jwksEndpoint\": \"https://id.example.com/jwks\", \"issuer\": \"https://id.example.com\"}"}}),
    );
    let open = fixture.answer(&fixture.mutated(&plain(&ports), None));
    says("login", &open.warnings.join("\n"), &["nobody has to log in"]);
}

/// The policy's settings, the annotations of the Ingress, and what a denial says; nothing if it is admitted.
type Row = (Value, Value, &'static [&'static str]);

/// Annotations with a certificate, so that there is an HTTPS listener.
fn https(more: &Value) -> Value {
    let mut all = json!({"certificate-arn": CERTIFICATE});
    all.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
    all
}

/// Schemes, TLS policies and blocks of addresses.
fn of_words_and_addresses() -> Vec<Row> {
    vec![
        (json!({"scheme": {"allowed": ["internal"]}}), json!({}), &[]),
        (
            json!({"scheme": {"allowed": ["internal"]}}),
            json!({"scheme": "internet-facing"}),
            &[
                "metadata.annotations[alb.ingress.kubernetes.io/scheme]: ALB115: scheme is internet-facing (annotation)",
                "IngressPolicy test allows internal",
                "write internal, or have the IngressPolicy changed",
            ],
        ),
        // The default of the flag counts.
        (
            json!({"scheme": {"allowed": ["internet-facing"]}}),
            json!({}),
            &["scheme is internal (flag of the controller)"],
        ),
        (json!({"scheme": {"denied": ["internet-*"]}}), json!({"scheme": "internet-facing"}), &["denies internet-*"]),
        (json!({"ssl-policy": {"minimumTlsVersion": "1.2"}}), json!({}), &[]),
        (
            json!({"ssl-policy": {"minimumTlsVersion": "1.2"}}),
            https(&json!({})),
            &["ssl-policy is ELBSecurityPolicy-2016-08", "allows TLS 1.2 and later, and this one accepts TLS 1.0"],
        ),
        (json!({"ssl-policy": {"minimumTlsVersion": "1.2"}}), https(&json!({"ssl-policy": TLS})), &[]),
        (
            json!({"inbound-cidrs": {"within": ["10.0.0.0/8"]}}),
            json!({"inbound-cidrs": "10.1.0.0/16,10.2.0.0/16"}),
            &[],
        ),
        (
            json!({"inbound-cidrs": {"within": ["10.0.0.0/8"]}}),
            json!({"inbound-cidrs": "10.1.0.0/16,192.168.0.0/16"}),
            &["allows blocks within 10.0.0.0/8, not 192.168.0.0/16"],
        ),
        (
            json!({"inbound-cidrs": {"within": ["10.0.0.0/8"]}}),
            json!({}),
            &["inbound-cidrs is 0.0.0.0/0,::/0 (default)"],
        ),
        // A prefix list or groups of one's own say who is let in.
        (json!({"inbound-cidrs": {"within": ["10.0.0.0/8"]}}), json!({"security-group-prefix-lists": "pl-0a11"}), &[]),
        (json!({"inbound-cidrs": {"within": ["10.0.0.0/8"]}}), json!({"security-groups": "sg-0a11"}), &[]),
    ]
}

/// Security groups, certificates and groups.
fn of_names() -> Vec<Row> {
    let other = "arn:aws:acm:eu-central-1:999999999999:certificate/0d1b6a9c-1234-4f5e-9abc-0123456789ab";
    vec![
        (
            json!({"security-groups": {"forbidden": true}}),
            json!({"security-groups": "sg-0a11"}),
            &["forbids the setting"],
        ),
        (json!({"certificate-arn": {"accounts": ["123456789012"]}}), https(&json!({})), &[]),
        (
            json!({"certificate-arn": {"accounts": ["123456789012"]}}),
            json!({"certificate-arn": other}),
            &["allows those of account 123456789012, not arn:aws:acm:eu-central-1:999999999999"],
        ),
        (json!({"group.name": {"allowed": ["team-a-*"]}}), json!({"group.name": "team-a-web"}), &[]),
        (json!({"group.name": {"allowed": ["team-a-*"]}}), json!({}), &[]),
        (json!({"group.name": {"allowed": ["team-a-*"]}}), json!({"group.name": "other"}), &["allows team-a-*"]),
        (
            json!({"group.name": {"required": true}}),
            json!({}),
            &["group.name has no value, and IngressPolicy test requires"],
        ),
        (json!({"wafv2-acl-arn": {"required": true}}), json!({}), &["wafv2-acl-arn has no value"]),
    ]
}

/// Numbers, ports, tags and what has no effect.
fn of_numbers_and_pairs() -> Vec<Row> {
    vec![
        (json!({"healthcheck-interval-seconds": {"minimum": 5, "maximum": 30}}), json!({}), &[]),
        (
            json!({"healthcheck-interval-seconds": {"maximum": 10}}),
            json!({}),
            &["healthcheck-interval-seconds is 15 (default)", "allows 10 and less"],
        ),
        (json!({"listen-ports": {"allowed": ["*=HTTPS"]}}), json!({}), &["listen-ports is 80=HTTP"]),
        (json!({"listen-ports": {"allowed": ["*=HTTPS"]}}), https(&json!({})), &[]),
        (
            json!({"tags": {"allowed": ["team=*"]}}),
            json!({"tags": "team=a,stage=dev"}),
            &["allows team=*, not stage=dev"],
        ),
        (json!({"auth-type": {"allowed": ["oidc"]}}), json!({}), &["auth-type is none (default)"]),
        (json!({"target-type": {"allowed": ["ip"]}}), json!({}), &["target-type is instance"]),
        // What has no effect here is not required.
        (json!({"frontend-nlb-tags": {"required": true}}), json!({}), &[]),
        (json!({"mutual-authentication": {"required": true}}), json!({}), &[]),
        (
            json!({"mutual-authentication": {"required": true}}),
            https(&json!({})),
            &["mutual-authentication has no value"],
        ),
    ]
}

#[test]
fn a_policy_decides_about_values_in_effect() {
    let rows = of_words_and_addresses().into_iter().chain(of_names()).chain(of_numbers_and_pairs());
    for (settings, short, told) in rows {
        let mut fixture = Fixture::new();
        fixture.rule("test", &json!({"settings": settings}));
        let answer = fixture.answer(&plain(&short));
        let what = format!("{settings} {short}");
        assert_eq!(answer.allowed, told.is_empty(), "{what}: {answer:?}");
        says(&what, &answer.message, told);
        assert!(!answer.warnings.iter().any(|warning| warning.contains("ALB115")), "{what}: {answer:?}");
    }
}

#[test]
fn a_value_counts_wherever_it_comes_from() {
    let scheme = json!({"settings": {"scheme": {"allowed": ["internal"]}}});
    // Of the class.
    let mut fixture = Fixture::new();
    fixture.rule("private", &scheme);
    fixture.class("alb", "ingress.k8s.aws/alb", Some(&json!({"scheme": "internet-facing"})));
    let answer = fixture.answer(&plain(&json!({"scheme": "internal"})));
    says("class", &answer.message, &["scheme is internet-facing (IngressClassParams alb, spec.scheme)"]);
    // Of another member of the group.
    let mut fixture = Fixture::new();
    fixture.rule("private", &scheme);
    fixture.store("first", &json!({"group.name": "g", "scheme": "internet-facing"}), &json!({}));
    let answer = fixture.answer(&plain(&json!({"group.name": "g"})));
    says("group", &answer.message, &["scheme is internet-facing (annotation of Ingress shop/first)"]);
    // Of a member in another namespace, whose values are not told.
    let mut fixture = Fixture::new();
    fixture.rule("private", &scheme);
    let mut other = ingress("first", &json!({"group.name": "g", "scheme": "internet-facing"}), &json!({}));
    other.metadata.namespace = Some("other".to_owned());
    fixture.world.apply(Object::Ingress(Box::new(other)));
    let answer = fixture.answer(&plain(&json!({"group.name": "g"})));
    says("another namespace", &answer.message, &["scheme of the group is not what IngressPolicy private allows"]);
    assert!(!answer.message.contains("scheme is internet-facing"), "{answer:?}");
    // Pairs of other members are theirs.
    let mut fixture = Fixture::new();
    fixture.rule("tagged", &json!({"settings": {"tags": {"allowed": ["team=*"]}}}));
    fixture.store("first", &json!({"group.name": "g", "tags": "stage=dev"}), &json!({}));
    let answer = fixture.answer(&plain(&json!({"group.name": "g", "tags": "team=a"})));
    assert!(answer.allowed, "{answer:?}");
    let answer = fixture.answer(&plain(&json!({"group.name": "g", "tags": "stage=dev"})));
    says("own tags", &answer.message, &["tags is stage=dev", "allows team=*"]);
    // Of a Service.
    let mut fixture = Fixture::new();
    fixture.rule("pods", &json!({"settings": {"target-type": {"allowed": ["instance"]}}}));
    let service = json!({"metadata": {"name": "web", "namespace": "shop", "annotations": annotations(&json!({"target-type": "ip"}))},
        "spec": {"type": "NodePort", "ports": [{"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30080}]}});
    let service: Service = serde_json::from_value(service).expect("a Service");
    fixture.world.apply(Object::Service(Box::new(service)));
    says("Service", &fixture.answer(&plain(&json!({}))).message, &["target-type is ip (annotation of Service web)"]);
    // Of a default.
    let mut fixture = Fixture::new();
    fixture.rule("private", &scheme).defaults("open", &json!({"settings": {"scheme": "internet-facing"}}));
    let mutated = fixture.mutated(&plain(&json!({})), None);
    says(
        "default",
        &fixture.answer(&mutated).message,
        &["scheme is internet-facing (annotation that admission added)"],
    );
}

#[test]
fn who_is_quarantined_may_be_linked_later() {
    let mut fixture = Fixture::new();
    fixture.rule("private", &json!({"settings": {"scheme": {"allowed": ["internal"]}}}));
    let oidc = "{\"issuer\": \"https://id.example.com\", \"authorizationEndpoint\": \"https://id.example.com/a\", \
        \"tokenEndpoint\": \"https://id.example.com/t\", \"userInfoEndpoint\": \"https://id.example.com/u\", \"secretName\": \"later\"}";
    let waits = json!({"scheme": "internet-facing", "certificate-arn": CERTIFICATE, "auth-type": "oidc", "auth-idp-oidc": oidc});
    let answer = fixture.answer(&plain(&waits));
    says("the Secret may come later", &answer.message, &["scheme is internet-facing"]);
}

#[test]
fn only_new_violations_deny() {
    let mut fixture = Fixture::new();
    let before = json!({"scheme": "internet-facing"});
    fixture.store("web", &before, &json!({}));
    fixture.rule(
        "private",
        &json!({"reason": "ask #platform", "settings": {
        "scheme": {"allowed": ["internal"]}, "healthy-threshold-count": {"maximum": 3}}}),
    );
    // The stored object may be edited, with a warning, and other values are held to the policy.
    let edited = fixture.answer(&plain(&json!({"scheme": "internet-facing", "group.order": "3"})));
    assert!(edited.allowed, "{edited:?}");
    says("an edit", &edited.warnings.join("\n"), &["ALB115: scheme is internet-facing", "(ask #platform)"]);
    let worse = fixture.answer(&plain(&json!({"scheme": "internet-facing", "healthy-threshold-count": "4"})));
    says("worse", &worse.message, &["healthy-threshold-count is 4"]);
    assert!(!worse.message.contains("scheme is"), "{worse:?}");
    let moved = fixture.answer(&plain(
        &json!({"scheme": "internet-facing", "group.name": "g", "albedo.dev/allow-replacement": "true"}),
    ));
    assert!(moved.allowed, "{moved:?}");
    // A new one is refused; a policy that only warns never refuses.
    assert!(!fixture.answer(&ingress("new", &before, &json!({}))).allowed);
    fixture.rule("private", &json!({"action": "Warn", "settings": {"scheme": {"allowed": ["internal"]}}}));
    fixture.policy.strict = true;
    let warned = fixture.answer(&ingress("new", &before, &json!({})));
    assert!(warned.allowed && warned.warnings.len() == 1, "{warned:?}");
    // It never keeps an object out of AWS.
    let linked = fixture.world.view(
        &albedo_engine::stack::GroupId::Implicit { namespace: "shop".to_owned(), name: "web".to_owned() },
        &albedo_engine::world::Overlay::None,
    );
    assert_eq!(linked.members.len(), 1);
}

#[test]
fn a_policy_applies_where_it_selects() {
    let mut fixture = Fixture::new();
    fixture.namespace(&[("stage", "dev")]);
    let bad = plain(&json!({"scheme": "internet-facing"}));
    for (selector, applies) in [
        (json!({"namespaceSelector": {"matchLabels": {"stage": "dev"}}}), true),
        (json!({"namespaceSelector": {"matchLabels": {"stage": "prod"}}}), false),
        (json!({"classes": ["alb"]}), true),
        (json!({"classes": ["public"]}), false),
    ] {
        let mut spec = selector.clone();
        spec["settings"] = json!({"scheme": {"allowed": ["internal"]}});
        fixture.rule("private", &spec);
        assert_eq!(!fixture.answer(&bad).allowed, applies, "{selector}");
    }
    // The legacy annotation is no way around it.
    fixture.rule("private", &json!({"classes": ["alb"], "settings": {"scheme": {"allowed": ["internal"]}}}));
    let mut legacy = plain(&json!({"kubernetes.io/ingress.class": "alb", "scheme": "internet-facing"}));
    legacy.spec.as_mut().expect("a spec").ingress_class_name = None;
    says("legacy", &fixture.answer(&legacy).message, &["ALB115"]);
}

#[test]
fn target_groups_by_their_arns() {
    let arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/team-a-web/0123456789abcdef";
    let with = |target: &str| {
        let action = format!("{{\"type\": \"forward\", \"forwardConfig\": {{\"targetGroups\": [{{{target}}}]}}}}");
        let backend = json!({"rules": [{"http": {"paths": [{"path": "/", "pathType": "Prefix",
            "backend": {"service": {"name": "old", "port": {"name": "use-annotation"}}}}]}}]});
        ingress("web", &json!({"actions.old": action}), &backend)
    };
    let mut fixture = Fixture::new();
    fixture.facts.target_group_names = None;
    fixture.rule("own", &json!({"targetGroups": {"allowed": ["arn:aws:elasticloadbalancing:*:targetgroup/team-a-*"]}}));
    let by_arn = fixture.answer(&with(&format!("\"targetGroupARN\": \"{arn}\"")));
    assert!(by_arn.allowed, "{by_arn:?}");
    assert!(fixture.answer(&with("\"serviceName\": \"web\", \"servicePort\": \"80\"")).allowed);
    let other = fixture.answer(&with(&format!("\"targetGroupARN\": \"{}\"", arn.replace("team-a", "team-b"))));
    says(
        "another's",
        &other.message,
        &["actions.old forwards to the target group arn:", "IngressPolicy own allows arn:"],
    );
    let by_name = fixture.answer(&with("\"targetGroupName\": \"team-a-web\""));
    says("by name", &by_name.message, &["and its ARN is not known", "write the ARN of a target group that is allowed"]);
    fixture.rule("own", &json!({"targetGroups": {"allowed": []}}));
    says(
        "none",
        &fixture.answer(&with(&format!("\"targetGroupARN\": \"{arn}\""))).message,
        &["IngressPolicy own allows none"],
    );
}

#[test]
fn matched_ingresses_are_counted() {
    let mut fixture = Fixture::new();
    fixture.store("a", &json!({}), &json!({})).store("b", &json!({}), &json!({}));
    fixture.store("foreign", &json!({}), &json!({"ingressClassName": "nginx"}));
    fixture.defaults("all", &json!({"settings": {"scheme": "internal"}}));
    fixture.defaults("none", &json!({"classes": ["other"], "settings": {"scheme": "internal"}}));
    fixture.rule("all", &json!({"settings": {"scheme": {"required": true}}}));
    let matched = fixture.world.matched();
    assert_eq!(matched.defaults, BTreeMap::from([("all".to_owned(), 2), ("none".to_owned(), 0)]));
    assert_eq!(matched.policies, BTreeMap::from([("all".to_owned(), 2)]));
    fixture.world.delete(albedo_engine::world::Kind::Ingress, &Key::new("shop", "a"));
    assert_eq!(fixture.world.matched().policies["all"], 1);
}
