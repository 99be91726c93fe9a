//! Text, JSON, SARIF and workflow commands of the same remarks.

use albedo_engine::check::Look;
use serde_json::Value;

use super::{ingress, read, report, text};

#[test]
fn for_people() {
    let file = ingress("alb.ingress.kubernetes.io/target-type: pod");
    let text = text(&file);
    let wanted = "error[ALB003]: ";
    assert!(text.starts_with(wanted), "{text}");
    for line in [
        " --> in.yaml:6:44",
        "6 |     alb.ingress.kubernetes.io/target-type: pod",
        "  |                                            ^^^",
        "  = note: Ingress default/web: metadata.annotations[alb.ingress.kubernetes.io/target-type]",
        "  = help: write ip",
        "1 Ingress, 1 error, 0 warnings",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
}

/// One remark of each kind: a fault without a place, a finding, a place with characters that have to be escaped.
fn several() -> albedo_engine::manifest::Manifests {
    read(&[
        ("a dir/é:1,%.yaml", ingress("alb.ingress.kubernetes.io/target-type: pod").as_bytes()),
        ("/empty.yaml", b""),
        (
            "./b.yaml",
            ingress("alb.ingress.kubernetes.io/actions.app: '{\"type\": 1,\n\n  \"%\": 2}'")
                .replace("web", "b")
                .as_bytes(),
        ),
    ])
}

#[test]
fn for_programs() {
    let manifests = several();
    let json: Value = serde_json::from_str(&report(&manifests).json()).expect("JSON");
    let errors = json["findings"].as_array().expect("a list").iter().filter(|one| one["level"] == "error").count();
    assert_eq!(json["errors"], errors);
    let first = &json["findings"][0];
    assert_eq!(first["code"], "ALB003");
    assert_eq!(first["file"], "a dir/é:1,%.yaml");
    assert_eq!((first["line"].as_u64(), first["column"].as_u64()), (Some(6), Some(44)));
    assert_eq!(first["endColumn"], 47);
    assert_eq!(first["subject"]["name"], "web");
    assert_eq!(first["path"], "metadata.annotations[alb.ingress.kubernetes.io/target-type]");
    assert_eq!(first["value"], "pod");
}

/// The parts of the schema that a consumer relies on: required properties, types, and references between them.
#[test]
fn for_code_scanning() {
    let manifests = several();
    let report = report(&manifests);
    let log: Value = serde_json::from_str(&report.sarif()).expect("JSON");
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "albedo");
    let rules = driver["rules"].as_array().expect("rules");
    let results = run["results"].as_array().expect("results");
    assert_eq!(results.len(), report.remarks.len());
    for result in results {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("small")];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(matches!(result["level"].as_str(), Some("error" | "warning")));
        assert!(result["message"]["text"].as_str().is_some_and(|text| !text.is_empty()));
        let physical = &result["locations"][0]["physicalLocation"];
        let uri = physical["artifactLocation"]["uri"].as_str().expect("a URI");
        assert!(uri.bytes().all(|byte| byte.is_ascii_graphic()), "{uri}");
        if let Some(region) = physical.get("region") {
            for field in ["startLine", "startColumn", "endLine", "endColumn"] {
                assert!(region[field].as_u64().is_some_and(|number| number >= 1), "{region}");
            }
        }
    }
    let uris: std::collections::BTreeSet<&str> = results
        .iter()
        .filter_map(|result| result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str())
        .collect();
    assert_eq!(uris, ["a%20dir/%C3%A9%3A1%2C%25.yaml", "b.yaml", "file:///empty.yaml"].into());
    let ids: std::collections::BTreeSet<Option<&str>> = rules.iter().map(|rule| rule["id"].as_str()).collect();
    assert_eq!(ids.len(), rules.len(), "each rule once");
}

#[test]
fn for_pull_requests() {
    let manifests = several();
    let report = report(&manifests);
    let text = report.github();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), report.remarks.len() + 1, "one line each, and the summary:\n{text}");
    let first = "::error file=a dir/é%3A1%2C%25.yaml,line=6,endLine=6,col=44,endColumn=47,title=ALB003 ";
    assert!(lines[0].starts_with(first), "{}", lines[0]);
    assert!(lines[0].contains("%0AIngress default/web: metadata.annotations[alb.ingress"), "{}", lines[0]);
    assert!(lines.iter().any(|line| line.starts_with("::error file=/empty.yaml,title=not-a-manifest ")), "{text}");
    for line in &lines[..lines.len() - 1] {
        let (_, data) = line.split_once("::").and_then(|(_, rest)| rest.split_once("::")).expect("a command");
        assert!(!data.contains(['\r', '\n']));
    }
    assert_eq!(report.text(Look::Plain).matches('\u{1b}').count(), 0);
    assert!(report.text(Look::Coloured).contains("\u{1b}["));
}
