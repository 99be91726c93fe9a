//! LBC's flags and gates: the table of the engine against the flags that `albedo run` has.

use clap::CommandFactory as _;

use super::*;

fn read(words: &[&str]) -> Run {
    let words = ["run", "--cluster-name=x"].iter().chain(words).map(Into::into).collect();
    Arguments::try_parse_from(without_foreign(words)).expect("arguments").run
}

/// The table is about the flags that `albedo run` has, and about no others.
#[test]
fn the_table_of_lbcs_flags_is_true() {
    let command = Arguments::command();
    for row in lbc::FLAGS {
        let flag = command.get_arguments().find(|flag| flag.get_long() == Some(row.name));
        assert_eq!(flag.is_some(), row.is_passed_on(), "--{}", row.name);
        let Some(flag) = flag else { continue };
        let default: Vec<_> = flag.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let expected = match row.here {
            lbc::Here::OtherDefault(default) => default,
            _ => row.default,
        };
        assert_eq!(default.join(","), expected, "--{}", row.name);
        assert_eq!(flag.get_num_args().is_some_and(|count| count.min_values() == 0), row.is_bool, "--{}", row.name);
    }
}

/// As with Go's flags, which LBC has.
#[test]
fn of_a_flag_that_is_given_twice_the_last_one_counts() {
    let run = read(&["--sync-period=1h", "--enable-waf=true", "--sync-period=2h", "--enable-waf=false"]);
    assert_eq!(run.sync_period, read(&["--sync-period=2h"]).sync_period);
    assert!(!run.enable_waf);
}

#[test]
fn every_flag_and_gate_of_lbc_starts_albedo() {
    let sample = |row: &lbc::LbcRow| match (row.name, row.default) {
        ("cluster-name" | lbc::FEATURE_GATES, _) => None,
        (name @ ("service-target-eni-security-group-tags" | "required-secrets-label"), _) => {
            Some(format!("--{name}=a=b"))
        }
        (name @ ("kubeconfig" | "kube-ca-pem-filepath"), _) => Some(format!("--{name}=/x")),
        (name, "") => Some(format!("--{name}=")),
        (name, default) => Some(format!("--{name}={default}")),
    };
    let flags: Vec<String> = lbc::FLAGS.iter().filter_map(sample).collect();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    read(&flags).settings().expect("settings");
    for row in lbc::GATES {
        for value in ["true", "false"] {
            let run = read(&[&format!("--feature-gates={}={value}", row.name)]);
            let settings = run.settings().expect(row.name);
            assert_eq!(settings.gates.contains_key(row.name), row.is_passed_on(), "{}", row.name);
        }
    }
}

#[test]
fn a_flag_that_albedo_lacks_goes_with_its_value() {
    let run =
        read(&["--load-balancer-class", "x", "--enable-endpoint-slices", "--sync-period", "2h", "--enable-waf=F"]);
    assert!(!run.enable_waf);
    assert_eq!(run.sync_period, Duration::from_hours(2));
}
