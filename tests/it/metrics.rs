//! What `/metrics` has: as `docs/metrics.md` says, and all that alerts and dashboard ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use albedo_testenv::{How, Often, Refusal, Which, eventually, http_get};
use anyhow::{Context as _, Result, anyhow, ensure};
use promql_parser::label::Matcher;
use promql_parser::parser::{self, Expr, LabelModifier, VectorSelector};
use promql_parser::util::{ExprVisitor, walk_expr};
use serde_json::{Value, json};

use crate::base::Base;
use crate::fixture::{Fixture, SOON, tail};
use crate::install::Helm;
use crate::objects::{rule, service};

/// Labels that Prometheus adds to each sample.
const OF_THE_SCRAPE: [&str; 2] = ["job", "instance"];

/// A family of samples.
#[derive(Debug, Default, Clone, PartialEq)]
struct Family {
    kind: String,
    unit: String,
    labels: BTreeSet<String>,
}

/// Families by the name of their samples; a histogram without its suffixes.
type Families = BTreeMap<String, Family>;

/// The families of an answer in `OpenMetrics` text: <https://prometheus.io/docs/specs/om/open_metrics_spec/>.
fn scraped(text: &str) -> Result<Families> {
    let mut families = Families::new();
    let (mut stem, mut family) = ("", Family::default());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').with_context(|| line.to_owned())?;
            (stem, family) = (name, Family { kind: kind.to_owned(), ..Family::default() });
        } else if let Some(rest) = line.strip_prefix("# UNIT ") {
            family.unit = rest.split_once(' ').with_context(|| line.to_owned())?.1.to_owned();
        } else if !line.starts_with('#') {
            let (name, labels) = sample(line)?;
            let rest = name.strip_prefix(stem).with_context(|| format!("{line} is not of {stem}"))?;
            let key = if family.kind == "histogram" { stem } else { name };
            ensure!(family.kind == "histogram" || ["", "_total", "_info"].contains(&rest), "{line}");
            let known = families.entry(key.to_owned()).or_insert_with(|| family.clone());
            known.labels.extend(labels.into_iter().filter(|label| label != "le"));
        }
    }
    Ok(families)
}

/// The name of a sample, and the names of its labels.
fn sample(line: &str) -> Result<(&str, Vec<String>)> {
    let Some((name, rest)) = line.split_once('{') else {
        return Ok((line.split_once(' ').with_context(|| line.to_owned())?.0, Vec::new()));
    };
    let (labels, _) = rest.rsplit_once('}').with_context(|| line.to_owned())?;
    // A selector has the same grammar.
    let read = parser::parse(&format!("x{{{labels}}}")).map_err(|error| anyhow!("{line}: {error}"))?;
    let Expr::VectorSelector(read) = read else { anyhow::bail!("{line}") };
    Ok((name, read.matchers.matchers.into_iter().map(|label| label.name).collect()))
}

/// The rows of `docs/metrics.md`.
fn documented() -> Result<Families> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md"))?;
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, name, kind, unit, labels, ..] = cells[..] else { anyhow::bail!("{line}") };
        let bare = |text: &str| text.trim_matches('`').to_owned();
        let labels = labels.split(", ").filter(|label| !label.is_empty()).map(bare).collect();
        Ok((bare(name), Family { kind: kind.to_owned(), unit: unit.to_owned(), labels }))
    };
    rows.map(row).collect()
}

/// What is wrong with an expression, given the samples that there are; nothing if it is fine.
fn faults(expression: &str, families: &Families) -> Vec<String> {
    match parser::parse(expression) {
        Ok(read) => {
            let mut check = Check { families, selected: Vec::new(), faults: Vec::new() };
            let Ok(_) = walk_expr(&mut check, &read);
            if check.selected.is_empty() && check.faults.is_empty() {
                check.faults.push("it selects nothing".to_owned());
            }
            check.faults
        }
        Err(error) => vec![error],
    }
}

struct Check<'f> {
    families: &'f Families,
    /// Labels of each selector so far.
    selected: Vec<BTreeSet<String>>,
    faults: Vec<String>,
}

impl Check<'_> {
    fn select(&mut self, selector: &VectorSelector) {
        let name = selector.name.clone().unwrap_or_default();
        let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| {
            let family = self.families.get(name.strip_suffix(suffix)?).filter(|family| family.kind == "histogram")?;
            Some((family, *suffix == "_bucket"))
        });
        let plain = self.families.get(&name).filter(|family| family.kind != "histogram").map(|family| (family, false));
        let Some((family, has_le)) = of_histogram.or(plain) else {
            self.faults.push(format!("no sample is named {name}"));
            return;
        };
        let mut labels = family.labels.clone();
        labels.extend(OF_THE_SCRAPE.map(str::to_owned));
        labels.extend(has_le.then(|| "le".to_owned()));
        let unknown = |matcher: &&Matcher| !labels.contains(&matcher.name);
        let unknown = selector.matchers.matchers.iter().filter(unknown);
        self.faults.extend(unknown.map(|matcher| format!("{name} has no label {}", matcher.name)));
        self.selected.push(labels);
    }
}

impl ExprVisitor for Check<'_> {
    type Error = std::convert::Infallible;

    fn pre_visit(&mut self, expression: &Expr) -> Result<bool, Self::Error> {
        match expression {
            Expr::VectorSelector(selector) => self.select(selector),
            Expr::MatrixSelector(selector) => self.select(&selector.vs),
            Expr::Aggregate(aggregate) => {
                let mut inner = Check { families: self.families, selected: Vec::new(), faults: Vec::new() };
                walk_expr(&mut inner, &aggregate.expr)?;
                if let Some(LabelModifier::Include(by)) = &aggregate.modifier {
                    let lacks = |label: &&String| inner.selected.iter().any(|labels| !labels.contains(*label));
                    let lacking = by.labels.iter().filter(lacks);
                    self.faults.extend(lacking.map(|label| format!("by ({label}): not all samples have it")));
                }
            }
            _ => {}
        }
        Ok(true)
    }
}

async fn scrape(fixture: &Fixture) -> Result<String> {
    let url = format!("http://{}/metrics", fixture.flag("metrics-bind-addr")?);
    let (status, body) = http_get(&url).await?;
    ensure!(status == 200, "{url}: {status}");
    Ok(String::from_utf8(body.to_vec())?)
}

/// An Albedo that has met a little of everything: a throttle, a quota, a missing permission, a watch that failed.
async fn experienced(base: &Arc<Base>) -> Result<(Fixture, String)> {
    let mut fixture = Fixture::open(base, "metrics").await?;
    let gate = fixture.gate().await?;
    fixture.start().await?;
    fixture.register().await?;
    let emulator = fixture.scope.emulator();
    let once = json!([{"operation": "CreateTargetGroup", "kind": "throttle", "times": 1},
        {"operation": "CreateRule", "code": "TooManyRules", "times": 1}]);
    emulator.faults(&fixture.scope.region, &once).await?;
    fixture.apply(&[service("web", "NodePort", 80, 8080)]).await?;
    let paths = [("/api", "Prefix", "web", 80), ("/", "Prefix", "web", 80)];
    fixture.apply(&[fixture.ingress("good", &[], &json!([rule(None, &paths)]))]).await?;
    fixture.hostname("good").await?;
    fixture.quiet().await?;
    let denied = json!([{"operation": "CreateListener", "code": "AccessDenied", "status": 403, "times": 0}]);
    emulator.faults(&fixture.scope.region, &denied).await?;
    fixture.apply(&[fixture.ingress("denied", &[], &json!([]))]).await?;
    let often = Often::For(Duration::from_secs(2));
    gate.refuse(&[Refusal { which: Which::Watches, how: How::Status(500), often }]);
    gate.cut();
    let wanted =
        ["albedo_group_stalled{", "albedo_watch_errors_total{", "albedo_group_targets{", "error_code=\"TooManyRules\""];
    let text = eventually("everything was met", SOON, async || {
        let text = scrape(&fixture).await?;
        let missing: Vec<&str> = wanted.into_iter().filter(|start| !text.contains(start)).collect();
        ensure!(missing.is_empty(), "{missing:?}");
        Ok(Some(text))
    });
    let text = text.await.with_context(|| tail(&fixture.log()))?;
    Ok((fixture, text))
}

/// The alerts of the rule file: name, expression, annotations.
fn alerts(rules: &Value) -> Result<Vec<(String, String, Value)>> {
    let groups = rules["groups"].as_array().context("no groups")?;
    let rules = groups.iter().filter_map(|group| group["rules"].as_array()).flatten();
    let alert = |rule: &Value| {
        let text = |field: &str| rule[field].as_str().map(str::to_owned).with_context(|| format!("{rule}: no {field}"));
        Ok((text("alert")?, text("expr")?, rule["annotations"].clone()))
    };
    rules.map(alert).collect()
}

/// The expressions of the dashboard, each with the title of its panel.
fn panels(dashboard: &Value) -> Result<Vec<(String, String)>> {
    let panels = dashboard["panels"].as_array().context("no panels")?;
    let targets = panels.iter().flat_map(|panel| {
        let targets = panel["targets"].as_array().into_iter().flatten();
        targets.map(|target| (panel["title"].as_str().unwrap_or_default(), target["expr"].as_str().unwrap_or_default()))
    });
    // The variable is Grafana's.
    Ok(targets.map(|(title, expression)| (title.to_owned(), expression.replace("$job", ".*"))).collect())
}

/// A scrape of a busy Albedo has the documented metrics alone, and all that alerts and dashboard of the chart ask for.
pub async fn what_is_asked_for_is_there(base: Arc<Base>) -> Result<()> {
    let (fixture, text) = experienced(&base).await?;
    let (families, documented) = (scraped(&text)?, documented()?);
    let group = |name: &str| format!("{{group=\"ingress.{}.{name}\"", fixture.scope.namespace);
    for line in [
        "albedo_groups{condition=\"Ready\"} 1".to_owned(),
        "albedo_groups{condition=\"Stalled\"} 1".to_owned(),
        format!("albedo_group_stalled{},reason=\"Failed\"}} 1", group("denied")),
        format!("albedo_group_quarantined_members{}}} 0", group("good")),
        format!("albedo_build_info{{version=\"{}\",commit=\"unknown\"}} 1", env!("CARGO_PKG_VERSION")),
        "albedo_leader 1".to_owned(),
        "albedo_facts_failing{kind=\"subnets\"} 0".to_owned(),
    ] {
        ensure!(text.lines().any(|known| known == line), "{line} is not in\n{text}");
    }
    let targets = format!("albedo_group_targets{}}} ", group("good"));
    let targets = text.lines().find_map(|line| line.strip_prefix(&targets)).context("no targets")?;
    ensure!(targets.parse::<u32>()? > 0, "{targets} targets");
    for (name, family) in &families {
        let row = documented.get(name).with_context(|| format!("docs/metrics.md has no row for {name}"))?;
        ensure!(row == family, "docs/metrics.md says of {name}: {row:?}, and it is {family:?}");
    }

    let helm = Helm::new(&fixture).await?;
    let runbooks = "https://runbooks.example.com/albedo";
    let set = format!("prometheusRule.runbooks={runbooks}");
    let objects = helm
        .objects(&["--set", "prometheusRule.enabled=true", "--set", "dashboard.enabled=true", "--set", &set])
        .await?;
    let of_kind = |kind: &str| objects.iter().find(|one| one["kind"] == json!(kind)).context(kind.to_owned());
    let alerts = alerts(&of_kind("PrometheusRule")?["spec"])?;
    let dashboard = of_kind("ConfigMap")?["data"]["albedo.json"].as_str().context("no dashboard")?;
    let panels = panels(&serde_json::from_str(dashboard)?)?;
    ensure!(alerts.len() > 15 && panels.len() > 15, "{} alerts, {} expressions of panels", alerts.len(), panels.len());
    let expressions = alerts.iter().map(|(name, expression, _)| (name, expression));
    for (of, expression) in expressions.chain(panels.iter().map(|(title, expression)| (title, expression))) {
        let faults = faults(expression, &families);
        ensure!(faults.is_empty(), "{of}: {expression}: {faults:?}");
    }

    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/runbooks.md"))?;
    let sections: BTreeSet<&str> = page.lines().filter_map(|line| line.strip_prefix("## Albedo")).collect();
    let named: BTreeSet<&str> = alerts.iter().filter_map(|(name, ..)| name.strip_prefix("Albedo")).collect();
    ensure!(sections == named, "docs/runbooks.md has {sections:?}, and there are alerts for {named:?}");
    for (name, _, annotations) in &alerts {
        let url = format!("{runbooks}#{}", name.to_lowercase());
        ensure!(
            annotations["runbook_url"] == json!(url) && annotations["summary"].is_string(),
            "{name}: {annotations}"
        );
    }
    tried_by_promtool(&named, &families)?;
    fixture.close().await
}

/// `make alerts` tries each alert, with series that there are: in a healthy cluster, before it fires, and when it fires.
fn tried_by_promtool(named: &BTreeSet<&str>, families: &Families) -> Result<()> {
    let tests = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/alerts/alerts.yaml"))?;
    let tests: Value = serde_saphyr::from_str(&tests)?;
    let mut cases: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for test in tests["tests"].as_array().context("no tests")? {
        for series in test["input_series"].as_array().context("no series")? {
            let series = series["series"].as_str().context("no series")?;
            let faults = if series == "up" { Vec::new() } else { faults(series, families) };
            ensure!(faults.is_empty(), "tests/alerts: {series}: {faults:?}");
        }
        for case in test["alert_rule_test"].as_array().context("no cases")? {
            let name = case["alertname"].as_str().and_then(|name| name.strip_prefix("Albedo")).context("no name")?;
            let fires = case["exp_alerts"].as_array().is_some_and(|alerts| !alerts.is_empty());
            cases.entry(name).or_default()[usize::from(fires)] += 1;
        }
    }
    for name in named {
        let [silent, fires] = cases.get(name).copied().unwrap_or_default();
        ensure!(silent > 1 && fires > 0, "tests/alerts: Albedo{name} is silent in {silent} cases, fires in {fires}");
    }
    Ok(())
}

/// The check itself: a name or a label that no sample has is found, wherever it stands.
pub async fn what_is_not_there_is_found(_: Arc<Base>) -> Result<()> {
    let text = "# HELP a_seconds A.\n# TYPE a_seconds histogram\n# UNIT a_seconds seconds\n\
        a_seconds_sum{unit=\"x,{y}\"} 1\na_seconds_count{unit=\"x\"} 1\na_seconds_bucket{le=\"1\",unit=\"x\"} 1\n\
        # HELP b B.\n# TYPE b counter\nb_total 3\n# EOF\n";
    let families = scraped(text)?;
    for fine in [
        "histogram_quantile(0.9, sum by (le, unit) (rate(a_seconds_bucket{unit=\"x\"}[5m])))",
        "sum(rate(b_total{job=~\".*\"}[5m])) / sum(rate(a_seconds_count[5m])) > 0.5",
    ] {
        ensure!(faults(fine, &families).is_empty(), "{fine}: {:?}", faults(fine, &families));
    }
    for wrong in [
        "b",
        "b_totl",
        "a_seconds",
        "vector(1)",
        "rate(b_total[5m]",
        "b_total{unit=\"x\"}",
        "sum(b_total) + sum(rate(a_seconds_sum{uint=\"x\"}[5m]))",
        "sum by (unit) (b_total)",
        "max(sum by (le) (rate(a_seconds_count[5m])))",
    ] {
        ensure!(faults(wrong, &families).len() == 1, "{wrong}: {:?}", faults(wrong, &families));
    }
    Ok(())
}
