//! Which build of Albedo this is, for `albedo --version` and metrics.
//!
//! The commit is not read from git here: every commit would compile this crate anew. `make release`, which `make image` uses, and
//! the Dockerfile give it as environment variables of the compiler.

/// Version of the package, as in Cargo.toml.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit, 40 hex digits, with `-dirty` if it was built with changes that are not committed; `unknown` if the build was not told.
pub const COMMIT: &str = or_unknown(option_env!("ALBEDO_COMMIT"));

/// Date of the commit in UTC, `YYYY-MM-DD`; `unknown` if the build was not told. It is never the time of the build, so that a
/// second build makes the same bytes (<https://reproducible-builds.org/docs/source-date-epoch/>).
pub const COMMIT_DATE: &str = or_unknown(option_env!("ALBEDO_COMMIT_DATE"));

const fn or_unknown(given: Option<&'static str>) -> &'static str {
    match given {
        Some(value) if !value.is_empty() => value,
        _ => "unknown",
    }
}

/// What `albedo --version` prints after the name.
pub fn line() -> String {
    format!("{VERSION} (commit {COMMIT}, {COMMIT_DATE})")
}

#[cfg(test)]
mod tests {
    use super::or_unknown;

    #[test]
    fn what_the_build_was_not_told_is_unknown() {
        assert_eq!([Some("c0ffee"), Some(""), None].map(or_unknown), ["c0ffee", "unknown", "unknown"]);
    }
}
