//! Every code of an Ingress through a real kubectl, each way of writing: the code is printed, the exit code is 1, and nothing is stored. What `kubectl
//! apply` prints of each is kept in `golden/codes.txt`, to be read as its readers do.

use std::process::Output;
use std::sync::Arc;

use albedo_engine::finding::{CODES, Certainty, CodeRow};
use albedo_testenv::eventually;
use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use super::{plain, said, services};
use crate::base::Base;
use crate::fixture::{Fixture, SOON};
use crate::golden;
use crate::objects::{PREFIX, service};

/// Codes at a time.
const AT_ONCE: usize = 4;
/// Examples that need another account, other flags, other namespaces, policies or parameters of a class than this test has, or a load balancer that exists.
const ELSEWHERE: [&str; 22] = [
    "ALB032", "ALB034", "ALB040", "ALB041", "ALB113", "ALB114", "ALB118", "ALB119", "ALB120", "ALB121", "ALB132",
    "ALB203", "ALB210", "ALB211", "ALB212", "ALB231", "ALB303", "ALB304", "ALB047", "ALB048", "ALB115", "ALB305",
];

/// Codes of what counts only when a load balancer is created: an edit is no fault.
const OF_CREATION: [&str; 1] = ["ALB116"];

/// The example of a code in this scope.
struct Example {
    id: &'static str,
    title: &'static str,
    /// What exists in this region, and its name in the example.
    names: Vec<(String, String)>,
    /// It only warns.
    warns: bool,
    /// What has to be there.
    objects: Vec<Value>,
    /// The Ingress before the edit, if the code is about an edit.
    before: Option<Value>,
    ingress: Value,
}

/// Names of objects that are the cluster's, and of groups, in this scope.
fn own(fixture: &Fixture, value: &mut Value, id: &str) {
    let scoped = |name: &str| match name {
        "alb" => fixture.scope.class.clone(),
        name => format!("{}-{name}-{id}", fixture.scope.id),
    };
    if let Some(class) = value["spec"]["ingressClassName"].as_str().map(scoped) {
        value["spec"]["ingressClassName"] = json!(class);
    }
    if matches!(value["kind"].as_str(), Some("IngressClass" | "IngressClassParams")) {
        let name = scoped(value["metadata"]["name"].as_str().unwrap_or_default());
        value["metadata"]["name"] = json!(name);
        if let Some(params) = value["spec"]["parameters"]["name"].as_str().map(scoped) {
            value["spec"]["parameters"]["name"] = json!(params);
        }
    }
    let group = format!("{PREFIX}group.name");
    let annotations = value["metadata"]["annotations"].as_object_mut();
    if let Some(name) = annotations.and_then(|annotations| annotations.get_mut(&group))
        && name.as_str().is_some_and(|name| name.len() < 8 && name.to_lowercase() == name)
    {
        *name = json!(format!("{}-{id}", name.as_str().unwrap_or_default()));
    }
}

/// The example that has a code. `text`: with what exists in this region.
fn example(fixture: &Fixture, row: &'static CodeRow, text: &str, names: &[(String, String)]) -> Result<Example> {
    let example: Value = serde_saphyr::from_str(text)?;
    let id = row.id.to_lowercase();
    let make = |name: String, annotations: &Value, spec: &Value| -> Value {
        let mut ingress = fixture.ingress(&name, &[], &plain());
        ingress["spec"]["ingressClassName"] = json!("alb");
        ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] = json!("app");
        ingress["metadata"]["annotations"] = annotations.as_object().map_or_else(|| json!({}), |map| json!(map));
        if let (Some(target), Some(source)) = (ingress["spec"].as_object_mut(), spec.as_object()) {
            target.extend(source.clone());
        }
        // Of other classes than those of the registration, Ingresses with a key of Albedo's are reviewed.
        if ingress["spec"]["ingressClassName"] != "alb" && ingress["metadata"]["annotations"] == json!({}) {
            ingress["metadata"]["annotations"] = json!({format!("{PREFIX}tags"): "team=shop"});
        }
        own(fixture, &mut ingress, &id);
        ingress
    };
    let mut objects: Vec<Value> = example["objects"].as_array().cloned().unwrap_or_default();
    for object in &mut objects {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("namespace");
        }
        if object["kind"] == "Ingress" {
            let name = format!("{id}-{}", object["metadata"]["name"].as_str().unwrap_or_default());
            object["metadata"]["name"] = json!(name);
        }
        own(fixture, object, &id);
    }
    let siblings = example["siblings"].as_array().into_iter().flatten().enumerate();
    objects.extend(siblings.map(|(n, annotations)| make(format!("{id}-sibling-{n}"), annotations, &Value::Null)));
    let before = example.get("before").map(|before| make(format!("{id}-web"), &before["annotations"], &before["spec"]));
    let ingress = make(format!("{id}-web"), &example["annotations"], &example["spec"]);
    Ok(Example {
        id: row.id,
        title: row.title,
        names: names.to_vec(),
        warns: row.certainty != Certainty::Certain,
        objects,
        before,
        ingress,
    })
}

/// The Ingress under another name.
fn named(ingress: &Value, name: &str) -> Value {
    let mut ingress = ingress.clone();
    ingress["metadata"]["name"] = json!(name);
    ingress
}

/// What kubectl prints of the example, once all that it needs is known.
async fn told(fixture: &Fixture, example: &Example) -> Result<String> {
    let Example { id, warns, objects, before, ingress, .. } = example;
    let stored: Vec<Value> = objects.iter().chain(before).cloned().collect();
    if !stored.is_empty() {
        fixture.apply(&stored).await.with_context(|| (*id).to_owned())?;
    }
    let last = std::sync::Mutex::new(String::new());
    eventually(&format!("{id} is found"), SOON, async || {
        let out = fixture.try_apply(std::slice::from_ref(ingress), &["--dry-run=server"]).await?;
        let text = said(&out);
        let found = (text.contains(id) && out.status.success() == *warns).then(|| text.clone());
        if let Ok(mut last) = last.lock() {
            *last = text;
        }
        Ok(found)
    })
    .await
    .with_context(|| last.lock().map(|last| last.clone()).unwrap_or_default())
}

/// The example is refused in every way of writing it, or warned of.
async fn holds(fixture: &Fixture, example: &Example) -> Result<()> {
    told(fixture, example).await?;
    let name = example.ingress["metadata"]["name"].as_str().unwrap_or_default();
    if !example.warns {
        ways(fixture, example, name).await.with_context(|| example.id.to_owned())?;
    }
    Ok(())
}

/// What kubectl printed of findings, without what differs from run to run: names of this scope, and those that AWS and Albedo make.
fn general(fixture: &Fixture, example: &Example, printed: &str) -> String {
    let mut text = printed.replace(&fixture.scope.class, "alb").replace(&fixture.scope.namespace, "shop");
    for (is, name) in &example.names {
        text = text.replace(is, name);
    }
    let (own, id) = (format!("{}-", fixture.scope.id), example.id.to_lowercase());
    text = text.replace(&fixture.scope.region, "eu-central-1").replace(&own, "");
    text = text.replace(&format!("{id}-"), "").replace(&format!("-{id}"), "");
    let word = |word: &str| match word {
        word if word.contains("k8s-") => "NAME".to_owned(),
        word if word.starts_with("subnet-") && word.len() > 20 => "SUBNET".to_owned(),
        word => word.to_owned(),
    };
    // Discovered subnets stand in the order of their ids, which are others in each region.
    let discovered = |line: &str| match line.split_once("one for each of ") {
        Some((before, _)) => format!("{before}one for each of SUBNETS"),
        None => line.to_owned(),
    };
    let is_told = |line: &&str| ["The Ingress", "* ", "Warning: ALB"].iter().any(|start| line.starts_with(start));
    let lines = text.lines().filter(is_told).map(discovered);
    let lines = lines.map(|line| line.split(' ').map(word).collect::<Vec<_>>().join(" ") + "\n");
    lines.collect()
}

/// One way is refused, with the code. Albedo may write to the object between what kubectl reads and what it writes.
async fn is_refused(fixture: &Fixture, id: &str, way: &str, args: &[&str]) -> Result<()> {
    let collides = |out: &Output| said(out).contains("the object has been modified");
    let out = eventually(&format!("{way} is answered"), SOON, async || {
        Ok(Some(fixture.try_kubectl(args).await?).filter(|out| !collides(out)))
    })
    .await?;
    let text = said(&out);
    // A scheme that was written as a default says nothing in a group, and a patch or replacement with the same value changes
    // nothing of it: what is left is the move.
    let is_same = ["patch", "replace"].contains(&way) && id == "ALB105";
    let is_told = text.contains(id) || is_same && text.contains("ALB303");
    ensure!(out.status.code() == Some(1) && is_told, "{way} ended with {}:\n{text}", out.status);
    Ok(())
}

/// Refuses every way of writing the example, with the code in what kubectl prints, and nothing of it stored.
async fn ways(fixture: &Fixture, Example { id, before, ingress, .. }: &Example, name: &str) -> Result<()> {
    let file = |what: &str, object: &Value| -> Result<String> {
        Ok(fixture.write(&format!("{name}-{what}.json"), &object.to_string())?.to_string_lossy().into_owned())
    };
    let bad = file("bad", ingress)?;
    // Consequences are those of edits; all else is refused when it is created, too.
    if before.is_none() {
        let mut generated = ingress.clone();
        generated["metadata"] =
            json!({"generateName": format!("{name}-"), "annotations": ingress["metadata"]["annotations"]});
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [named(ingress, &format!("{name}-listed"))]});
        for (way, args) in [
            ("apply", vec!["apply", "-f", &bad]),
            ("server-side apply", vec!["apply", "--server-side", "-f", &bad]),
            ("create", vec!["create", "-f", &bad]),
            ("dry run", vec!["create", "--dry-run=server", "-f", &bad]),
            ("generateName", vec!["create", "-f", &file("generated", &generated)?]),
            ("list", vec!["apply", "-f", &file("list", &list)?]),
        ] {
            is_refused(fixture, id, way, &args).await?;
        }
        let left = fixture.kubectl(&["get", "ingress", "-o", "name"]).await?;
        let own = format!("/{name}");
        ensure!(!left.lines().any(|line| line.contains(&own)), "something is stored: {left}");
        if OF_CREATION.contains(id) {
            return Ok(());
        }
        fixture.apply(&[fixture.ingress(name, &[], &plain())]).await?;
    }
    let version = ["get", "ingress", name, "-o", "jsonpath={.spec}{.metadata.annotations}"];
    let stored = fixture.kubectl(&version).await?;
    let mut annotations = ingress["metadata"]["annotations"].clone();
    let had = before.iter().filter_map(|before| before["metadata"]["annotations"].as_object());
    for key in had.flat_map(|annotations| annotations.keys()) {
        // A patch takes away what it sets to null.
        annotations.as_object_mut().context("annotations")?.entry(key).or_insert(Value::Null);
    }
    let patch = json!({"metadata": {"annotations": annotations}, "spec": ingress["spec"]}).to_string();
    for (way, args) in [
        ("apply over it", vec!["apply", "-f", &bad]),
        ("replace", vec!["replace", "-f", &bad]),
        ("patch", vec!["patch", "ingress", name, "--type=merge", "-p", &patch]),
    ] {
        is_refused(fixture, id, way, &args).await?;
    }
    ensure!(fixture.kubectl(&version).await? == stored, "{name} has changed");
    Ok(())
}

/// All examples of this scope, whose Services are there.
async fn examples(fixture: &Fixture) -> Result<Vec<Example>> {
    services(fixture).await?;
    fixture.apply(&[service("app", "NodePort", 80, 8080)]).await?;
    let scope = &fixture.scope;
    let certificate = scope.emulator().certificate(&scope.region, &["*.example.com"]).await?;
    let subnet = |zone: &str, public: bool| {
        let found = scope.world.subnets.iter().find(|subnet| subnet.zone.ends_with(zone) && subnet.public == public);
        found.map(|subnet| subnet.id.clone()).context("a subnet")
    };
    let names = [
        (
            certificate,
            "arn:aws:acm:eu-central-1:123456789012:certificate/0d1b6a9c-1234-4f5e-9abc-0123456789ab".to_owned(),
        ),
        (subnet("a", true)?, "subnet-0a11".to_owned()),
        (subnet("a", false)?, "subnet-0a12".to_owned()),
        (subnet("b", true)?, "subnet-0b22".to_owned()),
        (scope.world.node_security_group.clone(), "sg-0a11".to_owned()),
    ];
    let mut examples = Vec::new();
    for row in CODES.iter().filter(|row| !ELSEWHERE.contains(&row.id)) {
        let text = row.refuses.replace("{p}", PREFIX);
        let text = names.iter().fold(text, |text, (is, name)| text.replace(name, is));
        examples.push(example(fixture, row, &text.replace("eu-central-1", &scope.region), &names)?);
    }
    Ok(examples)
}

/// Deletes what belongs to the whole cluster, and the Ingresses.
async fn clear(fixture: Fixture) -> Result<()> {
    let scope = &fixture.scope;
    for kind in ["ingressclass", "ingressclassparams"] {
        let all = fixture.kubectl(&["get", kind, "-o", "name"]).await?;
        let mine = format!("{}-", scope.id);
        for name in all
            .lines()
            .filter(|name| name.rsplit('/').next().is_some_and(|name| name.starts_with(&mine) && name.contains("-alb")))
        {
            fixture.kubectl(&["delete", name, "--wait=false"]).await?;
        }
    }
    fixture.kubectl(&["delete", "ingress", "--all", "--timeout=120s"]).await?;
    fixture.close().await
}

pub async fn every_code_through_kubectl(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_webhooks(&base, "codes", &[]).await?;
    let examples = examples(&fixture).await?;
    let all = futures::stream::iter(&examples).map(|example| holds(&fixture, example));
    all.buffered(AT_ONCE).try_collect::<Vec<()>>().await?;
    clear(fixture).await
}

/// `golden/codes.txt`, to be read as its readers do.
pub async fn what_kubectl_prints(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::with_webhooks(&base, "printed", &[]).await?;
    // What an edit does to a load balancer is told with its name only once there is one.
    let mut examples = examples(&fixture).await?;
    examples.retain(|example| example.before.is_none());
    let printed = futures::stream::iter(&examples).map(async |example| {
        let text = general(&fixture, example, &told(&fixture, example).await?);
        anyhow::Ok(format!("--- {}: {}\n{text}", example.id, example.title))
    });
    golden::holds("codes.txt", &printed.buffered(AT_ONCE).try_collect::<Vec<String>>().await?.concat())?;
    clear(fixture).await
}
