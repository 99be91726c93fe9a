//! The predecessor, the AWS Load Balancer Controller (LBC): its flags and feature gates, and what each of them does in Albedo.
//!
//! This is the one table of them: `albedo run` accepts LBC's arguments by it, `albedo preflight` translates those of a running LBC, and
//! `docs/lbc-flags.md` is its page. Source of names and defaults: LBC's own flags from version 2.0 to 3.5,
//! <https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/deploy/configurations/>.

mod arguments;
mod page;
mod table;

use crate::settings::Gate;

pub use arguments::{Argument, Translated, Translation, arguments, translate};
pub use page::page;
pub use table::{FLAGS, GATES};

/// The flag with the feature gates.
pub const FEATURE_GATES: &str = "feature-gates";

/// A flag or a feature gate of LBC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LbcRow {
    /// The name: of a flag without `--`, of a gate as in `--feature-gates`.
    pub name: &'static str,
    /// LBC's default; empty: none.
    pub default: &'static str,
    /// Whether the value is `true` or `false`, and a flag without a value means `true`.
    pub is_bool: bool,
    /// What Albedo does with it.
    pub here: Here,
    /// What a user has to know, a sentence or a part of one; empty: nothing.
    pub note: &'static str,
}

/// What Albedo does with a flag or a gate of LBC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Here {
    /// Albedo has it, with the same meaning and default.
    Same,
    /// Albedo has it with the same meaning, and this is its default.
    OtherDefault(&'static str),
    /// Albedo does not have it, and always behaves as LBC does with this value.
    Always(&'static str),
    /// Albedo does not have it, and it changes nothing of what Albedo does.
    NoEffect,
}

/// What becomes of one value of a flag or a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The same behaviour.
    Same,
    /// The flag is not set, and Albedo's default differs.
    OtherDefault,
    /// Accepted, and without effect on what Albedo does.
    Ignored,
    /// Accepted, and Albedo does not do what it asks for.
    NotSupported,
}

impl Verdict {
    /// The verdict in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::OtherDefault => "other default",
            Self::Ignored => "ignored",
            Self::NotSupported => "not supported",
        }
    }
}

impl LbcRow {
    /// What becomes of a value; `None`: LBC's arguments do not set it.
    #[must_use]
    pub fn verdict(&self, value: Option<&str>) -> Verdict {
        let is = |other: &str| means(value.unwrap_or(self.default), self.is_bool) == means(other, self.is_bool);
        match self.here {
            Here::Same => Verdict::Same,
            Here::OtherDefault(_) if value.is_some() => Verdict::Same,
            Here::OtherDefault(_) => Verdict::OtherDefault,
            Here::Always(fixed) if is(fixed) => Verdict::Same,
            Here::Always(_) => Verdict::NotSupported,
            Here::NoEffect => Verdict::Ignored,
        }
    }

    /// Whether `albedo run` has a flag, or a gate, of this name. It may have a gate only to know that it is open.
    #[must_use]
    pub fn is_passed_on(&self) -> bool {
        matches!(self.here, Here::Same | Here::OtherDefault(_)) || Gate::ALL.iter().any(|gate| gate.name() == self.name)
    }

    /// What `albedo run` says of a value that it does not pass on: the verdict, and the reason.
    #[must_use]
    pub fn told(&self, value: Option<&str>) -> String {
        let fixed = match (self.verdict(value), self.here) {
            (Verdict::Same, Here::Always(_)) => "is not needed".to_owned(),
            (verdict, _) => format!("is {}", verdict.words()),
        };
        if self.note.is_empty() { fixed } else { format!("{fixed}: {}", self.note) }
    }
}

/// The flag of that name, without `--`.
#[must_use]
pub fn flag(name: &str) -> Option<&'static LbcRow> {
    FLAGS.iter().find(|row| row.name == name)
}

/// The feature gate of that name.
#[must_use]
pub fn gate(name: &str) -> Option<&'static LbcRow> {
    GATES.iter().find(|row| row.name == name)
}

/// A bool in the words that LBC accepts, which are Go's: <https://pkg.go.dev/strconv#ParseBool>.
#[must_use]
pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// A value in a form that can be compared: a bool and a duration have several spellings.
fn means(value: &str, is_bool: bool) -> String {
    if let Some(value) = boolean(value).filter(|_| is_bool) {
        return value.to_string();
    }
    let duration: Option<jiff::SignedDuration> = value.parse().ok();
    duration.map_or_else(|| value.to_owned(), |duration| format!("{}s", duration.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_becomes_of_a_value() {
        let row = |name| flag(name).or_else(|| gate(name)).expect(name);
        for (name, value, verdict) in [
            ("default-target-type", Some("ip"), Verdict::Same),
            ("aws-max-retries", None, Verdict::OtherDefault),
            ("aws-max-retries", Some("10"), Verdict::Same),
            ("enable-endpoint-slices", Some("True"), Verdict::Same),
            ("enable-endpoint-slices", Some("false"), Verdict::NotSupported),
            ("enable-pod-readiness-gate-inject", None, Verdict::Same),
            ("ALBGatewayAPI", None, Verdict::NotSupported),
            ("ALBGatewayAPI", Some("f"), Verdict::Same),
            ("service-max-concurrent-reconciles", Some("10"), Verdict::Ignored),
            ("EnableCertificateManagement", Some("true"), Verdict::NotSupported),
        ] {
            assert_eq!(row(name).verdict(value), verdict, "{name}={value:?}");
        }
        assert_eq!(means("10h", false), means("10h0m0s", false));
        assert_ne!(means("10h", false), means("10m", false));
        assert_ne!(means("1", false), means("true", false));
    }

    #[test]
    fn the_gates_of_both_agree() {
        for gate in Gate::ALL {
            let row = super::gate(gate.name()).expect("each gate has a row");
            assert_eq!(row.default, gate.default().to_string(), "{}", row.name);
        }
        for row in GATES.iter().filter(|row| row.is_passed_on()) {
            assert!(Gate::ALL.iter().any(|gate| gate.name() == row.name), "albedo has no gate {}", row.name);
        }
    }

    #[test]
    fn names_are_unique_and_what_differs_has_a_reason() {
        for table in [FLAGS, GATES] {
            for (at, row) in table.iter().enumerate() {
                assert!(table[at + 1..].iter().all(|other| other.name != row.name), "{} twice", row.name);
                assert!(row.here == Here::Same || !row.note.is_empty(), "{} has no note", row.name);
                assert!(!row.is_bool || ["true", "false"].contains(&row.default), "{}: {}", row.name, row.default);
            }
        }
    }
}
