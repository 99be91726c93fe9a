//! The integration tests: real kubectl, API server and cert-manager, an AWS emulator, and `albedo run` as a process for each test.
//!
//! One test environment serves the whole run; each test has a namespace, an AWS region and an Albedo of its own, so tests run side by
//! side. `cargo test --workspace --test it -- FILTER --test-threads N`; UPDATE=1 rewrites the golden texts.
#![expect(clippy::print_stderr, reason = "for whoever reads a failed run")]
#![expect(clippy::indexing_slicing, reason = "a panic is what a test has for a fault")]
#![expect(clippy::similar_names, clippy::type_complexity, reason = "tables of cases")]

mod absence;
mod addons;
mod admission;
mod adoption;
mod api_server;
mod aws_troubles;
mod back;
mod base;
mod beside;
mod bindings;
mod certificates;
mod churn;
mod cli;
mod crash;
mod credentials;
mod drift;
mod emulator;
mod explain;
mod faults;
mod fixture;
mod frontend_nlb;
mod gates;
mod golden;
mod groups;
mod image;
mod install;
mod knowledge;
mod kube_troubles;
mod leaving;
mod ledger;
mod lifecycle;
mod liveness;
mod load;
mod metrics;
mod names;
mod net;
mod objects;
mod older;
mod permissions;
mod preflight;
mod protection;
mod replicas;
mod rights;
mod roles;
mod rollout;
mod rollouts;
mod service;
mod serving;
mod settles;
mod story;
mod throttles;
mod tls;
mod traffic;
mod troubles;
mod upkeep;
mod verdicts;
mod verify;
mod walk;
mod weather;
mod wire;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use libtest_mimic::{Arguments, Failed, Trial};

use admission::{cases, codes, defaults, dependents, platform, policy, renderings};
use base::{Base, Lazy};

type Test = fn(Arc<Base>) -> LocalBoxFuture<'static, Result<()>>;

/// Each holds an API server, an emulator and some Albedos busy; more at a time makes them slower, not the run faster.
const AT_ONCE: usize = 4;

macro_rules! tests {
    ($($topic:ident :: $test:ident,)+) => {
        &[$((concat!(stringify!($topic), "::", stringify!($test)), |base| $topic::$test(base).boxed_local()),)+]
    };
}

const TESTS: &[(&str, Test)] = tests![
    addons::what_is_attached_stays_until_it_is_asked_away,
    addons::a_web_acl_has_to_exist,
    addons::facts_are_a_file,
    cases::mistakes_are_named,
    cases::all_mistakes_at_once,
    cases::siblings_must_agree,
    cases::a_replacement_has_to_be_meant,
    defaults::defaults_are_written_once,
    defaults::applying_again_changes_nothing,
    defaults::a_default_can_be_taken_over,
    defaults::a_dry_run_shows_the_plan,
    defaults::what_parameters_enforce_is_not_written,
    dependents::who_breaks_an_ingress_is_told,
    dependents::parameters_that_break_ingresses_are_refused,
    platform::defaults_are_layers,
    platform::policies_refuse,
    policy::warn_warns_and_off_is_silent,
    policy::a_namespace_can_have_its_own_mode,
    policy::strict_refuses_what_is_absent,
    policy::old_faults_do_not_block,
    policy::others_are_left_alone,
    policy::odd_shapes_are_answered,
    policy::while_albedo_is_down,
    api_server::it_says_what_the_table_says,
    net::the_policy_refuses_nothing_that_admission_admits,
    renderings::refusals_read_well,
    codes::every_code_through_kubectl,
    codes::what_kubectl_prints,
    verdicts::what_is_admitted_is_taken,
    lifecycle::an_ingress_becomes_a_load_balancer,
    lifecycle::edits_write_only_what_they_must,
    lifecycle::pods_come_and_go,
    lifecycle::deletion_leaves_nothing,
    lifecycle::a_restart_writes_nothing,
    adoption::a_cluster_is_taken_over,
    adoption::a_second_cluster_is_taken_over,
    adoption::an_adopted_ingress_is_edited,
    preflight::a_cluster_is_looked_at_switched_and_switched_back,
    preflight::whoever_may_read_little_is_told_so,
    older::what_older_versions_left_is_brought_up_to_date,
    bindings::other_peoples_targets_stay,
    bindings::a_short_binding_is_enough_and_may_be_moved,
    bindings::one_bad_target_keeps_nobody_out,
    bindings::a_group_keeps_its_target_group,
    bindings::what_clusters_share_keeps_the_targets_of_all,
    bindings::two_clusters_share_a_target_group,
    bindings::two_albedos_share_a_target_group,
    bindings::a_role_changes_targets_of_another_account,
    bindings::admission_knows_bindings,
    gates::a_rollout_waits_until_targets_are_healthy,
    gates::pods_of_lbc_become_ready,
    gates::a_waiting_pod_survives_a_change_of_leaders,
    gates::targets_sleep_before_they_stop,
    absence::a_class_that_is_gone,
    absence::permissions_that_are_gone,
    absence::the_crd_of_parameters_that_is_gone,
    absence::the_crd_of_bindings_that_is_gone,
    absence::an_api_server_that_is_gone,
    crash::killed_somewhere,
    crash::an_answer_is_lost_somewhere,
    aws_troubles::some_end_as_without,
    kube_troubles::some_end_as_without,
    throttles::what_was_learnt_spares_throttles,
    tls::endpoints_are_reached,
    credentials::a_role_is_assumed_with_the_token_of_a_service_account,
    credentials::a_pod_identity_is_asked_with_its_token,
    permissions::another_clusters_resources_cannot_be_changed,
    permissions::what_has_no_tags_can_only_be_tagged,
    permissions::a_policy_is_printed_for_what_is_asked,
    settles::a_replacement_waits_for_no_clean_up,
    settles::at_a_quota_the_old_goes_first,
    settles::a_throttled_write_is_sent_again,
    settles::an_add_on_that_fails_stops_no_edit,
    settles::what_aws_refuses_costs_the_newcomer_alone,
    settles::what_aws_takes_from_nobody_costs_the_newcomer_alone,
    weather::throttles_only_slow_it_down,
    weather::failures_are_tried_again,
    weather::describes_that_lag_make_no_double,
    weather::what_takes_its_time_is_waited_for,
    emulator::it_keeps_its_word,
    emulator::the_smoke_test_runs_and_leaves_nothing,
    drift::drift_is_put_back,
    knowledge::a_target_group_deleted_by_hand_is_made_again,
    knowledge::a_certificate_that_cannot_be_described_is_not_missing,
    knowledge::what_was_made_a_moment_ago_is_not_missing,
    knowledge::a_list_tells_what_was_deleted_by_hand,
    knowledge::a_group_is_not_ready_while_a_binding_fails,
    knowledge::a_load_balancer_deleted_by_hand_is_made_again,
    knowledge::a_rotated_client_secret_is_sent,
    knowledge::a_foreign_finalizer_holds_nobody,
    knowledge::only_what_is_ours_is_deleted,
    knowledge::another_name_of_the_cluster_is_told,
    knowledge::the_shared_security_group_goes_with_its_last_user,
    frontend_nlb::it_leads_to_the_load_balancer,
    frontend_nlb::it_goes_with_its_group,
    protection::protection_holds_what_nobody_took_back,
    explain::what_an_ingress_became,
    explain::what_is_wrong_with_an_ingress,
    explain::whoever_may_read_little_is_told_so,
    leaving::a_faulty_ingress_is_deleted_when_protection_ends,
    leaving::deletion_says_what_it_waits_for,
    leaving::a_sibling_may_hold_it,
    replicas::one_writes_at_a_time,
    replicas::who_stands_still_in_a_pass_writes_no_more,
    replicas::a_clock_that_jumps_changes_nothing,
    roles::a_replica_without_aws_lives_by_published_facts,
    roles::damaged_facts_are_not_believed,
    roles::an_hour_without_aws,
    roles::the_audit_log_tells_what_decided,
    back::the_predecessor_finds_all_as_it_left_it,
    beside::neither_undoes_the_other,
    upkeep::it_looks_after_itself,
    install::a_chart_comes_and_goes,
    install::a_chart_gives_what_is_known,
    liveness::a_pass_that_hangs_fails_the_probe,
    liveness::an_outage_does_not_fail_the_probe,
    metrics::what_is_asked_for_is_there,
    metrics::what_is_not_there_is_found,
    image::two_builds_are_equal,
    image::the_dockerfile_agrees,
    image::albedo_runs_in_it,
    install::a_chart_renders_what_is_kept,
    install::manifests_take_nothing_with_them,
    install::webhooks_go_with_the_role,
    verify::a_chart_verifies_an_installation,
    story::strangers_install_it,
    story::strangers_switch,
    wire::what_is_no_review_is_answered,
    wire::odd_objects_are_judged,
    wire::other_paths_let_through,
    wire::aws_is_out_of_reach,
    wire::what_was_tried_is_told,
    wire::sigterm_ends_in_time,
    load::no_load_of_reviews_takes_the_memory,
    ledger::a_redirect_that_breaks_answers_on,
    faults::parameters_that_name_a_missing_subnet_stop_no_edit,
    groups::members_share_a_load_balancer,
    groups::the_younger_of_two_that_conflict_waits,
    groups::nodes_are_targets,
    certificates::a_renewed_pair_is_taken_over_without_a_failed_apply,
    certificates::what_is_to_be_installed_is_accepted,
    traffic::edits_fail_nobody,
    traffic::a_wrong_order_is_seen,
    rollouts::lose_no_request,
    cli::check_reports_what_admission_would,
    cli::check_looks_into_the_cluster,
    cli::check_speaks_to_programs,
    cli::explain_tells_what_words_mean,
    cli::plan_prints_what_would_be,
    cli::plan_tells_what_changes,
    cli::generated_manifests_are_up_to_date,
    cli::webhook_configurations_are_whole,
    cli::the_predecessors_arguments_start_it,
];

/// What takes too long for every run; `make exhaustive` runs it too.
const EXHAUSTIVE: &[(&str, Test)] = tests![
    adoption::more_clusters_are_taken_over,
    crash::killed_after_every_odd_write,
    crash::killed_after_every_even_write,
    crash::every_odd_answer_is_lost,
    crash::every_even_answer_is_lost,
    aws_troubles::all_end_as_without,
    kube_troubles::all_end_as_without,
    churn::hostile_authors_and_kills,
    churn::hostile_authors_and_kills_for_long,
    upkeep::twenty_renewals_fail_nobody,
    story::strangers_upgrade_it_often,
    story::strangers_switch_elsewhere,
    rollout::certificates_change_their_origin_under_load,
    rollout::twenty_upgrades_and_renewals_fail_nobody,
];

/// The error, and with `RUST_BACKTRACE=1` the places in the tests that it came through.
fn told(error: &anyhow::Error) -> String {
    let trace = error.backtrace().to_string();
    let own = trace.lines().map(str::trim).filter(|line| line.contains("/tests/it/") && !line.contains("/base.rs"));
    own.fold(format!("{error:#}"), |text, line| format!("{text}\n  {line}"))
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let lazy = match Lazy::new() {
        Ok(lazy) => Arc::new(lazy),
        Err(error) => {
            eprintln!("{error:#}");
            return ExitCode::FAILURE;
        }
    };
    let trial = |&(name, test): &(&'static str, Test)| {
        let lazy = Arc::clone(&lazy);
        Trial::test(name, move || lazy.run(test).map_err(|error| Failed::from(told(&error))))
    };
    let more = if base::is_exhaustive() { EXHAUSTIVE } else { &[] };
    let conclusion = libtest_mimic::run(&arguments, TESTS.iter().chain(more).map(trial).collect());
    let whole = arguments.filter.is_none() && arguments.skip.is_empty() && !conclusion.has_failed();
    let rights = rights::differences(lazy.dir(), whole);
    match &rights {
        Ok(said) => said.iter().for_each(|line| eprintln!("rights: {line}")),
        Err(error) => eprintln!("rights: {error:?}"),
    }
    let is_failed = conclusion.has_failed() || !rights.is_ok_and(|said| said.is_empty());
    if let Err(error) = lazy.stop(is_failed) {
        eprintln!("the test environment could not be stopped: {error:?}");
        return ExitCode::FAILURE;
    }
    if is_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
