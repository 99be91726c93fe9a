//! How strict admission is, and which defaults it writes.

use std::time::Duration;

use crate::finding::{Certainty, Finding, Tier};
use crate::stack::{IpAddressType, Scheme, TargetType};

/// What admission does with findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They deny.
    Enforce,
    /// They warn.
    Warn,
    /// Admission reviews nothing.
    Off,
}

impl Mode {
    /// All, as the flag has them.
    pub const ALL: [&'static str; 3] = ["enforce", "warn", "off"];

    /// As the flag has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Warn => "warn",
            Self::Off => "off",
        }
    }

    /// From the value of the flag or of the label on a namespace.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "enforce" => Some(Self::Enforce),
            "warn" => Some(Self::Warn),
            "off" => Some(Self::Off),
            _ => None,
        }
    }
}

/// The defaults that are written into Ingresses; `None`: not written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Defaults {
    /// `scheme`.
    pub scheme: Option<Scheme>,
    /// `target-type`.
    pub target_type: Option<TargetType>,
    /// `ip-address-type`.
    pub ip_address_type: Option<IpAddressType>,
}

/// How strict admission is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What admission does with findings.
    pub mode: Mode,
    /// A finding about an absent object denies, too.
    pub strict: bool,
    /// Findings on facts older than this only warn.
    pub fresh: Duration,
    /// Defaults that are written.
    pub defaults: Defaults,
}

impl Default for Policy {
    fn default() -> Self {
        Self { mode: Mode::Enforce, strict: false, fresh: Duration::from_mins(10), defaults: Defaults::default() }
    }
}

impl Policy {
    /// Whether a finding denies; otherwise it warns.
    #[must_use]
    pub fn denies(&self, finding: &Finding, acknowledged: bool) -> bool {
        let row = finding.code.row();
        let is_certain = match row.certainty {
            Certainty::Certain => true,
            Certainty::Absence => self.strict || finding.firm,
            Certainty::Advice => false,
        };
        self.mode == Mode::Enforce
            && !finding.lenient
            && match row.tier {
                Tier::Static | Tier::Cluster => is_certain,
                Tier::Aws => is_certain && finding.age.is_none_or(|age| age <= self.fresh),
                Tier::Consequence => !acknowledged && is_certain,
            }
    }
}
