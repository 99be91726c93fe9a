//! The buckets, which adapt: what AWS throttles gets fewer tokens a second, and what it lets through slowly gets its old number back.
//!
//! AWS's limits are shared by all that calls in an account and region, so no fixed number is right. A throttle halves the rate, as
//! TCP and the SDKs' adaptive retries do (RFC 5681, <https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>), and
//! successes let it grow again; by families of operations, because AWS throttles those apart, and by a share of the rate instead of a
//! fixed step, because their limits lie a hundredfold apart.

mod fair;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use albedo_engine::plan::operation::ApiService;
use tokio::time::Instant;

use super::super::metrics::Metrics;
use super::{Throttle, ThrottleRow};
use fair::Bucket;

/// What is left of the rate after a throttle. Half finds any limit within a few throttles.
const DECREASE: f64 = 0.5;
/// Throttles within this time are about calls that were sent at the same rate, and count once.
const AT_ONCE: Duration = Duration::from_secs(1);
/// How long it takes until a rate has doubled: a limit that stays is met again once in such a time, and one that is gone is
/// forgotten after four.
const RECOVERY: Duration = Duration::from_mins(1);
/// A silence longer than this is no success: who does not call learns nothing of the limit.
const SUCCESS_LASTS: Duration = Duration::from_secs(1);
/// The share of its full rate that a family keeps whatever happens, or one throttle would lead to standstill.
const FLOOR: f64 = 1.0 / 16.0;
/// Calls a second, and at once, that an operation gets after a throttle that no row of the table holds back. EC2 refills most buckets
/// of what changes something by five to ten a second:
/// <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html>. Once it has recovered nothing holds it back again.
const UNNAMED: (f64, f64) = (10.0, 10.0);

/// The buckets of a throttle.
#[derive(Debug)]
pub(in crate::cloud) struct Buckets {
    families: Vec<(ThrottleRow, Bucket)>,
    /// Operations that no row names, while they recover from a throttle. There are no more than operations.
    unnamed: Mutex<BTreeMap<(ApiService, String), Arc<Bucket>>>,
    metrics: Metrics,
}

/// The tokens of a bucket at a moment.
#[derive(Debug)]
struct Level {
    tokens: f64,
    at: Instant,
    /// Tokens a second now.
    rate: f64,
    full: f64,
    burst: f64,
    /// When AWS's last answer was taken in.
    learnt: Instant,
    /// When the rate was last lowered.
    lowered: Option<Instant>,
}

impl Buckets {
    pub(in crate::cloud) fn new(throttle: &Throttle, metrics: Metrics, now: Instant) -> Self {
        let full = |row: &ThrottleRow| {
            metrics.rate(&row.service, &row.family, Some(row.rate));
            (row.clone(), Bucket::new(Level::full(row.rate, row.burst, now)))
        };
        Self { families: throttle.rows.iter().map(full).collect(), unnamed: Mutex::default(), metrics }
    }

    /// Waits for a token from each bucket that the operation draws from. Of those who wait each tenant gets as many as another.
    pub(in crate::cloud) async fn take(&self, service: ApiService, operation: &str, tenant: &str) {
        for (_, bucket) in self.families.iter().filter(|(row, _)| row.is_of(service, operation)) {
            bucket.take(tenant).await;
        }
        let own = lock(&self.unnamed).get(&(service, operation.to_owned())).cloned();
        if let Some(bucket) = own {
            bucket.take(tenant).await;
        }
    }

    /// Takes a token from each bucket that the operation draws from, or says how long the slowest of them has none.
    #[cfg(test)]
    pub(super) fn try_take(&self, service: ApiService, operation: &str, now: Instant) -> Duration {
        let drawn = self.families.iter().filter(|(row, _)| row.is_of(service, operation)).map(|(_, bucket)| bucket);
        let own = lock(&self.unnamed).get(&(service, operation.to_owned())).cloned();
        let waits = drawn.chain(own.as_deref()).map(|bucket| bucket.level().take(now).err());
        waits.flatten().max().unwrap_or_default()
    }

    /// Where calls are counted.
    pub(in crate::cloud) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Takes in AWS's answer to one attempt of a call.
    pub(in crate::cloud) fn answered(&self, service: ApiService, operation: &str, throttled: bool, now: Instant) {
        if throttled {
            self.metrics.throttled(service.id(), operation);
        }
        let mut named = false;
        for (row, bucket) in self.families.iter().filter(|(row, _)| row.is_of(service, operation)) {
            named = true;
            let mut level = bucket.level();
            if level.learn(throttled, now) {
                self.metrics.rate(&row.service, &row.family, Some(level.rate));
            }
        }
        if !named {
            self.learn_of_unnamed(service, operation, throttled, now);
        }
    }

    fn learn_of_unnamed(&self, service: ApiService, operation: &str, throttled: bool, now: Instant) {
        let (mut unnamed, key) = (lock(&self.unnamed), (service, operation.to_owned()));
        if throttled {
            let (rate, burst) = UNNAMED;
            unnamed.entry(key.clone()).or_insert_with(|| Arc::new(Bucket::new(Level::full(rate, burst, now))));
        }
        let Some(bucket) = unnamed.get(&key) else { return };
        let (changed, rate) = {
            let mut level = bucket.level();
            (level.learn(throttled, now), (level.rate < level.full).then_some(level.rate))
        };
        if changed {
            self.metrics.rate(service.id(), operation, rate);
            if rate.is_none() {
                unnamed.remove(&key);
            }
        }
    }
}

impl Level {
    fn full(rate: f64, burst: f64, now: Instant) -> Self {
        Self { tokens: burst, at: now, rate, full: rate, burst, learnt: now, lowered: None }
    }

    /// Takes a token, or says how long there is none.
    fn take(&mut self, now: Instant) -> Result<(), Duration> {
        self.refill(now);
        if self.tokens < 1.0 {
            // Rounded up, or whoever waits so long would find the token a nanosecond short.
            return Err(Duration::from_secs_f64((1.0 - self.tokens) / self.rate) + Duration::from_nanos(1));
        }
        self.tokens -= 1.0;
        Ok(())
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        // What AWS throttles has a smaller bucket there than was thought, too: a rest saves up what comes in a second.
        let room = if self.rate < self.full { self.rate.clamp(1.0, self.burst) } else { self.burst };
        self.tokens = (self.tokens + passed * self.rate).min(room);
        self.at = self.at.max(now);
    }

    /// Adapts the rate; whether it changed.
    fn learn(&mut self, throttled: bool, now: Instant) -> bool {
        let before = self.rate;
        let since = now.saturating_duration_since(self.learnt).min(SUCCESS_LASTS);
        self.learnt = self.learnt.max(now);
        let lately = self.lowered.is_some_and(|at| now.saturating_duration_since(at) < AT_ONCE);
        match throttled {
            true if lately => {}
            true => {
                self.refill(now);
                self.rate = (self.rate * DECREASE).max(self.full * FLOOR);
                // The bucket over there is empty.
                self.tokens = self.tokens.min(0.0);
                self.lowered = Some(now);
            }
            false if self.rate < self.full => {
                self.refill(now);
                let grown = self.rate * (since.as_secs_f64() / RECOVERY.as_secs_f64()).exp2();
                self.rate = grown.min(self.full);
            }
            false => {}
        }
        // Rates are set from constants, and equal where nothing was done.
        self.rate.total_cmp(&before).is_ne()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_then_rate() {
        let now = Instant::now();
        let buckets = Buckets::new(&Throttle::default(), Metrics::default(), now);
        assert!((0..20).all(|_| buckets.try_take(ApiService::Elbv2, "ModifyRule", now).is_zero()));
        assert_eq!(buckets.try_take(ApiService::Elbv2, "ModifyRule", now).as_millis(), 333);
        let later = now + Duration::from_secs(1);
        assert!((0..3).all(|_| buckets.try_take(ApiService::Elbv2, "ModifyRule", later).is_zero()));
        assert!(!buckets.try_take(ApiService::Elbv2, "ModifyRule", later).is_zero());
    }

    /// No set of writes is let through faster than what AWS is known to take, from the first call on.
    #[test]
    fn writes_have_buckets_from_the_start() {
        let now = Instant::now();
        let buckets = Buckets::new(&Throttle::default(), Metrics::default(), now);
        for operation in ["CreateRule", "DeleteRule", "SetRulePriorities", "AddTags", "RemoveTags", "DescribeRules"] {
            for _ in 0..40 {
                buckets.try_take(ApiService::Elbv2, operation, now);
            }
            assert!(!buckets.try_take(ApiService::Elbv2, operation, now).is_zero(), "{operation}");
        }
        for operation in ["CreateTags", "AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"] {
            for _ in 0..50 {
                buckets.try_take(ApiService::Ec2, operation, now);
            }
            assert!(!buckets.try_take(ApiService::Ec2, operation, now).is_zero(), "{operation}");
        }
    }

    #[test]
    fn families_are_apart() {
        let now = Instant::now();
        let buckets = Buckets::new(&Throttle::default(), Metrics::default(), now);
        for _ in 0..50 {
            buckets.try_take(ApiService::Elbv2, "RegisterTargets", now);
        }
        assert!(!buckets.try_take(ApiService::Elbv2, "DeregisterTargets", now).is_zero());
        assert!(buckets.try_take(ApiService::Elbv2, "DescribeRules", now).is_zero());
        assert!(buckets.try_take(ApiService::Elbv2, "CreateRule", now).is_zero());
        assert!(buckets.try_take(ApiService::Ec2, "DescribeSubnets", now).is_zero());
    }

    const MODIFY: (ApiService, &str) = (ApiService::Elbv2, "ModifyRule");

    /// Asks for tokens until one has to be waited for; how many were there, and how long the wait is.
    fn drain(buckets: &Buckets, (service, operation): (ApiService, &str), now: Instant) -> (u32, u128) {
        let mut there = 0;
        loop {
            let wait = buckets.try_take(service, operation, now);
            if !wait.is_zero() {
                return (there, wait.as_millis());
            }
            there += 1;
        }
    }

    fn rate(buckets: &Buckets, operation: &str) -> f64 {
        let (_, bucket) = buckets.families.iter().find(|(row, _)| row.is_of(ApiService::Elbv2, operation)).unwrap();
        bucket.level().rate
    }

    #[test]
    fn a_throttle_halves_the_rate_once_and_down_to_a_floor() {
        let mut now = Instant::now();
        let buckets = Buckets::new(&Throttle::default(), Metrics::default(), now);
        for _ in 0..16 {
            buckets.answered(MODIFY.0, MODIFY.1, true, now);
        }
        assert!((rate(&buckets, MODIFY.1) - 1.5).abs() < 1e-9, "answers to what was sent together count once");
        assert!((rate(&buckets, "DescribeRules") - 10.0).abs() < 1e-9, "another family is left alone");
        assert_eq!(drain(&buckets, MODIFY, now), (0, 666), "the burst is gone");
        for _ in 0..10 {
            now += AT_ONCE;
            buckets.answered(MODIFY.0, MODIFY.1, true, now);
        }
        assert!((rate(&buckets, MODIFY.1) - 3.0 / 16.0).abs() < 1e-9);
    }

    #[test]
    fn successes_bring_it_back_and_silence_does_not() {
        let mut now = Instant::now();
        let buckets = Buckets::new(&Throttle::default(), Metrics::default(), now);
        buckets.answered(MODIFY.0, MODIFY.1, true, now);
        now += Duration::from_hours(1);
        buckets.answered(MODIFY.0, MODIFY.1, false, now);
        let grown = 1.5 * (1.0_f64 / 60.0).exp2();
        assert!((rate(&buckets, MODIFY.1) - grown).abs() < 1e-9, "an hour of silence counts as a second");
        assert_eq!(drain(&buckets, MODIFY, now).0, 1, "and saves up no more than a second's worth");
        for _ in 0..60 {
            now += Duration::from_secs(1);
            buckets.answered(MODIFY.0, MODIFY.1, false, now);
        }
        assert!((rate(&buckets, MODIFY.1) - 3.0).abs() < 1e-9, "what was halved is back after a minute");
        now += Duration::from_mins(1);
        assert_eq!(drain(&buckets, MODIFY, now).0, 20, "and the burst");
    }

    #[test]
    fn what_no_row_names_is_held_back_while_it_recovers() {
        let mut now = Instant::now();
        let buckets = Buckets::new(&Throttle::default(), Metrics::default(), now);
        let create = (ApiService::Ec2, "DescribeVpcs");
        assert!((0..1000).all(|_| buckets.try_take(create.0, create.1, now).is_zero()));
        buckets.answered(create.0, create.1, true, now);
        assert_eq!(drain(&buckets, create, now), (0, 200));
        assert!(buckets.try_take(create.0, "DescribeSubnets", now).is_zero(), "another operation is left alone");
        for _ in 0..61 {
            now += Duration::from_secs(1);
            buckets.answered(create.0, create.1, false, now);
        }
        assert!((0..1000).all(|_| buckets.try_take(create.0, create.1, now).is_zero()), "it has recovered");
        assert!(lock(&buckets.unnamed).is_empty());
    }
}
