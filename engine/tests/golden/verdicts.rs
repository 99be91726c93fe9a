//! What admission says of every recording: what failed there is refused here for the reason it failed, and what was
//! provisioned is provisioned, with each denial listed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use albedo_engine::admit::{self, Context, Policy};
use albedo_engine::finding::{Effect, Finding, ObjectRef};

use crate::case::{self, Cluster, now};

/// What became of an Ingress that did not get its load balancer.
const FAILED: [&str; 4] = ["failed", "failed-silently", "refused-by-webhook", "refused-by-apiserver"];

/// Past what the harness holds back of a test that goes well: these counts belong to the result.
fn tell(line: &str) {
    writeln!(std::io::stdout(), "{line}").expect("somebody listens");
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn rows(name: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(file(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// An Ingress of a step, how it went in the recording, and what is found on it here.
struct Verdict {
    step: String,
    ingress: String,
    outcome: String,
    /// The API server cannot read it, so that no webhook sees it.
    refused: bool,
    findings: Vec<Finding>,
}

fn verdicts() -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for case in case::all() {
        let mut cluster = Cluster::new(case.settings.clone());
        for step in &case.steps {
            cluster.take(step);
            let policy = Policy::default();
            let found = admit::survey(Context {
                world: &cluster.world,
                facts: &case.facts,
                settings: &case.settings,
                policy: &policy,
                now: now(),
            });
            for (ingress, recorded) in step.expected["ingresses"].as_object().into_iter().flatten() {
                let (namespace, name) = ingress.split_once('/').expect("namespace/name");
                let subject = ObjectRef::ingress(namespace, name);
                // What a Service or a class says for it counts as if it said so itself.
                let is_its = |finding: &&Finding| {
                    finding.subject == subject
                        || finding.subject.kind != "Ingress" && finding.related.contains(&subject)
                };
                verdicts.push(Verdict {
                    step: step.name.clone(),
                    ingress: ingress.clone(),
                    outcome: recorded["outcome"].as_str().unwrap_or_default().to_owned(),
                    refused: cluster.refused.iter().any(|key| key.to_string() == *ingress),
                    findings: found.iter().filter(is_its).cloned().collect(),
                });
            }
        }
    }
    verdicts
}

/// Every Ingress that failed has a row that says which code and which field is the reason; another finding will not do.
#[test]
fn what_failed_is_refused_for_its_reason() {
    let table = rows("tests/golden/reasons.tsv");
    let (mut faults, mut told, mut later, mut seen) = (Vec::new(), 0, 0, BTreeSet::new());
    for verdict in verdicts().into_iter().filter(|verdict| FAILED.contains(&verdict.outcome.as_str())) {
        let is = |row: &&Vec<String>| row[0] == verdict.step && row[1] == verdict.ingress;
        let Some(row) = table.iter().find(is) else {
            faults.push(format!("{} {} has no row; found: {:#?}", verdict.step, verdict.ingress, brief(&verdict)));
            continue;
        };
        seen.insert((row[0].clone(), row[1].clone()));
        match row[2].as_str() {
            // Nothing is wrong with it itself.
            "-" => later += 1,
            "malformed" if verdict.refused => told += 1,
            code => {
                let policy = Policy::default();
                let reason = verdict.findings.iter().find(|one| one.code.to_string() == code && one.path.0 == row[3]);
                match reason {
                    Some(one) if one.effect != Effect::Nothing || policy.denies(one, false) => told += 1,
                    Some(_) => faults.push(format!("{} {}: {code} changes nothing", verdict.step, verdict.ingress)),
                    None => faults.push(format!(
                        "{} {}: no {code} at {}; found: {:#?}",
                        verdict.step,
                        verdict.ingress,
                        row[3],
                        brief(&verdict)
                    )),
                }
            }
        }
    }
    tell(&format!(
        "{told} Ingresses that failed are refused or quarantined for their reason; {later} are provisioned, a sibling is quarantined"
    ));
    assert!(faults.is_empty(), "{} differ\n{}", faults.len(), faults.join("\n"));
    let here = case::folders().len() > 1 || !table.iter().any(|row| row[0].starts_with(char::is_numeric));
    let stale: Vec<&Vec<String>> = table
        .iter()
        .filter(|row| here || !row[0].starts_with(char::is_numeric))
        .filter(|row| !seen.contains(&(row[0].clone(), row[1].clone())))
        .collect();
    assert!(stale.is_empty(), "rows of nothing that failed: {stale:?}");
}

fn brief(verdict: &Verdict) -> Vec<String> {
    verdict.findings.iter().map(|one| format!("{:?} {one}", one.effect)).collect()
}

/// What was provisioned has no finding that changes anything, and what admission would refuse of it all the same is in
/// `docs/differences.md`, by code, and here by case.
#[test]
fn what_was_provisioned_is_let_through_or_listed() {
    let (mut faults, mut provisioned, mut denied) = (Vec::new(), 0, BTreeMap::new());
    for verdict in verdicts().into_iter().filter(|verdict| verdict.outcome == "provisioned") {
        provisioned += 1;
        for finding in &verdict.findings {
            if finding.effect != Effect::Nothing {
                faults.push(format!("{} {}: {:?} {finding}", verdict.step, verdict.ingress, finding.effect));
            } else if Policy::default().denies(finding, false) {
                let key =
                    (verdict.step.clone(), verdict.ingress.clone(), finding.code.to_string(), finding.path.0.clone());
                denied.insert(key, finding.message.clone());
            }
        }
    }
    let ingresses: BTreeSet<&str> = denied.keys().map(|(step, _, _, _)| step.as_str()).collect();
    tell(&format!(
        "{provisioned} Ingresses were provisioned, {} of them would be quarantined; {} steps are denied at admission on purpose",
        faults.len(),
        ingresses.len()
    ));
    assert!(faults.is_empty(), "{} would not be provisioned\n{}", faults.len(), faults.join("\n"));

    let whole = case::folders().len() > 1;
    let own = |step: &str| !step.starts_with(char::is_numeric);
    let listed: BTreeSet<(String, String, String, String)> = rows("tests/golden/denials.tsv")
        .into_iter()
        .filter(|row| whole || own(&row[0]))
        .map(|row| (row[0].clone(), row[1].clone(), row[2].clone(), row[3].clone()))
        .collect();
    let found: BTreeSet<_> = denied.keys().cloned().collect();
    if std::env::var_os("UPDATE").is_some() && whole {
        let lines: String = found.iter().map(|(a, b, c, d)| format!("{a}\t{b}\t{c}\t{d}\n")).collect();
        let head = "# case (or case/step), Ingress, code, field: provisioned by the predecessor, refused at admission on purpose\n";
        std::fs::write(file("tests/golden/denials.tsv"), head.to_owned() + &lines).expect("denials.tsv");
    } else {
        let text = |row: &(String, String, String, String)| format!("{}\t{}\t{}\t{}", row.0, row.1, row.2, row.3);
        let new: Vec<String> = found.difference(&listed).map(text).collect();
        let gone: Vec<String> = listed.difference(&found).map(text).collect();
        assert!(
            new.is_empty() && gone.is_empty(),
            "not listed:\n{}\nlisted, and gone:\n{}",
            new.join("\n"),
            gone.join("\n")
        );
    }
    let reasons = std::fs::read_to_string(file("docs/differences.md")).expect("docs/differences.md");
    for code in found.iter().chain(&listed).map(|(_, _, code, _)| code).collect::<BTreeSet<_>>() {
        assert!(reasons.contains(&format!("| {code} |")), "docs/differences.md gives no reason for {code}");
    }
}
