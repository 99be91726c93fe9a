//! The kinds of requests are all there are: whatever a request matches, one of them matches the same.

use std::collections::BTreeMap;

use albedo_engine::stack::{Condition, Listener, Rule};
use albedo_engine::traffic::{Request, Set, answer, classes};

use crate::generate::{Dice, Pair};

fn matched(pair: &Pair, rules: &[&Rule], request: &Request) -> Set {
    let mut set = Set::none(rules.len());
    for (place, rule) in rules.iter().enumerate() {
        let alone = Listener { rules: vec![(*rule).clone()], ..pair.before.clone() };
        let listeners = BTreeMap::from([(80, alone)]);
        if answer(&listeners, request).is_some_and(|answer| answer.rule.is_some()) {
            set.insert(place);
        }
    }
    set
}

fn request(dice: &mut Dice) -> Request {
    let host = *dice.one(&["a.ex.io", "B.ex.io", "cc.ex.io", "", "ex.io", "a.b.ex.io", "z"]);
    let path = *dice.one(&["/", "/a", "/a/", "/ab", "/a/b", "/b/", "/b/c", "/x/b", "/xyz", "/b", "/A", "/a/b/c"]);
    let query = *dice.one(&["", "?k=1", "?k=2", "?k=2&k=1", "?j=1", "?k"]);
    let mut request = Request::get(80, host, &format!("{path}{query}"));
    (*dice.one(&["GET", "POST", "PUT"])).clone_into(&mut request.method);
    for _ in 0..dice.below(3) {
        request.headers.push(("X-V".to_owned(), (*dice.one(&["1", "2", "22", "333", ""])).to_owned()));
    }
    let address = *dice.one(&["10.1.2.3", "10.200.0.1", "192.0.2.1", "2001:db8::1"]);
    request.source_ip = Some(address.parse().expect("an address"));
    request
}

#[test]
fn whatever_a_request_matches_one_of_the_kinds_matches_too() {
    for seed in 0..300 {
        let pair = Pair::of(seed);
        let rules: Vec<&Rule> = pair.before.rules.iter().chain(&pair.after.rules).collect();
        let conditions: Vec<&[Condition]> = rules.iter().map(|rule| &*rule.conditions).collect();
        let kinds = classes(80, &conditions);
        assert!(kinds.complete);
        for class in &kinds.all {
            let mut example = class.example.clone();
            // No rule asks where it comes from: any address will do.
            example.source_ip = example.source_ip.or_else(|| "192.0.2.1".parse().ok());
            assert_eq!(matched(&pair, &rules, &example), class.matches, "seed {seed}: {example}");
        }
        let mut dice = Dice::new(seed);
        for _ in 0..40 {
            let request = request(&mut dice);
            let set = matched(&pair, &rules, &request);
            assert!(kinds.all.iter().any(|class| class.matches == set), "seed {seed}: {request} is of no kind");
        }
    }
}
