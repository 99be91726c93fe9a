//! Drops rules that could never act: redirects to themselves, and what an earlier redirect covers.

use std::collections::HashMap;

use crate::stack::{Action, Condition, Patterns, Protocol, Redirect};

/// What is left of rules.
pub(super) struct Optimised<T> {
    /// The rules that are kept, in order.
    pub kept: Vec<T>,
    /// Those that are not, in order, and why.
    pub dropped: Vec<(T, Dropped)>,
}

/// Why a rule is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dropped {
    /// Its redirect leads back to itself.
    Loops,
    /// The redirect at that place of those kept takes all of its requests.
    Behind(usize),
}

/// What of a rule decides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tried<'r> {
    /// When it acts.
    pub conditions: &'r [Condition],
    /// What it does.
    pub actions: &'r [Action],
}

/// Drops what could never act; `tried` says what each does.
pub(super) fn optimise<'r, T>(
    rules: impl IntoIterator<Item = T>,
    tried: impl Fn(&T) -> Tried<'r>,
    port: u16,
    protocol: Protocol,
) -> Optimised<T> {
    let mut optimised: Optimised<T> = Optimised { kept: Vec::new(), dropped: Vec::new() };
    let mut redirects = Redirects::default();
    for one in rules {
        let rule = tried(&one);
        let own = redirect(rule);
        if own.is_some_and(|redirect| loops(rule, redirect, port, protocol)) {
            optimised.dropped.push((one, Dropped::Loops));
            continue;
        }
        let covering = |place: &usize| optimised.kept.get(*place).is_some_and(|earlier| covers(tried(earlier), rule));
        if let Some(place) = redirects.candidates(rule).find(covering) {
            optimised.dropped.push((one, Dropped::Behind(place)));
            continue;
        }
        if own.is_some() {
            redirects.push(rule, optimised.kept.len());
        }
        optimised.kept.push(one);
    }
    optimised
}

/// Places of redirects among the rules kept, ascending, by the hosts and paths that they name: who covers a rule names each
/// of its hosts, or none, and each of its paths, or all.
#[derive(Default)]
struct Redirects {
    by_host: HashMap<String, Vec<usize>>,
    of_any_host: Vec<usize>,
    by_path: HashMap<String, Vec<usize>>,
    of_any_path: Vec<usize>,
}

impl Redirects {
    /// Those that may cover a rule, ascending: looked up by the host or path that the fewest name.
    fn candidates(&self, rule: Tried<'_>) -> impl Iterator<Item = usize> + use<> {
        if self.by_host.is_empty() && self.of_any_host.is_empty() {
            return Vec::new().into_iter();
        }
        let by_host = rarest(&self.by_host, &texts(hosts(rule)));
        let by_path = rarest(&self.by_path, &texts(paths(rule)));
        let size = |named: &[usize], others: &[usize]| named.len() + others.len();
        let (named, others) = if size(by_host, &self.of_any_host) <= size(by_path, &self.of_any_path) {
            (by_host, &self.of_any_host)
        } else {
            (by_path, &self.of_any_path)
        };
        let mut places = [named, others].concat();
        places.sort_unstable();
        places.into_iter()
    }

    fn push(&mut self, rule: Tried<'_>, place: usize) {
        let (hosts, paths) = (texts(hosts(rule)), texts(paths(rule)));
        for host in &hosts {
            self.by_host.entry((*host).clone()).or_default().push(place);
        }
        if hosts.is_empty() {
            self.of_any_host.push(place);
        }
        let all = paths.is_empty() || paths.iter().any(|path| path.as_str() == ALL);
        for path in paths {
            self.by_path.entry(path.clone()).or_default().push(place);
        }
        if all {
            self.of_any_path.push(place);
        }
    }
}

/// The shortest list under one of some texts; nothing without any.
fn rarest<'p>(places: &'p HashMap<String, Vec<usize>>, texts: &[&String]) -> &'p [usize] {
    let lists = texts.iter().map(|text| places.get(*text).map(Vec::as_slice).unwrap_or_default());
    lists.min_by_key(|list| list.len()).unwrap_or_default()
}

/// The path that takes all paths.
const ALL: &str = "/*";

fn redirect(rule: Tried<'_>) -> Option<&Redirect> {
    rule.actions.iter().find_map(|action| match action {
        Action::Redirect(redirect) => Some(redirect),
        _ => None,
    })
}

/// Whether a redirect leads back to the rule that it came from.
fn loops(rule: Tried<'_>, redirect: &Redirect, port: u16, protocol: Protocol) -> bool {
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
fn covers(earlier: Tried<'_>, later: Tried<'_>) -> bool {
    let plain = |c: &Condition| matches!(c, Condition::HostHeader(_) | Condition::PathPattern(_));
    if !earlier.conditions.iter().all(plain) {
        return false;
    }
    let among = |wide: Option<&Patterns>, narrow: Option<&Patterns>| {
        let (wide, narrow) = (texts(wide), texts(narrow));
        wide.is_empty() || !narrow.is_empty() && narrow.iter().all(|text| wide.contains(text))
    };
    let all_paths = texts(paths(earlier)).iter().any(|path| path.as_str() == ALL);
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

fn hosts(rule: Tried<'_>) -> Option<&Patterns> {
    rule.conditions.iter().find_map(|condition| match condition {
        Condition::HostHeader(patterns) => Some(patterns),
        _ => None,
    })
}

fn paths(rule: Tried<'_>) -> Option<&Patterns> {
    rule.conditions.iter().find_map(|condition| match condition {
        Condition::PathPattern(patterns) => Some(patterns),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stack::FixedResponse;

    #[derive(Debug, Clone)]
    struct Rule {
        conditions: Vec<Condition>,
        actions: Vec<Action>,
    }

    fn tried(rule: &Rule) -> Tried<'_> {
        Tried { conditions: &rule.conditions, actions: &rule.actions }
    }

    /// What the table replaces: every rule against every redirect before it.
    fn one_by_one(rules: Vec<(usize, Rule)>) -> Vec<usize> {
        let mut kept: Vec<(usize, Rule)> = Vec::new();
        for (origin, rule) in rules {
            let own = tried(&rule);
            let looping = redirect(own).is_some_and(|redirect| loops(own, redirect, 80, Protocol::Http));
            let mut earlier = kept.iter().map(|(_, earlier)| tried(earlier));
            let behind = earlier.any(|earlier| redirect(earlier).is_some() && covers(earlier, own));
            if !looping && !behind {
                kept.push((origin, rule));
            }
        }
        kept.into_iter().map(|(origin, _)| origin).collect()
    }

    fn some(words: &'static [&'static str]) -> impl Strategy<Value = Patterns> {
        prop::collection::vec(prop::sample::select(words), 0..3).prop_map(|values| Patterns {
            values: values.into_iter().map(str::to_owned).collect(),
            regex_values: Vec::new(),
        })
    }

    prop_compose! {
        fn any_rule()(
            hosts in some(&["a", "b", "c"]),
            paths in some(&["/*", "/a", "/b", "/c"]),
            host in prop::option::of(prop::sample::select(vec!["a", "z", "#{host}"])),
            redirects in prop::bool::weighted(0.6),
            method in prop::bool::weighted(0.2),
        ) -> Rule {
            let mut conditions = Vec::new();
            if !hosts.values.is_empty() {
                conditions.push(Condition::HostHeader(hosts));
            }
            if !paths.values.is_empty() {
                conditions.push(Condition::PathPattern(paths));
            }
            if method {
                conditions.push(Condition::HttpRequestMethod { values: vec!["GET".to_owned()] });
            }
            let action = if redirects {
                Action::Redirect(Redirect {
                    host: host.map(str::to_owned), path: None, port: None, protocol: None, query: None,
                    status_code: "HTTP_301".to_owned(),
                })
            } else {
                Action::FixedResponse(FixedResponse { content_type: None, message_body: None, status_code: "200".to_owned() })
            };
            Rule { conditions, actions: vec![action] }
        }
    }

    proptest! {
        #[test]
        fn the_table_finds_what_looking_at_each_finds(rules in prop::collection::vec(any_rule(), 0..12)) {
            let rules: Vec<(usize, Rule)> = rules.into_iter().enumerate().collect();
            let optimised = optimise(&rules, |(_, rule)| tried(rule), 80, Protocol::Http);
            let kept: Vec<usize> = optimised.kept.iter().map(|(origin, _)| *origin).collect();
            prop_assert_eq!(&kept, &one_by_one(rules.clone()));
            for ((origin, _), why) in &optimised.dropped {
                let own = tried(&rules[*origin].1);
                match why {
                    Dropped::Loops => prop_assert!(loops(own, redirect(own).unwrap(), 80, Protocol::Http)),
                    Dropped::Behind(place) => prop_assert!(covers(tried(&optimised.kept[*place].1), own)),
                }
            }
            prop_assert_eq!(kept.len() + optimised.dropped.len(), rules.len());
        }
    }
}
