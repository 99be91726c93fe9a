//! `docs/annotations.md` and `docs/findings.md`.

use super::{effect, verdict, words};
use crate::annotation::attributes::Owner;
use crate::annotation::ssl_policy::POLICIES;
use crate::annotation::{PREFIX, Scope, SettingRow, every_row};
use crate::finding::{CODES, CodeRow, Tier};

const HEAD: &str = "<!-- Generated from the catalogue: UPDATE=1 cargo test -p albedo-engine --test pages -->\n\n";

/// The sections, each with its scopes.
const CHAPTERS: [(&str, &[Scope]); 6] = [
    ("The load balancer", &[Scope::GroupExclusive, Scope::GroupMergeable]),
    ("Listeners", &[Scope::Listener]),
    ("One Ingress", &[Scope::Ingress, Scope::Output]),
    ("Rules", &[Scope::Rule]),
    ("Target groups", &[Scope::TargetGroup]),
    ("Frontend network load balancer", &[Scope::NetworkLoadBalancer]),
];

/// Every annotation.
#[must_use]
pub fn annotations_page() -> String {
    let mut page = format!("# Annotations\n\n{HEAD}");
    page.push_str(&format!(
        "Keys begin with `{PREFIX}`, except where another domain is shown. Values are strings: quote numbers and booleans in YAML. \
         In lists empty items and spaces around items do no harm; in `key=value` lists a backslash takes the next character as it \
         is. Names of members in JSON may have any case. `albedo explain KEY` says the same.\n"
    ));
    for (title, scopes) in CHAPTERS {
        page.push_str(&format!("\n## {title}\n"));
        every_row().filter(|row| scopes.contains(&row.scope)).for_each(|row| annotation(row, &mut page));
    }
    attributes(&mut page);
    page.push_str("\n## TLS policies\n\nThe policies that this version knows; others are accepted with a warning.\n\n");
    page.extend(POLICIES.iter().map(|policy| format!("* `{policy}`\n")));
    page
}

fn annotation(row: &SettingRow, page: &mut String) {
    page.push_str(&format!("\n### `{}`\n\n{}\n\n| | |\n|---|---|\n", words::short_key(row), row.doc));
    for (name, value) in words::facts(row) {
        let value = match name {
            "default" => format!("`{value}`"),
            "findings" => linked(&value),
            _ => value.replace('|', "\\|").replace('<', "&lt;"),
        };
        page.push_str(&format!("| {name} | {value} |\n"));
    }
    if !row.example.is_empty() {
        let key = row.full_key() + row.example_name;
        page.push_str(&format!("\n```yaml\n{key}: {}\n```\n", words::yaml(row.example)));
    }
}

fn linked(codes: &str) -> String {
    let links = codes.split(", ").map(|code| format!("[{code}](findings.md#{})", code.to_lowercase()));
    links.collect::<Vec<_>>().join(", ")
}

fn attributes(page: &mut String) {
    page.push_str("\n## Attributes\n");
    for owner in [Owner::LoadBalancer, Owner::TargetGroup, Owner::Listener, Owner::NetworkLoadBalancer] {
        page.push_str(&format!("\n### Of {}\n\n| attribute | value |\n|---|---|\n", owner.name()));
        for attribute in owner.attributes() {
            page.push_str(&format!("| `{}` | {} |\n", attribute.key, attribute.takes));
        }
    }
}

/// Every finding code.
#[must_use]
pub fn findings_page() -> String {
    let mut page = format!("# Findings\n\n{HEAD}");
    page.push_str(
        "The codes of findings in `albedo check`, admission and the events of an Ingress. A code never changes. In the examples an \
         Ingress `web` of class `alb` leads to the Service `app`, which is of type NodePort and has port 80; `siblings` are other \
         members of its group by their annotations, `before` is what it was before an update, `subnets` are further subnets of the account. `albedo explain CODE` says the same.\n",
    );
    for (tier, title) in [
        (Tier::Static, "The object alone"),
        (Tier::Cluster, "Other objects of the cluster"),
        (Tier::Aws, "What AWS holds"),
        (Tier::Consequence, "What a change would do"),
    ] {
        page.push_str(&format!("\n## {title}\n"));
        CODES.iter().filter(|row| row.tier == tier).for_each(|row| finding(row, &mut page));
    }
    page
}

fn finding(row: &CodeRow, page: &mut String) {
    page.push_str(&format!("\n### {}\n\n**{}.** {}\n\n", row.id, capital(row.title), row.explanation));
    page.push_str(&format!(
        "* Fix: {}.\n* At admission: {}.\n* In AWS: {}.\n",
        row.fix,
        verdict(row),
        effect(row.effect)
    ));
    let keys: Vec<String> = every_row()
        .filter(|annotation| annotation.scope != Scope::Output && annotation.codes().any(|code| code == row.code))
        .map(|annotation| format!("`{}`", words::short_key(annotation)))
        .collect();
    if !keys.is_empty() {
        page.push_str(&format!("* Annotations: {}.\n", keys.join(", ")));
    }
    for (title, example) in [("Accepted", row.accepts), ("Found in", row.refuses)] {
        let written = example.replace("{p}", PREFIX);
        let written = if written == "{}" { "# a plain Ingress" } else { written.as_str() };
        page.push_str(&format!("\n{title}:\n\n```yaml\n{written}\n```\n"));
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
