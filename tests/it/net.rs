//! The net for the time when no replica answers: `albedo export policy` on a real API server never refuses what admission admits.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use albedo_engine::admit::registration::{Kind as WebhookKind, ROWS};
use albedo_engine::admit::{self, Context, Object as Reviewed, Operation, Policy, Request};
use albedo_engine::annotation::{PREFIX, SettingRow, When, rows};
use albedo_engine::facts::Facts;
use albedo_engine::finding::CODES;
use albedo_engine::kinds::IngressClassParams;
use albedo_engine::settings::{CONTROLLER, Settings};
use albedo_engine::world::{Kind, Object, World};
use albedo_testenv::eventually;
use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::base::{ALBEDO, Base};
use crate::fixture::{Fixture, SOON};

/// Requests at a time.
const AT_ONCE: usize = 8;
/// Values that are wrong for most annotations, and right for some.
const VALUES: [&str; 34] = [
    "",
    " ",
    ",",
    "x y",
    "yes",
    "true",
    "T",
    "-1",
    "+5",
    "5",
    "007",
    "300",
    "99999",
    "999999999999999999999",
    "a",
    "A",
    "a=b",
    "a=b,c",
    "=b",
    "none",
    "null",
    "[]",
    "{}",
    "[{}]",
    " {\"type\": \"x\"}",
    "10.0.0.0/8",
    "10.0.0.1, 10.0.0.0/8",
    "subnet-0a, name",
    "subnet-x",
    "sg-0a",
    "/a",
    "arn:aws:acm:eu-west-1:123456789012:certificate/0d1b6a9c-1234-4f5e-9abc-0123456789ab",
    "200-299,301",
    "traffic-port",
];
const CERTIFICATE: &str = "arn:aws:acm:eu-west-1:123456789012:certificate/0d1b6a9c-1234-4f5e-9abc-0123456789ab";

/// An Ingress of a class, and what admission knows beside it.
struct Case {
    ingress: Ingress,
    params: Option<IngressClassParams>,
}

fn ingress(class: &str, annotations: &BTreeMap<String, String>) -> Result<Ingress> {
    Ok(serde_json::from_value(json!({
        "metadata": {"name": "web", "annotations": annotations},
        "spec": {"ingressClassName": class, "rules": [{"http": {"paths": [{"path": "/", "pathType": "Prefix",
            "backend": {"service": {"name": "app", "port": {"number": 80}}}}]}}]},
    }))?)
}

/// A class whose parameters may take the place of annotations.
fn with_parameters(class: &str) -> String {
    format!("{class}-own")
}

/// The key of a row; of a family the one of the backend.
fn key(row: &SettingRow) -> String {
    let name = match row.key {
        "listener-attributes." => "HTTP-80",
        "target-control-port." => "app.80",
        _ if row.family => "app",
        _ => "",
    };
    format!("{}{name}", row.full_key())
}

/// Every annotation with many values, in several surroundings.
fn generated(class: &str) -> Result<Vec<Case>> {
    let around: [&[(&str, &str)]; 5] = [
        &[],
        &[("listen-ports", r#"[{"HTTP": 80}]"#)],
        &[("certificate-arn", CERTIFICATE), ("listen-ports", r#"[{"HTTP": 80}, {"HTTPS": 443}]"#)],
        &[("enable-frontend-nlb", "true"), ("group.name", "shop")],
        &[("security-groups", "sg-0a"), ("auth-type", "none"), ("wafv2-acl-name", "web")],
    ];
    let enforced: IngressClassParams = serde_json::from_value(json!({"metadata": {"name": "own"}, "spec": {
        "scheme": "internal", "group": {"name": "all"}, "loadBalancerName": "one", "ipAddressType": "ipv4", "targetType": "ip",
        "subnets": {"ids": ["subnet-0a", "subnet-0b"]}, "certificateArn": [CERTIFICATE], "sslPolicy": "ELBSecurityPolicy-2016-08",
        "inboundCIDRs": ["10.0.0.0/8"], "wafv2AclName": "web", "tags": [{"key": "a", "value": "b"}]}}))?;
    let mut cases = Vec::new();
    for row in rows() {
        // Others do not depend on what stands beside them.
        let depends = !matches!(row.when, When::Always | When::Backend | When::BackendAsks);
        let around = if depends { &around[..] } else { &around[..1] };
        for value in VALUES.into_iter().chain([row.example]) {
            for beside in around {
                let mut annotations: BTreeMap<String, String> =
                    beside.iter().map(|(key, value)| (format!("{PREFIX}{key}"), (*value).to_owned())).collect();
                annotations.insert(key(row), value.to_owned());
                cases.push(Case { ingress: ingress(class, &annotations)?, params: None });
            }
            let annotations = BTreeMap::from([(key(row), value.to_owned())]);
            cases.push(Case {
                ingress: ingress(&with_parameters(class), &annotations)?,
                params: Some(enforced.clone()),
            });
        }
    }
    for odd in ["schema", "listenPorts", "actions.", "actions", "conditions", "listener-attributes", "targetgroup.x"] {
        cases.push(Case {
            ingress: ingress(class, &BTreeMap::from([(format!("{PREFIX}{odd}"), "x".to_owned())]))?,
            params: None,
        });
    }
    Ok(cases)
}

/// The Ingresses in the examples of all findings.
fn examples(class: &str) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for example in CODES.iter().flat_map(|row| [row.accepts, row.refuses]) {
        let example: Value = serde_saphyr::from_str(&example.replace("{p}", PREFIX))?;
        let annotations = example.get("annotations").cloned().unwrap_or_else(|| json!({}));
        let mut whole = serde_json::to_value(ingress(class, &serde_json::from_value(annotations)?)?)?;
        if let Some(spec) = example["spec"].as_object() {
            whole["spec"].as_object_mut().context("a spec")?.extend(spec.clone());
            whole["spec"]["ingressClassName"] = json!(class);
        }
        cases.push(Case { ingress: serde_json::from_value(whole)?, params: None });
    }
    Ok(cases)
}

/// The Ingresses of the golden cases.
fn golden(class: &str) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for case in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/cases"))? {
        let Ok(text) = std::fs::read_to_string(case?.path().join("objects.yaml")) else { continue };
        for document in text.split("\n---\n").filter(|document| document.contains("kind: Ingress\n")) {
            let Ok(mut ingress) = serde_saphyr::from_str::<Ingress>(document) else { continue };
            ingress.metadata.namespace = None;
            ingress.metadata.name = Some("web".to_owned());
            if let Some(spec) = &mut ingress.spec {
                spec.ingress_class_name = Some(class.to_owned());
            }
            ingress.metadata.annotations.iter_mut().for_each(|map| drop(map.remove("kubernetes.io/ingress.class")));
            cases.push(Case { ingress, params: None });
        }
    }
    Ok(cases)
}

/// What admission says, with no facts of AWS: whether it admits the Ingress, and in which words it does not.
fn admission(case: &Case) -> Result<(bool, String)> {
    let class = case.ingress.spec.as_ref().and_then(|spec| spec.ingress_class_name.as_deref());
    let mut world = World::new(Settings::new("test"));
    for kind in Kind::ALL {
        world.reset(kind, Vec::new());
    }
    let parameters =
        case.params.as_ref().map(|_| json!({"apiGroup": "elbv2.k8s.aws", "kind": "IngressClassParams", "name": "own"}));
    let spec = json!({"controller": CONTROLLER, "parameters": parameters});
    let of_class: IngressClass = serde_json::from_value(json!({"metadata": {"name": class}, "spec": spec}))?;
    let service: Service =
        serde_json::from_value(json!({"metadata": {"name": "app", "namespace": "shop", "uid": "u"},
        "spec": {"type": "NodePort", "ports": [{"port": 80, "targetPort": 8080, "nodePort": 30080}]}}))?;
    world.apply(Object::IngressClass(Box::new(of_class)));
    world.apply(Object::Service(Box::new(service)));
    if let Some(params) = &case.params {
        world.apply(Object::IngressClassParams(Box::new(params.clone())));
    }
    let mut ingress = case.ingress.clone();
    ingress.metadata.namespace = Some("shop".to_owned());
    let request = Request {
        row: ROWS.iter().find(|row| row.kind == WebhookKind::Validating).context("a row")?,
        operation: Operation::Create,
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
        dry_run: true,
        user: "somebody".to_owned(),
        object: Some(Reviewed::Ingress(Box::new(ingress))),
        old_object: None,
    };
    let (facts, settings, policy) = (Facts::default(), Settings::new("test"), Policy::default());
    let now = Timestamp::now();
    let context = Context { world: &world, facts: &facts, settings: &settings, policy: &policy, now };
    let answer = admit::review(&request, context);
    Ok((answer.allowed, answer.message))
}

/// What the API server says with the policy: nothing, or the message of the refusal.
async fn server(api: &Api<Ingress>, ingress: &Ingress) -> Result<Option<String>> {
    match api.create(&PostParams { dry_run: true, ..PostParams::default() }, ingress).await {
        Ok(_) => Ok(None),
        Err(kube::Error::Api(status)) => Ok(Some(status.message)),
        Err(error) => Err(error.into()),
    }
}

/// Holds the verdicts of the policy of a name against those of admission.
async fn compare(api: &Api<Ingress>, class: &str, name: &str) -> Result<()> {
    let cases: Vec<Case> = [examples(class)?, golden(class)?, generated(class)?].into_iter().flatten().collect();
    let said = futures::stream::iter(&cases).map(|case| server(api, &case.ingress));
    let said: Vec<Option<String>> = said.buffered(AT_ONCE).try_collect().await?;
    let (mut faults, mut told) = (Vec::new(), BTreeSet::new());
    let (mut by_admission, mut by_policy) = (0, 0);
    for (case, said) in cases.iter().zip(&said) {
        let (admitted, message) = admission(case)?;
        by_admission += usize::from(!admitted);
        let Some(said) = said.as_ref().filter(|said| said.contains(name)) else { continue };
        by_policy += 1;
        told.extend(said.split_once("denied request: ").map(|(_, rest)| rest.to_owned()));
        if admitted {
            faults.push(format!("{:?}: {said}", case.ingress.metadata.annotations));
        } else if !said.split(['"', ':', ' ', ',']).any(|word| word.starts_with("ALB") && message.contains(word)) {
            faults
                .push(format!("{:?}: the policy says {said}, admission {message}", case.ingress.metadata.annotations));
        }
    }
    ensure!(told.len() > 60, "only {} messages of the policy are reached", told.len());
    ensure!(faults.is_empty(), "{} verdicts are not those of admission:\n{}", faults.len(), faults.join("\n"));
    ensure!(by_policy * 3 > by_admission, "the net has wide meshes: {by_policy} of {by_admission}");
    Ok(())
}

/// An Ingress near the limits of the API server is judged, too.
async fn judge_large(api: &Api<Ingress>, class: &str) -> Result<()> {
    // The budget of CEL is enough for the largest Ingress that can be stored.
    let mut large: BTreeMap<String, String> =
        (0..200).map(|n| (format!("{PREFIX}actions.a{n}"), format!("{{{}}}", " ".repeat(1_200)))).collect();
    large.insert(format!("{PREFIX}inbound-cidrs"), "10.0.0.0/8,".repeat(800));
    ensure!(server(api, &ingress(class, &large)?).await?.is_none(), "a large Ingress is refused");
    large.insert(format!("{PREFIX}scheme"), "public".to_owned());
    let said = server(api, &ingress(class, &large)?).await?;
    ensure!(said.as_ref().is_some_and(|said| said.contains("ALB002")), "a large Ingress is not judged: {said:?}");
    Ok(())
}

pub async fn the_policy_refuses_nothing_that_admission_admits(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::open(&base, "net").await?;
    let (class, name) = (fixture.scope.class.clone(), format!("{}-net", fixture.scope.id));
    let faulty = |target: &str| fixture.ingress("old", &[("target-type", target)], &crate::admission::plain());
    fixture.apply(&[faulty("pod")]).await?;

    let own = with_parameters(&class);
    let parameters = json!({"apiGroup": "elbv2.k8s.aws", "kind": "IngressClassParams", "name": "own"});
    let spec = json!({"controller": CONTROLLER, "parameters": parameters});
    fixture.apply(&[json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": own}, "spec": spec})]).await?;
    let args = ["export", "policy", "--name", &name, "--class", &class, "--class", &own];
    let printed = tokio::process::Command::new(ALBEDO).args(args).output().await?;
    ensure!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    let file = fixture.write("policy.yaml", &String::from_utf8(printed.stdout)?)?;
    fixture.kubectl(&["apply", "-f", &file.display().to_string()]).await?;
    let api: Api<Ingress> = fixture.scope.api();
    let bad = ingress(&class, &BTreeMap::from([(format!("{PREFIX}scheme"), "public".to_owned())]))?;
    eventually("the policy is in effect", SOON, async || {
        Ok(server(&api, &bad).await?.filter(|said| said.contains("ALB002")))
    })
    .await?;

    compare(&api, &class, &name).await?;
    judge_large(&api, &class).await?;

    // A fault that is stored already is not new; a new one is refused, and so is it in an update.
    fixture.kubectl(&["label", "ingress", "old", "team=shop"]).await?;
    fixture.kubectl(&["annotate", "ingress", "old", "alb.ingress.kubernetes.io/scheme=internal"]).await?;
    let out = fixture.try_apply(&[faulty("node")], &[]).await?;
    ensure!(
        !out.status.success() && crate::admission::said(&out).contains("ALB003"),
        "{}",
        crate::admission::said(&out)
    );
    // The label that switches admission off for a namespace switches the net off.
    fixture.kubectl(&["label", "namespace", &fixture.scope.namespace, "albedo.dev/admission=off"]).await?;
    eventually("the namespace is left alone", SOON, async || Ok(server(&api, &bad).await?.is_none().then_some(())))
        .await?;
    fixture.kubectl(&["delete", "-f", &file.display().to_string()]).await?;
    fixture.kubectl(&["delete", "ingressclass", &own]).await?;
    fixture.close_unregistered().await
}
