//! TLS policies of HTTPS listeners.
//!
//! Source: ALB user guide, "Security policies for your Application Load Balancer"
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html>): the policies are
//! predefined, custom ones are not supported. AWS adds some every other year.

use super::parse::ParseError;
use super::similar::did_you_mean;

/// What the names of all policies begin with.
const FAMILY: &str = "ELBSecurityPolicy-";

/// The policies known to this version, the recommended ones first.
pub const POLICIES: &[&str] = &[
    "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
    "ELBSecurityPolicy-TLS13-1-3-2021-06",
    "ELBSecurityPolicy-TLS13-1-3-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-2-2021-06",
    "ELBSecurityPolicy-TLS13-1-2-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-2-Ext1-2021-06",
    "ELBSecurityPolicy-TLS13-1-2-Ext1-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-2-Ext2-2021-06",
    "ELBSecurityPolicy-TLS13-1-2-Ext2-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-1-2021-06",
    "ELBSecurityPolicy-TLS13-1-0-2021-06",
    "ELBSecurityPolicy-TLS13-1-0-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-3-FIPS-2023-04",
    "ELBSecurityPolicy-TLS13-1-3-FIPS-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-2-FIPS-2023-04",
    "ELBSecurityPolicy-TLS13-1-2-FIPS-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-2-Res-FIPS-2023-04",
    "ELBSecurityPolicy-TLS13-1-2-Res-FIPS-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-2-Ext0-FIPS-2023-04",
    "ELBSecurityPolicy-TLS13-1-2-Ext0-FIPS-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-2-Ext1-FIPS-2023-04",
    "ELBSecurityPolicy-TLS13-1-2-Ext1-FIPS-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-2-Ext2-FIPS-2023-04",
    "ELBSecurityPolicy-TLS13-1-2-Ext2-FIPS-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-3-RFC9151-FIPS-2023-07",
    "ELBSecurityPolicy-TLS13-1-2-RFC9151-FIPS-2023-07",
    "ELBSecurityPolicy-TLS13-1-2-RFC9151-INTEROP1-FIPS-2023-07",
    "ELBSecurityPolicy-TLS13-1-2-RFC9151-INTEROP2-FIPS-2023-07",
    "ELBSecurityPolicy-TLS13-1-2-RFC9151-INTEROP3-FIPS-2023-07",
    "ELBSecurityPolicy-TLS13-1-2-RFC9151-INTEROP4-FIPS-2023-07",
    "ELBSecurityPolicy-TLS13-1-1-FIPS-2023-04",
    "ELBSecurityPolicy-TLS13-1-0-FIPS-2023-04",
    "ELBSecurityPolicy-FS-1-2-Res-2020-10",
    "ELBSecurityPolicy-FS-1-2-Res-2019-08",
    "ELBSecurityPolicy-FS-1-2-2019-08",
    "ELBSecurityPolicy-FS-1-1-2019-08",
    "ELBSecurityPolicy-FS-2018-06",
    "ELBSecurityPolicy-TLS-1-2-Ext-2018-06",
    "ELBSecurityPolicy-TLS-1-2-2017-01",
    "ELBSecurityPolicy-TLS-1-1-2017-01",
    "ELBSecurityPolicy-2016-08",
    "ELBSecurityPolicy-TLS-1-0-2015-04",
    "ELBSecurityPolicy-2015-05",
];

/// A version of TLS, 1.0 to 1.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TlsVersion(u8);

impl std::fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "1.{}", self.0)
    }
}

impl TlsVersion {
    /// From `1.2`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let minor = text.strip_prefix("1.")?.parse().ok()?;
        (minor <= 3 && text.len() == 3).then_some(Self(minor))
    }

    /// The lowest version that a policy accepts, as its name says. The policies whose names say nothing accept 1.0. `None`: an unknown policy without it.
    #[must_use]
    pub fn lowest_of(policy: &str) -> Option<Self> {
        let rest = policy.strip_prefix(FAMILY)?;
        let named = ["TLS13-", "TLS-", "FS-"].iter().find_map(|start| rest.strip_prefix(start));
        let minor = named.and_then(|rest| rest.strip_prefix("1-")?.split('-').next()?.parse().ok());
        minor.filter(|minor| *minor <= 3).or_else(|| POLICIES.contains(&policy).then_some(0)).map(Self)
    }
}

/// What is wrong with a policy's name; one of the family that isn't in the list is only doubted.
#[must_use]
pub fn fault(name: &str) -> Option<ParseError> {
    if POLICIES.contains(&name) {
        return None;
    }
    if name.is_empty() {
        return Some(ParseError::new(
            "a TLS policy's name must not be empty; leave the annotation out for the default",
        ));
    }
    let near = did_you_mean(name, POLICIES.iter().copied());
    let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if name.strip_prefix(FAMILY).is_some_and(|rest| !rest.is_empty()) && is_word {
        return Some(ParseError::new(format!("TLS policy `{name}` is not known here{near}")).doubt());
    }
    let whole = format!("{FAMILY}{name}");
    let near = match POLICIES.iter().find(|policy| policy.eq_ignore_ascii_case(&whole)) {
        Some(policy) => format!("; did you mean `{policy}`?"),
        None => near,
    };
    let message =
        format!("TLS policy `{name}` can't be one: their names begin with {FAMILY}, and custom ones don't exist{near}");
    Some(ParseError::new(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lowest_versions() {
        for (name, version) in [
            ("ELBSecurityPolicy-TLS13-1-3-2021-06", Some("1.3")),
            ("ELBSecurityPolicy-TLS13-1-2-Ext2-FIPS-PQ-2025-09", Some("1.2")),
            ("ELBSecurityPolicy-TLS-1-2-2017-01", Some("1.2")),
            ("ELBSecurityPolicy-FS-1-1-2019-08", Some("1.1")),
            ("ELBSecurityPolicy-FS-2018-06", Some("1.0")),
            ("ELBSecurityPolicy-2016-08", Some("1.0")),
            ("ELBSecurityPolicy-TLS13-1-2-Later-2031-06", Some("1.2")),
            ("ELBSecurityPolicy-Later-2031-06", None),
            ("other", None),
        ] {
            assert_eq!(TlsVersion::lowest_of(name), version.and_then(TlsVersion::parse), "{name}");
        }
        for odd in ["1.4", "1.", "2.0", "1.+2", "1.02", ""] {
            assert_eq!(TlsVersion::parse(odd), None, "{odd}");
        }
        assert!(POLICIES.iter().all(|policy| TlsVersion::lowest_of(policy).is_some()));
    }

    #[test]
    fn policies() {
        for known in POLICIES {
            assert_eq!(fault(known), None);
        }
        for (name, doubt, ends) in [
            ("ELBSecurityPolicy-TLS13-1-2-2021-07", true, "did you mean `ELBSecurityPolicy-TLS13-1-2-2021-06`?"),
            ("ELBSecurityPolicy-TLS14-1-4-2031-06", true, "is not known here"),
            ("elbsecuritypolicy-2016-08", false, "did you mean `ELBSecurityPolicy-2016-08`?"),
            ("TLS13-1-2-2021-06", false, "did you mean `ELBSecurityPolicy-TLS13-1-2-2021-06`?"),
            ("TLS-1-2", false, "and custom ones don't exist"),
            ("ELBSecurityPolicy-2016-08\n", false, "did you mean `ELBSecurityPolicy-2016-08`?"),
            ("ELBSecurityPolicy-", false, "and custom ones don't exist"),
            ("", false, "leave the annotation out for the default"),
        ] {
            let error = fault(name).unwrap();
            assert_eq!(error.unfamiliar, doubt, "{name}: {error}");
            assert!(error.message.ends_with(ends), "{name}: {error}");
        }
    }
}
