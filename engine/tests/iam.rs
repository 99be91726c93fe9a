//! The IAM policies: the files are what the table gives, the table has what the program calls, and AWS takes the documents.
//! `UPDATE=1` writes the files anew.

#![expect(clippy::expect_used, clippy::panic, reason = "a panic is what a test has for a fault")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use albedo_engine::annotation::arn::PARTITIONS;
use albedo_engine::iam::{ACTIONS, Need, Purpose, STATEMENTS, Scope, partition, policy};
use albedo_engine::plan::operation::{ApiService, addon_calls};
use serde_json::Value;

/// Characters of a managed policy, white space aside: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>.
const LONGEST: usize = 6144;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_files_are_current() {
    for partition in PARTITIONS {
        let name = format!("deploy/iam-policy{}.json", partition.strip_prefix("aws").unwrap_or(partition));
        let scope = Scope { partition, cluster: None, vpc: None, roles: &[] };
        let is = policy(Purpose::Run, scope).expect("a policy");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(root().join(&name), &is).expect("a file that can be written");
        }
        let written = std::fs::read_to_string(root().join(&name)).unwrap_or_default();
        assert!(written == is, "{name} is old: UPDATE=1 cargo test -p albedo-engine --test iam");
    }
    assert_eq!(
        partition("aws-moon"),
        Err(format!("AWS has no partition of this name; use one of {}", PARTITIONS.join(", ")))
    );
}

/// The actions of a text in which calls are written as `name("Call"`, by what services are called in policies.
fn calls(text: &str, services: &[(&str, &str)], found: &mut BTreeSet<String>) {
    for (before, service) in services {
        let starts = text.match_indices(before).filter(|(at, _)| {
            let previous = text.get(..*at).and_then(|text| text.chars().next_back());
            previous.is_none_or(|one| !one.is_alphanumeric() && one != '_')
        });
        for (at, _) in starts {
            let rest = text.get(at + before.len()..).unwrap_or_default();
            let name = rest.split('"').next().unwrap_or_default();
            found.insert(format!("{service}:{name}"));
        }
    }
}

/// What the sources call: operations of plans by the table that describes them, reads where they are made.
fn called() -> BTreeSet<String> {
    const ELB: &str = "elasticloadbalancing";
    let mut found = BTreeSet::new();
    let rows = read(&root().join("engine/src/plan/operation/describe.rs"));
    let of_rows = [(r#"row(Ec2, ""#, "ec2"), (r#"row(Elbv2, ""#, ELB)];
    calls(&rows, &of_rows, &mut found);
    let known = of_rows.iter().map(|(before, _)| rows.matches(before).count()).sum::<usize>();
    assert_eq!(rows.matches(" row(").count(), known, "a row of the table is written otherwise");
    let services = ApiService::ALL.map(|api| {
        let of_policies = match api {
            ApiService::Elbv2 => ELB,
            ApiService::Ec2 => "ec2",
            ApiService::Acm => "acm",
            ApiService::WafV2 => "wafv2",
            ApiService::WafRegional => "waf-regional",
            ApiService::Shield => "shield",
        };
        (api, of_policies, format!("ApiService::{api:?}.call(\""))
    });
    for call in addon_calls() {
        let of = services.iter().find(|(api, ..)| *api == call.api).map_or("", |(_, of, _)| *of);
        found.insert(format!("{of}:{}", call.name));
    }
    let reads = services.each_ref().map(|(_, of, before)| (before.as_str(), *of));
    let mut folders = vec![root().join("src/cloud")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => folders.push(path),
                false => calls(&read(&path), &reads, &mut found),
            }
        }
    }
    found
}

#[test]
fn what_is_called_is_allowed_and_nothing_else() {
    let called = called();
    assert!(called.len() > 60, "the sources are not read as they are written: {called:?}");
    let rows = |wanted: fn(&Need) -> bool| -> BTreeSet<String> {
        ACTIONS.iter().filter(|row| wanted(&row.need)).map(|row| row.action.to_owned()).collect()
    };
    let allowed = rows(|need| *need == Need::Called);
    let covers = |allowed: &str, call: &str| {
        allowed == call || allowed.strip_suffix('*').is_some_and(|start| call.starts_with(start))
    };
    let missing: Vec<_> = called.iter().filter(|call| !allowed.iter().any(|one| covers(one, call))).collect();
    assert!(missing.is_empty(), "called, and not in the table of actions: {missing:?}");
    let unused: Vec<_> = allowed.iter().filter(|one| !called.iter().any(|call| covers(one, call))).collect();
    assert!(unused.is_empty(), "in the table of actions, and never called: {unused:?}");
}

#[test]
fn every_row_has_its_statement_and_every_statement_its_reason() {
    let sids: BTreeSet<&str> = STATEMENTS.iter().map(|statement| statement.sid).collect();
    assert_eq!(sids.len(), STATEMENTS.len());
    let used: BTreeSet<&str> = ACTIONS.iter().map(|row| row.statement).collect();
    assert_eq!(used, sids);
    let page = read(&root().join("docs/iam.md"));
    for sid in sids {
        assert!(page.contains(&format!("| `{sid}` |")), "docs/iam.md does not say what `{sid}` is for");
    }
    for action in ACTIONS.iter().filter(|row| row.need != Need::Called).map(|row| row.action) {
        let name = action.split_once(':').map_or(action, |(_, name)| name);
        assert!(page.contains(name), "docs/iam.md does not say why `{action}` is needed, which Albedo does not call");
    }
}

#[test]
fn aws_takes_the_documents() {
    // The longest names that EKS and EC2 give.
    let (cluster, vpc) = ("c".repeat(100), "vpc-0123456789abcdef0");
    for partition in PARTITIONS {
        for (purpose, cluster, vpc) in [
            (Purpose::Run, None, None),
            (Purpose::Run, Some(cluster.as_str()), Some(vpc)),
            (Purpose::TagUntagged, None, None),
        ] {
            let text = policy(purpose, Scope { partition, cluster, vpc, roles: &[] }).expect("a policy");
            let size = text.chars().filter(|one| !one.is_whitespace()).count();
            assert!(size <= LONGEST, "{partition}: {size} characters, AWS takes {LONGEST}");
            let document: Value = serde_json::from_str(&text).expect("JSON");
            let statements = document["Statement"].as_array().expect("statements");
            let mut sids = BTreeSet::new();
            for statement in statements {
                let sid = statement["Sid"].as_str().expect("a Sid");
                assert!(sid.chars().all(|one| one.is_ascii_alphanumeric()) && sids.insert(sid), "{sid}");
                for arn in statement["Resource"].as_array().expect("resources") {
                    let arn = arn.as_str().expect("text");
                    assert!(arn == "*" || arn.starts_with(&format!("arn:{partition}:")), "{sid}: {arn}");
                }
            }
        }
    }
}
