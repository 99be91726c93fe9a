//! Drops rules that could never act: redirects to themselves, and what an earlier redirect covers.

use crate::stack::{Action, Condition, Patterns, Protocol, Redirect, Rule};

/// The rules that are kept, in order.
pub(super) fn optimise<T>(rules: Vec<(T, Rule)>, port: u16, protocol: Protocol) -> Vec<(T, Rule)> {
    let mut kept: Vec<(T, Rule)> = Vec::new();
    for (origin, rule) in rules {
        let looping = redirect(&rule).is_some_and(|redirect| loops(&rule, redirect, port, protocol));
        let shadowed = kept.iter().any(|(_, earlier)| redirect(earlier).is_some() && covers(earlier, &rule));
        if !looping && !shadowed {
            kept.push((origin, rule));
        }
    }
    kept
}

fn redirect(rule: &Rule) -> Option<&Redirect> {
    rule.actions.iter().find_map(|action| match action {
        Action::Redirect(redirect) => Some(redirect),
        _ => None,
    })
}

/// Whether a redirect leads back to the rule that it came from.
fn loops(rule: &Rule, redirect: &Redirect, port: u16, protocol: Protocol) -> bool {
    let (hosts, paths) = (hosts(rule), paths(rule));
    if paths.is_some_and(|paths| !paths.regex_values.is_empty()) {
        return false;
    }
    let among = |patterns: Option<&Patterns>, text: &String| patterns.is_some_and(|p| p.values.contains(text));
    let same = |field: &Option<String>, keep: &str, matches: &dyn Fn(&String) -> bool| {
        field.as_ref().is_none_or(|text| text == keep || matches(text))
    };
    same(&redirect.host, "#{host}", &|host| among(hosts, host))
        && same(&redirect.path, "/#{path}", &|path| among(paths, path))
        && same(&redirect.port, "#{port}", &|text| *text == port.to_string())
        && same(&redirect.protocol, "#{protocol}", &|text| text == protocol.as_str())
        && same(&redirect.query, "#{query}", &|_| false)
}

/// Whether everything that the later rule matches, the earlier one matches too, as far as exact comparison tells.
fn covers(earlier: &Rule, later: &Rule) -> bool {
    let plain = |c: &Condition| matches!(c, Condition::HostHeader(_) | Condition::PathPattern(_));
    if !earlier.conditions.iter().all(plain) {
        return false;
    }
    let among = |wide: Option<&Patterns>, narrow: Option<&Patterns>| {
        let (wide, narrow) = (texts(wide), texts(narrow));
        wide.is_empty() || !narrow.is_empty() && narrow.iter().all(|text| wide.contains(text))
    };
    let all_paths = texts(paths(earlier)).iter().any(|path| path.as_str() == "/*");
    among(hosts(earlier), hosts(later)) && (all_paths || among(paths(earlier), paths(later)))
}

fn texts(patterns: Option<&Patterns>) -> Vec<&String> {
    let Some(patterns) = patterns else { return Vec::new() };
    if patterns.regex_values.is_empty() {
        patterns.values.iter().collect()
    } else {
        patterns.regex_values.iter().collect()
    }
}

fn hosts(rule: &Rule) -> Option<&Patterns> {
    rule.conditions.iter().find_map(|condition| match condition {
        Condition::HostHeader(patterns) => Some(patterns),
        _ => None,
    })
}

fn paths(rule: &Rule) -> Option<&Patterns> {
    rule.conditions.iter().find_map(|condition| match condition {
        Condition::PathPattern(patterns) => Some(patterns),
        _ => None,
    })
}
