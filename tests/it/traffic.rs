//! Requests through the load balancer while Ingresses are edited: 200 a second, and none of them fails or goes to somebody else.
//!
//! Pods answer, `albedo-alb` carries requests to them as the rules in the emulator say, and each row of the table is one edit under load. The
//! answer to each write comes after the load balancer has served by it for a while, so that every state between two writes is met by requests.

mod rows;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use albedo_testenv::{Albedo, Answer, Asked, Gate, Launch, Tally, Trip, eventually};
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::base::{Base, is_exhaustive};
use crate::crash::seed;
use crate::fixture::{Fixture, SOON, tail};
use crate::objects::{deployment, service};
use crate::serving::Serving;
use rows::{Meanwhile, Row, rows};

/// How long requests go on before an edit and after it.
const AROUND: Duration = Duration::from_millis(700);
/// The longest that a row may take.
const MOST: Duration = Duration::from_mins(2);
/// How long after the load balancer serves by a write its answer comes: enough for some requests of each kind.
const WRITE_MS: u64 = 100;
/// How long the load balancer may take to serve by a write.
const SEEN_MS: u64 = 10_000;
/// The writes that change what requests meet.
const WRITES: [&str; 14] = [
    "CreateListener",
    "ModifyListener",
    "DeleteListener",
    "CreateRule",
    "ModifyRule",
    "DeleteRule",
    "SetRulePriorities",
    "AddListenerCertificates",
    "RemoveListenerCertificates",
    "CreateTargetGroup",
    "DeleteTargetGroup",
    "ModifyTargetGroup",
    "RegisterTargets",
    "DeregisterTargets",
];

/// What the edits are made on.
pub struct Course {
    pub fixture: Fixture,
    /// Three of ACM, all for `*.example.com`.
    pub certificates: [String; 3],
    gate: Gate,
    /// The Albedo that writes.
    active: Launch,
    standby: Option<(Launch, Albedo)>,
    serving: Serving,
}

/// Which answers are right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Before,
    Meanwhile,
    After,
}

impl Course {
    async fn open(base: &Arc<Base>, name: &str, env: &[(&str, &str)]) -> Result<Self> {
        let mut fixture = Fixture::open(base, name).await?;
        fixture.launch.env.extend(env.iter().map(|(name, value)| ((*name).to_owned(), value.into())));
        let gate = fixture.gate().await?;
        let (emulator, region) = (fixture.scope.emulator(), fixture.scope.region.clone());
        let mut certificates = [const { String::new() }; 3];
        for certificate in &mut certificates {
            *certificate = emulator.certificate(&region, &["*.example.com"]).await?;
        }
        let serving = Serving::open(&fixture).await?;
        fixture.start().await?;
        let active = fixture.launch.clone();
        let standby = None;
        let course = Self { fixture, certificates, gate, active, standby, serving };
        course.backends().await?;
        Ok(course)
    }

    /// Two Pods behind `web`, one behind `api`; they answer with what they were asked.
    async fn backends(&self) -> Result<()> {
        let pods = |name: &str, replicas: u32, port: u16| {
            let mut object = deployment(name, replicas, port);
            object["spec"]["template"]["spec"]["containers"][0]["image"] = json!(albedo_testenv::ECHO);
            object
        };
        let objects = [
            pods("web", 2, 8080),
            service("web", "NodePort", 80, 8080),
            pods("api", 1, 9090),
            service("api", "NodePort", 8000, 9090),
        ];
        self.fixture.apply(&objects).await?;
        self.fixture.kubectl(&["rollout", "status", "deployment", "web", "api", "--timeout=60s"]).await.map(drop)
    }

    /// Each write is met by requests from now on.
    async fn slow_down(&self) -> Result<()> {
        let met = WRITES.map(|operation| {
            json!({"service": "elbv2", "operation": operation, "times": 0, "seenMs": SEEN_MS, "answerMs": WRITE_MS})
        });
        self.fixture.scope.emulator().faults(&self.fixture.scope.region, &json!(met)).await
    }

    /// Makes the Ingresses these, and no others.
    async fn put(&self, ingresses: &[Value]) -> Result<()> {
        let wanted: Vec<&str> = ingresses.iter().filter_map(|one| one["metadata"]["name"].as_str()).collect();
        let there = self.fixture.kubectl(&["get", "ingress", "-o", "name"]).await?;
        let there = there.lines().filter_map(|line| line.rsplit('/').next());
        let gone: Vec<&str> = there.filter(|name| !wanted.contains(name)).collect();
        self.fixture.apply(ingresses).await?;
        if !gone.is_empty() {
            self.fixture.kubectl(&[&["delete", "ingress", "--wait=false"], gone.as_slice()].concat()).await?;
        }
        Ok(())
    }

    async fn asked(&self, row: &Row, when: When) -> Result<Vec<Asked>> {
        let mut all = Vec::new();
        let state = self.fixture.state().await?;
        let balancer = state.load_balancers.first().context("no load balancer")?;
        let served = self.serving.named(&balancer.name)?;
        for (url, before, after) in &row.asks {
            let parsed: hyper::Uri = url.parse()?;
            let secure = parsed.scheme_str() == Some("https");
            let port = parsed.port_u16().unwrap_or(if secure { 443 } else { 80 });
            let host = parsed.host().context("a URL without a host")?.to_owned();
            let mut right = Vec::new();
            if when != When::After {
                right.extend(answers(before));
            }
            if when != When::Before {
                right.extend(answers(after));
            }
            if when == When::Meanwhile && right.contains(&Answer::Status(404)) {
                // Whom nobody served yet may get this until the first target is healthy: AWS checks no targets that no rule leads to.
                right.push(Answer::Status(503));
            }
            all.push(Asked {
                at: self.serving.at(&served.dns_name, port).unwrap_or_else(|| (served.address, port).into()),
                tls: secure.then(|| host.clone()),
                host,
                path: parsed.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
                right,
            });
        }
        Ok(all)
    }

    /// Waits until each kind of request gets what is right, and Albedo has nothing left to do.
    async fn answers(&self, row: &Row, when: When) -> Result<Vec<Asked>> {
        eventually(&format!("{when:?}: every answer is right"), SOON, async || {
            let asked = self.asked(row, when).await?;
            self.serving.check(&asked).await?;
            Ok(Some(asked))
        })
        .await
        .with_context(|| tail(&self.fixture.log()))
    }

    /// One row under load.
    async fn carry(&mut self, row: &Row) -> Result<Tally> {
        if row.meanwhile == Meanwhile::Replaced {
            self.elect().await?;
        }
        self.put(&row.before).await?;
        self.answers(row, When::Before).await?;
        self.quiet().await?;
        let before = self.answers(row, When::Before).await?;
        let meanwhile = self.asked(row, When::Meanwhile).await?;
        let load = self.serving.load(before, MOST);
        tokio::time::sleep(AROUND).await;
        load.expect(meanwhile);
        let edited = self.edit(row).await;
        let after = match edited {
            Ok(()) => self.answers(row, When::After).await,
            Err(error) => Err(error),
        };
        let after = after.with_context(|| format!("{}: {}", row.name, load.so_far()))?;
        self.quiet().await?;
        load.expect(after);
        tokio::time::sleep(AROUND).await;
        let missed = self.fixture.scope.emulator().missed(&self.fixture.scope.region).await?;
        ensure!(missed == 0, "{missed} writes were answered before the load balancer served by them");
        load.end().await
    }

    async fn edit(&mut self, row: &Row) -> Result<()> {
        match row.meanwhile {
            Meanwhile::Nothing => self.put(&row.after).await,
            Meanwhile::Killed => {
                self.gate.arm(2, Trip::Hold);
                self.put(&row.after).await?;
                self.tripped().await?;
                self.fixture.albedo()?.kill().await?;
                self.gate.reset();
                self.fixture.start().await
            }
            Meanwhile::Replaced => {
                self.gate.arm(1, Trip::Hold);
                self.put(&row.after).await?;
                self.tripped().await?;
                self.fixture.albedo()?.pause()?;
                self.active = self.standby.as_ref().context("no other replica")?.0.clone();
                Ok(())
            }
        }
    }

    async fn tripped(&self) -> Result<()> {
        eventually("a write is carried out", SOON, async || Ok(self.gate.has_tripped().then_some(()))).await
    }

    /// Has two replicas with one lease from now on: the first writes, through a gate of its own.
    async fn elect(&mut self) -> Result<()> {
        let scope = &self.fixture.scope;
        self.fixture.base().test_env.plane().grant_lease(&scope.namespace, &scope.lease).await?;
        self.fixture.albedo()?.stop().await?;
        self.fixture.flags(&["--enable-leader-election=true"]);
        let standby = self.fixture.replica("two")?;
        self.fixture.launch = self.fixture.replica("one")?;
        self.gate = self.fixture.gate().await?;
        self.fixture.start().await?;
        self.active = self.fixture.launch.clone();
        self.standby = Some((standby.clone(), standby.start().await?));
        Ok(())
    }

    async fn quiet(&self) -> Result<()> {
        self.active.quiet(self.fixture.scope.emulator(), SOON).await.with_context(|| tail(&self.fixture.log()))
    }

    async fn close(mut self) -> Result<()> {
        if let Some((_, mut standby)) = self.standby.take() {
            self.fixture.albedo()?.resume()?;
            self.gate.reset();
            ensure!(standby.stop().await?.success(), "the other replica did not end well");
        }
        self.serving.stop().await;
        self.fixture.close().await
    }
}

/// Each row of the table, and more than once where every case is tried.
pub async fn edits_fail_nobody(base: Arc<Base>) -> Result<()> {
    let mut course = Course::open(&base, "traffic", &[]).await?;
    course.slow_down().await?;
    let only = std::env::var("ALBEDO_ROWS").unwrap_or_default();
    let mut wrong = String::new();
    for round in 0..if is_exhaustive() { 5 } else { 1 } {
        let rows = rows(&course);
        let named = rows.iter().filter(|row| row.name.contains(&only)).enumerate();
        // In an ordinary run every second row, another half with another seed.
        let now = named.filter(|(place, _)| is_exhaustive() || !only.is_empty() || (place + seed()).is_multiple_of(2));
        for (_, row) in now {
            let begun = Instant::now();
            let carried = course.carry(row).await;
            let seconds = begun.elapsed().as_secs_f64();
            let (line, is_right) = match carried {
                Ok(tally) => {
                    (format!("{:<55} {seconds:>4.1} s  {tally}", row.name), tally.failures() + tally.misrouted == 0)
                }
                // The other rows are told of, too.
                Err(error) => (format!("{:<55} {seconds:>4.1} s  {error:#}", row.name), false),
            };
            eprintln!("traffic: {line}");
            if !is_right {
                writeln!(wrong, "in round {round}: {line}")?;
            }
        }
    }
    if !wrong.is_empty() {
        bail!("requests failed\n{wrong}{}", tail(&course.fixture.log()));
    }
    course.close().await
}

/// The same with plans in a wrong order: requests fail, and it is seen. Otherwise the table above would show nothing.
pub async fn a_wrong_order_is_seen(base: Arc<Base>) -> Result<()> {
    const ROWS: [&str; 3] = ["another Service behind a path", "targets become nodes", "HTTP becomes a redirect"];
    let mut course = Course::open(&base, "disorder", &[("ALBEDO_TEST_DISORDER", "1")]).await?;
    course.slow_down().await?;
    for row in rows(&course).iter().filter(|row| ROWS.contains(&row.name)) {
        let tally = course.carry(row).await.with_context(|| row.name)?;
        let (failed, misrouted) = (tally.failures(), tally.misrouted);
        eprintln!(
            "traffic, in a wrong order: {:<40} {failed} failed, {misrouted} misrouted of {}",
            row.name, tally.sent
        );
        ensure!(failed + misrouted > 0, "{}: no request failed although the plan was in a wrong order", row.name);
    }
    course.close().await
}

/// The answers that a word of the table stands for.
fn answers(word: &str) -> Vec<Answer> {
    word.split(" or ")
        .map(|word| match word.parse() {
            Ok(status) => Answer::Status(status),
            Err(_) if word == "refused" => Answer::Refused,
            Err(_) if word.contains("://") => Answer::Redirect(word.to_owned()),
            Err(_) => Answer::service(word),
        })
        .collect()
}
