//! Files of facts: what can be read is used without a panic, what cannot is told with its place.

use albedo_chance::Chance;
use albedo_engine::admit::{Context, Policy};
use albedo_engine::check::{Look, check};
use albedo_engine::facts::Facts;
use albedo_engine::settings::Settings;

use crate::account;
use crate::manifests::read;
use crate::{OF_FILES, Target, edits, runs};

const TARGET: Target = Target { name: "facts", few: 500, stack: OF_FILES };

/// As the command line reads them.
fn facts(file: &[u8]) -> Option<Facts> {
    let text = std::str::from_utf8(file).ok()?;
    let mut document = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut document).map_err(|error| assert!(!error.to_string().is_empty())).ok()
}

#[test]
fn facts_of_files() {
    let whole = serde_json::to_value(account::facts()).expect("JSON");
    let objects = account::objects();
    let (settings, policy) = (Settings::new(""), Policy::default());
    runs(&TARGET, |chance: &mut Chance| {
        let mut value = whole.clone();
        for _ in 0..=chance.below(4) {
            edits::value(&mut value, chance);
        }
        let mut file = serde_json::to_vec(&value).expect("JSON");
        if chance.one_in(5) {
            edits::bytes(&mut file, chance);
        }
        let Some(facts) = facts(&file) else { return };
        let manifest = chance.pick(&objects).0.to_string();
        let manifests = read(&[("in.json", manifest.as_bytes())]);
        let now = account::now();
        let context = Context { world: &manifests.world, facts: &facts, settings: &settings, policy: &policy, now };
        let report = check(&manifests, context, chance.one_in(2));
        assert!(report.text(Look::Plain).ends_with(&(report.summary() + "\n")));
        serde_json::from_str::<serde_json::Value>(&report.json()).expect("JSON");
    });
}

#[test]
fn unedited_facts_are_read() {
    let whole = serde_json::to_vec(&account::facts()).expect("JSON");
    assert_eq!(facts(&whole), Some(account::facts()));
}
