//! Pairs of rule sets: an edit of what is there, as people make them.

use std::collections::BTreeMap;

use albedo_engine::plan::{self, Input, Misroute, Plan};
use albedo_engine::stack::{
    Action, AddressPools, Condition, Desired, FixedResponse, Forward, GroupId, IpAddressType, Listener, LoadBalancer,
    LoadBalancerKind, Patterns, Protocol, QueryPair, Redirect, Ref, Rule, RuleTags, Scheme, Tags, TargetGroupTuple,
};

/// A way from one rule set to another.
pub struct Pair {
    pub seed: u64,
    pub before: Listener,
    pub after: Listener,
    /// The quota leaves no room for more rules than the larger of both has.
    pub tight: bool,
}

/// The generator of Steele, Lea and Flood's `SplitMix64`.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(limit.max(1)).unwrap_or(1)).unwrap_or(0)
    }

    pub fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

const HOSTS: [&str; 6] = ["a.ex.io", "b.ex.io", "*.ex.io", "?.ex.io", "*", "A.ex.io"];
const PATHS: [&str; 9] = ["/*", "/", "/a", "/a/*", "/a*", "/a/b", "/*/b", "/b/*", "/?"];

impl Pair {
    /// Up to twelve rules.
    pub fn of(seed: u64) -> Self {
        Self::with(seed, 12)
    }

    /// Up to six rules.
    pub fn small(seed: u64) -> Self {
        Self::with(seed ^ 0x5ca1_ab1e_0000_0000, 6)
    }

    fn with(seed: u64, most: usize) -> Self {
        let mut dice = Dice::new(seed);
        // Each pair has a few hosts and paths, so that its rules get into each other's way.
        let hosts: Vec<&str> = (0..=dice.below(3)).map(|_| *dice.one(&HOSTS)).collect();
        let paths: Vec<&str> = (0..=dice.below(4)).map(|_| *dice.one(&PATHS)).collect();
        let size = dice.below(most + 1);
        let before: Vec<Rule> = (0..size).map(|_| rule(&mut dice, &hosts, &paths)).collect();
        let mut after = before.clone();
        for _ in 0..=dice.below(4) {
            edit(&mut dice, &mut after, &hosts, &paths);
        }
        after.truncate(most);
        let default = fixed("404");
        let moved = dice.below(8) == 0;
        let new_default = if moved { action(&mut dice) } else { default.clone() };
        Self { seed, before: listener(before, default), after: listener(after, new_default), tight: dice.below(4) == 0 }
    }

    pub fn room(&self) -> usize {
        if self.tight { self.before.rules.len().max(self.after.rules.len()) } else { usize::MAX }
    }

    pub fn plan(&self) -> Plan {
        self.with_input(plan::plan)
    }

    pub fn plan_slowly(&self) -> Plan {
        self.with_input(|input| plan::order_slowly(plan::diff(input), input))
    }

    pub fn check(&self, plan: &Plan) -> Vec<Misroute> {
        self.with_input(|input| plan::check(plan, input))
    }

    fn with_input<T>(&self, make: impl FnOnce(Input<'_>) -> T) -> T {
        let (observed, bindings) = plan::as_observed(&desired([self.before.clone()]));
        make(Input {
            desired: &desired([self.after.clone()]),
            observed: &observed,
            bindings: &bindings,
            cluster: "c",
            external_tags: &[],
            default_tags: &Tags::new(),
            rule_quota: if self.tight { 0 } else { 1000 },
            targets: None,
        })
    }

    pub fn describe(&self, plan: &Plan) -> String {
        let lines = |listener: &Listener| {
            let rules: Vec<String> = listener.rules.iter().map(|one| format!("  {one}")).collect();
            format!("{}\n  otherwise {:?}", rules.join("\n"), listener.default_actions)
        };
        format!(
            "before\n{}\nafter\n{}\ntight {}\n{}",
            lines(&self.before),
            lines(&self.after),
            self.tight,
            plan::show(plan)
        )
    }
}

/// What a rule matches, its hosts in lower case: to AWS their case means nothing, and no call changes it.
pub fn folded(rule: &Rule) -> Vec<Condition> {
    let fold = |condition: &Condition| match condition {
        Condition::HostHeader(Patterns { values, regex_values }) => Condition::HostHeader(Patterns {
            values: values.iter().map(|host| host.to_lowercase()).collect(),
            regex_values: regex_values.clone(),
        }),
        other => other.clone(),
    };
    rule.conditions.iter().map(fold).collect()
}

/// What should be when these listen.
pub fn desired(listeners: impl IntoIterator<Item = Listener>) -> Desired {
    let load_balancer = LoadBalancer {
        kind: LoadBalancerKind::Application,
        allocation_ids: BTreeMap::new(),
        name: "lb".to_owned(),
        scheme: Scheme::Internal,
        ip_address_type: IpAddressType::Ipv4,
        subnets: Vec::new(),
        security_groups: Vec::new(),
        pools: AddressPools::default(),
        attributes: BTreeMap::new(),
        tags: Tags::new(),
    };
    Desired {
        load_balancer: Some(load_balancer),
        listeners: listeners.into_iter().map(|listener| (listener.port, listener)).collect(),
        ..Desired::empty(GroupId::Explicit("g".to_owned()))
    }
}

fn listener(mut rules: Vec<Rule>, default: Action) -> Listener {
    for (rule, priority) in rules.iter_mut().zip(1..) {
        rule.priority = priority;
    }
    Listener {
        port: 80,
        protocol: Protocol::Http,
        default_actions: vec![default],
        certificates: Vec::new(),
        ssl_policy: None,
        mutual_authentication: None,
        attributes: BTreeMap::new(),
        tags: Tags::new(),
        rules,
    }
}

fn edit(dice: &mut Dice, rules: &mut Vec<Rule>, hosts: &[&str], paths: &[&str]) {
    let place = dice.below(rules.len().max(1));
    match dice.below(7) {
        0 | 1 => {
            let new = rule(dice, hosts, paths);
            rules.insert(dice.below(rules.len() + 1), new);
        }
        2 if !rules.is_empty() => drop(rules.remove(place)),
        3 if !rules.is_empty() => rules[place].actions = [action(dice)].into(),
        4 if !rules.is_empty() => rules[place].conditions = rule(dice, hosts, paths).conditions,
        5 if !rules.is_empty() => {
            let other = dice.below(rules.len());
            rules.swap(place, other);
        }
        6 if !rules.is_empty() => {
            let moved = rules.remove(place);
            rules.insert(dice.below(rules.len() + 1), moved);
        }
        _ => rules.push(rule(dice, hosts, paths)),
    }
}

fn rule(dice: &mut Dice, hosts: &[&str], paths: &[&str]) -> Rule {
    let mut conditions = Vec::new();
    if dice.below(5) > 0 {
        conditions.push(Condition::HostHeader(patterns(&[*dice.one(hosts)])));
    }
    let path = *dice.one(paths);
    let prefix = format!("{path}/*");
    let two = !path.contains(['*', '?']) && path.len() > 1 && dice.below(2) == 0;
    conditions.push(Condition::PathPattern(if two { patterns(&[path, &prefix]) } else { patterns(&[path]) }));
    match dice.below(12) {
        0 => conditions.push(Condition::HttpRequestMethod { values: vec![(*dice.one(&["GET", "POST"])).to_owned()] }),
        1 => conditions.push(Condition::HttpHeader {
            name: "x-v".to_owned(),
            patterns: patterns(&[*dice.one(&["1", "?", "2*"])]),
        }),
        2 => conditions.push(Condition::QueryString {
            values: vec![QueryPair { key: Some("k".to_owned()), value: (*dice.one(&["1", "*"])).to_owned() }],
        }),
        3 => conditions
            .push(Condition::SourceIp { values: vec![(*dice.one(&["10.0.0.0/8", "10.1.0.0/16", "::/0"])).to_owned()] }),
        _ => {}
    }
    Rule {
        priority: 0,
        conditions: conditions.into(),
        actions: [action(dice)].into(),
        transforms: [].into(),
        tags: RuleTags::default(),
    }
}

fn patterns(values: &[&str]) -> Patterns {
    Patterns { values: values.iter().map(|value| (*value).to_owned()).collect(), regex_values: Vec::new() }
}

fn fixed(status: &str) -> Action {
    Action::FixedResponse(FixedResponse { content_type: None, message_body: None, status_code: status.to_owned() })
}

fn action(dice: &mut Dice) -> Action {
    match dice.below(8) {
        0 => fixed("503"),
        1 => Action::Redirect(Redirect {
            host: None,
            path: None,
            port: Some("443".to_owned()),
            protocol: Some("HTTPS".to_owned()),
            query: None,
            status_code: "HTTP_301".to_owned(),
        }),
        other => Action::Forward(Forward {
            target_groups: vec![TargetGroupTuple {
                target_group: Ref::Known(format!("tg-{}", other % 4)),
                weight: None,
            }],
            stickiness: None,
        }),
    }
}
