//! Logs that a load balancer writes to S3: an attribute switches each on, and two say where it goes.

/// The kinds of logs by what their attributes begin with:
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html>.
pub const LOGS: [&str; 3] = ["access_logs.s3", "connection_logs.s3", "health_check_logs.s3"];

/// The logs that are switched on and have no bucket to go to, by what their attributes begin with. AWS refuses that: "required if logs are
/// enabled".
pub fn without_bucket<'v>(get: impl Fn(&str) -> Option<&'v str>) -> impl Iterator<Item = &'static str> {
    LOGS.into_iter().filter(move |log| {
        let on = get(&format!("{log}.enabled")).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        on && get(&format!("{log}.bucket")).is_none_or(str::is_empty)
    })
}
