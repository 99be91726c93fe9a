//! Churn: 50 Ingresses in 10 groups that people keep editing, an author in another namespace who means harm, and Albedo killed at random.
//!
//! Between all that a victim edits its Ingress: the edit reaches AWS in time, and its targets stay. In the end all is deleted, nothing is left,
//! and the process has not grown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use albedo_testenv::{Albedo, eventually};
use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::base::{Base, minutes};
use crate::crash::seed;
use crate::fixture::{Fixture, SOON, tail};
use crate::objects::{annotations, deployment, rule, service};
use crate::troubles::mixed;

const INGRESSES: usize = 50;
const GROUPS: usize = 10;
/// From a victim's edit to its effect in AWS.
const IN_TIME: Duration = Duration::from_secs(10);
/// What the deployment allows a Pod, in KiB.
const MEMORY: u64 = 256 * 1024;
/// How many per cent a process may have in the end of what it had when all was made once.
const GROWTH: u64 = 120;
/// So many weighings make a long life.
const LONG: usize = 60;

/// Numbers that seem random and are the same in every run.
struct Dice {
    seed: usize,
    thrown: usize,
}

/// The rule of a host of its own.
fn hosted(number: usize, paths: &[(&str, &str, &str, u16)]) -> Value {
    rule(Some(&format!("h{number}.example.com")), paths)
}

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.thrown += 1;
        mixed(self.seed, self.thrown, sides) % sides
    }
}

struct Churn {
    fixture: Fixture,
    client: Client,
    /// The author's namespace.
    other: String,
    /// The namespace of those who edit all the time.
    people: String,
    /// The ARN of the victim's target group.
    arn: String,
    over: AtomicBool,
    operations: AtomicUsize,
}

/// What the author applies.
struct Attack {
    name: &'static str,
    objects: fn(&Churn, usize) -> Vec<Value>,
}

const ATTACKS: &[Attack] = &[
    Attack { name: "binding on the victim's target group", objects: |churn, n| vec![churn.binding(n, json!({}))] },
    Attack {
        name: "binding with the victim's labels and finalizer",
        objects: |churn, n| {
            let group = churn.group(0);
            let finalizers = json!(["elbv2.k8s.aws/resources", format!("group.ingress.k8s.aws/{group}")]);
            let meta = json!({"labels": {"ingress.k8s.aws/stack": group}, "finalizers": finalizers});
            vec![churn.binding(n, meta)]
        },
    },
    Attack {
        name: "finalizer of the victim's group, unknown class",
        objects: |churn, n| {
            let mut one = churn.hostile(n, None, &[]);
            one["spec"]["ingressClassName"] = json!("nobodys");
            let more = (0..100).map(|n| format!("group.ingress.k8s.aws/none-{n}"));
            let all: Vec<String> =
                [format!("group.ingress.k8s.aws/{}", churn.group(0))].into_iter().chain(more).collect();
            one["metadata"]["finalizers"] = json!(all);
            vec![one]
        },
    },
    Attack {
        name: "Secret named a/b",
        objects: |churn, n| {
            let place = |what: &str| format!("https://id.example.com/{what}");
            let oidc = json!({"issuer": "https://id.example.com", "authorizationEndpoint": place("a"),
                "tokenEndpoint": place("t"), "userInfoEndpoint": place("u"), "secretName": "a/b"});
            let oidc = oidc.to_string();
            let pairs =
                [("auth-type", "oidc"), ("auth-idp-oidc", oidc.as_str()), ("listen-ports", r#"[{"HTTPS":443}]"#)];
            vec![churn.hostile(n, Some(0), &pairs)]
        },
    },
    Attack {
        name: "unknown attributes",
        objects: |churn, n| {
            let pairs =
                [("load-balancer-attributes", "no.such.attribute=1"), ("target-group-attributes", "nor.such=1")];
            vec![churn.hostile(n, Some(0), &pairs)]
        },
    },
    Attack {
        name: "huge values",
        objects: |churn, n| {
            let huge = "x".repeat(200_000);
            vec![churn.hostile(n, Some(0), &[("tags", huge.as_str())]), churn.many_paths(n)]
        },
    },
    Attack {
        name: "control characters, certificate of nobody",
        objects: |churn, n| {
            let pairs = [("tags", "a=\u{1b}[31m"), ("certificate-arn", "arn:aws:acm:eu-west-1:1:certificate/none")];
            vec![churn.hostile(n, Some(0), &pairs)]
        },
    },
    Attack {
        name: "Services that are odd",
        objects: |churn, n| {
            let name = format!("odd-{}", n % 4);
            let odd = match n % 3 {
                0 => json!({"type": "ExternalName", "externalName": "metadata.example.com"}),
                1 => json!({"type": "ClusterIP", "clusterIP": "None", "ports": [{"port": 80}]}),
                _ => json!({"type": "NodePort", "ports": [{"name": "x", "port": 80, "targetPort": "none"}]}),
            };
            let mut one = churn.hostile(n, Some(0), &[("target-type", "instance")]);
            one["spec"]["rules"] = json!([rule(None, &[("/odd", "Prefix", &name, 80)])]);
            vec![json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": odd}), one]
        },
    },
    Attack {
        name: "a member that conflicts with the group",
        objects: |churn, n| {
            vec![churn.hostile(n, Some(0), &[("scheme", "internet-facing"), ("ip-address-type", "dualstack")])]
        },
    },
];

impl Churn {
    async fn open(own: &Arc<Base>) -> Result<Self> {
        let mut fixture = Fixture::open(own, "churn").await?;
        fixture.launch.args.retain(|arg| !arg.to_string_lossy().starts_with("--watch-namespace="));
        fixture.backends("NodePort").await?;
        let (client, own) = (fixture.scope.client(), &fixture.scope.namespace);
        let (other, people) = (format!("{own}-other"), format!("{own}-people"));
        for name in [&other, &people] {
            let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
            Api::all(client.clone()).create(&PostParams::default(), &namespace).await?;
        }
        let churn = Self {
            fixture,
            client,
            other,
            people,
            arn: String::new(),
            over: AtomicBool::new(false),
            operations: AtomicUsize::new(0),
        };
        churn.apply(&churn.other, &[deployment("evil", 1, 8080), service("evil", "NodePort", 80, 8080)]).await?;
        for (name, count, port, target) in [("web", 2, 80, 8080), ("api", 1, 8000, 9090)] {
            let backend = [deployment(name, count, target), service(name, "NodePort", port, target)];
            churn.apply(&churn.people, &backend).await?;
        }
        Ok(churn)
    }

    fn group(&self, number: usize) -> String {
        format!("{}-{}", self.fixture.scope.group, number % GROUPS)
    }

    /// The victim's Ingress, which is in a group that anybody may join.
    fn victim(&self, edit: usize) -> Value {
        let (group, path) = (self.group(0), format!("/edit-{edit}"));
        let pairs = [("group.name", group.as_str()), ("target-type", "ip"), ("scheme", "internal")];
        self.fixture.ingress(
            "victim",
            &pairs,
            &json!([rule(None, &[("/", "Prefix", "web", 80), (&path, "Exact", "web", 80)])]),
        )
    }

    /// One of those that are edited all the time, as somebody wants it now.
    fn one(&self, number: usize, dice: &mut Dice) -> Value {
        let group = self.group(1 + (number + dice.throw(6) / 5) % (GROUPS - 1));
        let path = format!("/{number}-{}", dice.throw(4));
        let order = (number % 7).to_string();
        let (kind, idle) = (["ip", "instance"][dice.throw(2)], format!("team=t{}", dice.throw(2)));
        let mut pairs = vec![
            ("group.name", group.as_str()),
            ("target-type", kind),
            ("scheme", "internal"),
            ("group.order", &order),
        ];
        if number.is_multiple_of(5) {
            pairs.push(("tags", &idle));
        }
        let paths = [(path.as_str(), "Prefix", "web", 80), ("/api", "Exact", "api", 8000)];
        self.fixture.ingress(&format!("one-{number}"), &pairs, &json!([hosted(number, &paths)]))
    }

    /// An Ingress of the author's, in a group or of its own.
    fn hostile(&self, number: usize, group: Option<usize>, pairs: &[(&str, &str)]) -> Value {
        let group = group.map(|number| self.group(number));
        let shared = group.as_deref().map(|name| ("group.name", name));
        let mut one = self.fixture.ingress(&format!("evil-{}", number % 6), &[], &json!([]));
        one["metadata"]["annotations"] =
            annotations(&shared.into_iter().chain(pairs.iter().copied()).collect::<Vec<_>>());
        one["spec"]["rules"] = json!([hosted(900 + number % 6, &[("/evil", "Prefix", "evil", 80)])]);
        one
    }

    fn many_paths(&self, number: usize) -> Value {
        let mut one = self.hostile(number + 1, Some(0), &[]);
        let paths: Vec<String> = (0..1500).map(|n| format!("/many/{n}")).collect();
        let paths: Vec<_> = paths.iter().map(|path| (path.as_str(), "Prefix", "evil", 80)).collect();
        one["spec"]["rules"] = json!([rule(None, &paths)]);
        one
    }

    /// A binding of the author's on the victim's target group.
    fn binding(&self, number: usize, mut meta: Value) -> Value {
        meta["name"] = json!(format!("evil-{}", number % 3));
        json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "TargetGroupBinding", "metadata": meta,
            "spec": {"targetGroupARN": self.arn, "targetType": "ip", "serviceRef": {"name": "evil", "port": 80}}})
    }

    async fn apply(&self, namespace: &str, objects: &[Value]) -> Result<()> {
        for object in objects {
            let text = |field: &str| object[field].as_str().unwrap_or_default();
            let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, text("kind")));
            let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource);
            let name = object["metadata"]["name"].as_str().context("an object without a name")?;
            api.patch(name, &PatchParams::apply("people").force(), &Patch::Apply(object))
                .await
                .with_context(|| name.to_owned())?;
        }
        Ok(())
    }

    fn ingresses(&self, namespace: &str) -> Api<Ingress> {
        Api::namespaced(self.client.clone(), namespace)
    }

    fn bindings(&self, namespace: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("elbv2.k8s.aws", "v1beta1", "TargetGroupBinding"));
        Api::namespaced_with(self.client.clone(), namespace, &resource)
    }

    /// Somebody edits, moves, deletes or makes an Ingress, again and again.
    async fn people(&self) -> Result<()> {
        let mut dice = Dice { seed: seed() + 1, thrown: 0 };
        let namespace = self.people.clone();
        while !self.over.load(Ordering::Relaxed) {
            let number = dice.throw(INGRESSES);
            if dice.throw(6) == 0 {
                // It may be gone, or on its way.
                let _ = self.ingresses(&namespace).delete(&format!("one-{number}"), &DeleteParams::default()).await;
            } else if let Err(error) = self.apply(&namespace, &[self.one(number, &mut dice)]).await {
                // Who is being deleted takes no finalizer; everything else is a mistake here.
                ensure!(format!("{error:#}").contains("deleted") || format!("{error:#}").contains("409"), "{error:#}");
            }
            self.operations.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(300 + dice.throw(300) as u64)).await;
        }
        Ok(())
    }

    /// The victim edits: how long until AWS has it.
    async fn edit(&self, number: usize) -> Result<Duration> {
        let (began, path) = (Instant::now(), format!("/edit-{number}\""));
        self.apply(&self.fixture.scope.namespace, &[self.victim(number)]).await?;
        eventually(&format!("the victim's edit {number} is in AWS"), IN_TIME, async || {
            let state = self.fixture.state().await?;
            let rules = state.load_balancers.iter().flat_map(|one| &one.listeners).flat_map(|one| &one.rules);
            let has = rules.map(|rule| json!(rule.conditions).to_string()).any(|text| text.contains(&path));
            Ok(has.then_some(()))
        })
        .await
        .with_context(|| tail(&self.log()))?;
        Ok(began.elapsed())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.fixture.launch.log).unwrap_or_default()
    }

    /// The victim's targets.
    async fn targets(&self) -> Result<BTreeSet<String>> {
        let state = self.fixture.state().await?;
        let group = state.target_group(&self.arn).context("the victim's target group is gone")?;
        let stays = group.targets.iter().filter(|one| one.state != "draining");
        Ok(stays.map(|one| format!("{}:{}", one.id, one.port)).collect())
    }

    async fn victim_is_served(&mut self) -> Result<BTreeSet<String>> {
        self.apply(&self.fixture.scope.namespace, &[self.victim(0)]).await?;
        eventually("the victim has its load balancer", SOON, async || {
            Ok(crate::objects::hostname_of(&self.fixture.stored("victim").await?))
        })
        .await
        .with_context(|| tail(&self.log()))?;
        self.fixture.quiet().await?;
        let state = self.fixture.state().await?;
        self.arn = state.target_groups.first().context("no target group")?.arn.clone();
        self.targets().await
    }

    /// The author takes away some of what he made.
    async fn withdraw(&self, number: usize) {
        let _ = self.ingresses(&self.other).delete(&format!("evil-{}", number % 6), &DeleteParams::default()).await;
        let _ = self.bindings(&self.other).delete(&format!("evil-{}", number % 3), &DeleteParams::default()).await;
    }

    /// All of it goes. The author lets go of what he holds himself.
    async fn delete_all(&self) -> Result<()> {
        let (all, one_by_one) = (ListParams::default(), DeleteParams::default());
        let own = [&self.fixture.scope.namespace, &self.people];
        for namespace in own.into_iter().chain([&self.other]) {
            self.ingresses(namespace).delete_collection(&one_by_one, &all).await?;
        }
        let theirs = self.bindings(&self.other);
        theirs.delete_collection(&one_by_one, &all).await?;
        eventually("all Ingresses and bindings are gone", SOON * 2, async || {
            let (mut ingresses, mut bindings) = (0, 0);
            for namespace in own {
                ingresses += self.ingresses(namespace).list(&all).await?.items.len();
                bindings += self.bindings(namespace).list(&all).await?.items.len();
            }
            let mut left = Vec::new();
            for one in self.ingresses(&self.other).list(&all).await?.items {
                let class = one.spec.and_then(|spec| spec.ingress_class_name).unwrap_or_default();
                let name = one.metadata.name.unwrap_or_default();
                if class == "nobodys" {
                    let free = json!({"metadata": {"finalizers": null}});
                    let _ =
                        self.ingresses(&self.other).patch(&name, &PatchParams::default(), &Patch::Merge(free)).await;
                }
                left.push(name);
            }
            let more = theirs.list(&all).await?.items;
            for one in &more {
                let forged = format!("group.ingress.k8s.aws/{}", self.group(0));
                let held = one.metadata.finalizers.iter().flatten();
                if held.clone().any(|one| *one == forged) {
                    let rest: Vec<&String> = held.filter(|one| **one != forged).collect();
                    let free = json!({"metadata": {"finalizers": rest}});
                    let name = one.metadata.name.clone().unwrap_or_default();
                    let _ = theirs.patch(&name, &PatchParams::default(), &Patch::Merge(free)).await;
                }
            }
            ensure!(
                ingresses + bindings + left.len() + more.len() == 0,
                "{ingresses} Ingresses, {bindings} bindings, {left:?}, {} of the author's",
                more.len()
            );
            Ok(Some(()))
        })
        .await
        .with_context(|| tail(&self.log()))
    }
}

/// KiB that a process has.
fn resident(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    line.trim().trim_end_matches(" kB").parse().context("VmRSS")
}

/// Whether a process has not grown since it had lived for a while; of a short life nothing is told.
fn is_flat(memory: &[u64]) -> bool {
    let median = |of: &[u64]| {
        let mut sorted = of.to_vec();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    };
    let quarter = memory.len() / 4;
    let (early, late) = (median(&memory[quarter..quarter * 2]), median(&memory[quarter * 3..]));
    memory.len() < LONG || late * 100 < early * GROWTH
}

/// What came of it.
#[derive(Default)]
struct Course {
    /// By kind of attack: how often, and the slowest edit of the victim's.
    attacks: BTreeMap<&'static str, (usize, Duration)>,
    kills: usize,
    /// KiB, of the process that lived longest, since it had made everything once.
    memory: Vec<u64>,
}

/// The author attacks, the victim edits, Albedo is killed now and then; in the last part it lives on.
async fn course(churn: &Churn, albedo: &mut Albedo, targets: &BTreeSet<String>, time: Duration) -> Result<Course> {
    let course = attacked(churn, albedo, targets, time).await;
    // However it ended, nobody goes on.
    churn.over.store(true, Ordering::Relaxed);
    course
}

async fn attacked(churn: &Churn, albedo: &mut Albedo, targets: &BTreeSet<String>, time: Duration) -> Result<Course> {
    let (began, mut dice, mut course) = (Instant::now(), Dice { seed: seed(), thrown: 0 }, Course::default());
    let least = ATTACKS.len();
    for number in 1.. {
        let gone = began.elapsed();
        if gone > time && number > least {
            break;
        }
        let attack = &ATTACKS[number % ATTACKS.len()];
        if let Err(error) = churn.apply(&churn.other, &(attack.objects)(churn, number)).await {
            let said = format!("{error:#}");
            ensure!(
                ["being deleted", "deleted", "409", "not found"].iter().any(|known| said.contains(known)),
                "{said}"
            );
        }
        tokio::time::sleep(Duration::from_millis(dice.throw(600) as u64)).await;
        let took = churn.edit(number).await.with_context(|| format!("after {}", attack.name))?;
        let is = churn.targets().await?;
        ensure!(is == *targets, "after {}: the victim's targets are {is:?} and were {targets:?}", attack.name);
        let known = course.attacks.entry(attack.name).or_default();
        *known = (known.0 + 1, known.1.max(took));
        if dice.throw(2) == 0 {
            churn.withdraw(number).await;
        }
        if gone > time * 2 / 5 {
            course.memory.push(resident(albedo.pid())?);
        } else if dice.throw(3) == 0 {
            albedo.kill().await?;
            *albedo = churn.fixture.launch.start().await?;
            course.kills += 1;
        }
    }
    Ok(course)
}

async fn churned(base: Arc<Base>, time: Duration) -> Result<()> {
    // A cluster of its own: it watches all namespaces.
    let dir = base.dir().join("churn");
    std::fs::create_dir_all(&dir)?;
    let own = Base::start(&dir).await?;
    let mut churn = Churn::open(&own).await?;
    let mut albedo = churn.fixture.launch.start().await?;
    let empty = churn.fixture.state().await?.picture(&churn.fixture.scope.world);
    let targets = churn.victim_is_served().await?;
    ensure!(!targets.is_empty(), "the victim has no targets");
    let mark = churn.fixture.mark().await?;
    let (course, people) = futures::future::join(course(&churn, &mut albedo, &targets, time), churn.people()).await;
    let course = course?;
    people?;
    let operations = churn.operations.load(Ordering::Relaxed);
    for (name, (times, slowest)) in &course.attacks {
        eprintln!("{name}: {times} times, the victim's slowest edit took {slowest:.1?}");
    }
    eprintln!("{operations} operations, {} kills, KiB {:?}", course.kills, course.memory);
    for call in churn.fixture.writes_since(mark).await? {
        let touches = call.operation == "DeregisterTargets" && call.params["TargetGroupArn"] == json!(churn.arn);
        ensure!(!touches, "the victim's targets were let go: {call:?}");
    }
    churn.fixture.quiet().await?;
    let most = course.memory.iter().max().copied().unwrap_or_default();
    ensure!(most < MEMORY, "the process had {most} KiB");
    ensure!(is_flat(&course.memory), "the process grew: KiB {:?}", course.memory);
    churn.delete_all().await?;
    churn.fixture.quiet().await?;
    let is = churn.fixture.state().await?.picture(&churn.fixture.scope.world);
    ensure!(is == empty, "AWS holds\n{is}\nand held\n{empty}");
    let ledgers = churn.fixture.kubectl(&["get", "ingressgroups", "-o", "name"]).await?;
    ensure!(ledgers.trim().is_empty(), "ledgers are left: {ledgers}");
    ensure!(albedo.stop().await?.success() && !churn.log().contains("panicked"), "{}", tail(&churn.log()));
    drop(churn);
    let own = Arc::into_inner(own).context("somebody still holds the cluster")?;
    Arc::into_inner(own.test_env).context("somebody still holds the test environment")?.stop().await
}

pub async fn hostile_authors_and_kills(base: Arc<Base>) -> Result<()> {
    churned(base, Duration::from_secs(30)).await
}

/// The same for longer: `ALBEDO_CHURN_MINUTES`.
pub async fn hostile_authors_and_kills_for_long(base: Arc<Base>) -> Result<()> {
    churned(base, minutes("ALBEDO_CHURN_MINUTES", 10)).await
}
