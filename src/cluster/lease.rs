//! The lease: one replica holds it at a time. Each write needs [`LeaseProof`], the proof that this replica holds it.
//!
//! AWS has no fencing, so time decides: a holder trusts its lease for less time than the others wait before they take
//! it. Expiry is measured from the time when *this* process saw a change, on a monotonic clock; the times in the object are for
//! people. Object and rules are those of <https://pkg.go.dev/k8s.io/client-go/tools/leaderelection>, so that such a
//! controller and this one never write at the same time.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease as Object, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Api;
use kube::api::PostParams;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::error::{read, write};
use super::{Cluster, FIELD_MANAGER, ReadError, WriteError, with_sources};

/// How long others wait after the last renewal.
const LEASE: Duration = Duration::from_secs(15);
/// A holder that cannot renew for this long gives up.
const RENEW_WITHIN: Duration = Duration::from_secs(10);
/// Pause between two attempts to take or to renew. A random addition of up to a fifth separates the replicas.
const RETRY: Duration = Duration::from_secs(2);
/// Timeout of one attempt.
const TRY: Duration = Duration::from_secs(2);

/// Proof that this replica may write, and until when. Clones are the same proof.
#[derive(Debug, Clone)]
pub struct LeaseProof {
    /// `None` in it: it has ended.
    end: Option<watch::Receiver<Option<Instant>>>,
}

impl LeaseProof {
    /// For a single replica without leader election.
    #[must_use]
    pub fn forever() -> Self {
        Self { end: None }
    }

    /// How long it is valid from now, if it is not renewed. Zero after its end.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        let Some(end) = &self.end else { return Duration::MAX };
        end.borrow().map(|end| end.saturating_duration_since(Instant::now())).unwrap_or_default()
    }

    /// Waits for its final end.
    pub async fn over(&self) {
        match self.end.clone() {
            // Without a holder nobody renews it.
            Some(mut end) => drop(end.wait_for(Option::is_none).await),
            None => std::future::pending().await,
        }
    }
}

/// Takes the lease for one replica.
pub struct Lease {
    api: Api<Object>,
    name: String,
    namespace: String,
    identity: String,
    seen: Option<SeenLease>,
}

/// The lease as it was when it last changed.
struct SeenLease {
    object: Object,
    at: Instant,
}

/// A held lease, which must be renewed.
pub struct Held {
    lease: Lease,
    end: watch::Sender<Option<Instant>>,
}

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
enum Missed {
    /// Another replica holds it.
    #[error("{0} holds it")]
    Taken(String),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("the API server gave no answer within {} s", TRY.as_secs())]
    NoAnswer,
}

impl Cluster {
    /// The lease with a name, in a namespace or, if that is empty, in the one of this Pod or kubeconfig.
    #[must_use]
    pub fn lease(&self, namespace: &str, name: &str) -> Lease {
        let client = self.client();
        let namespace = if namespace.is_empty() { client.default_namespace() } else { namespace }.to_owned();
        Lease {
            api: Api::namespaced(client, &namespace),
            name: name.to_owned(),
            namespace,
            identity: identity(),
            seen: None,
        }
    }
}

/// The name of the Pod and something unique for this process: a restarted container in the same Pod is another holder.
fn identity() -> String {
    let host = std::env::var("HOSTNAME").ok().filter(|host| !host.is_empty()).unwrap_or_else(|| "albedo".to_owned());
    format!("{host}_{:016x}", RandomState::new().hash_one(std::process::id()))
}

impl Lease {
    /// Tries until the lease is held, or until `stop`.
    pub async fn acquire(mut self, stop: &CancellationToken) -> Option<(Held, LeaseProof)> {
        tracing::info!(lease = %self, identity = self.identity, "waiting for the lease");
        let mut said = String::new();
        while !stop.is_cancelled() {
            match self.attempt().await {
                Ok(until) => {
                    tracing::info!(lease = %self, "this replica writes now");
                    let (end, lease_proof) = watch::channel(Some(until));
                    return Some((Held { lease: self, end }, LeaseProof { end: Some(lease_proof) }));
                }
                Err(missed) => {
                    // A standby logs each holder that it waits for, and each failure, once.
                    let why = with_sources(&missed);
                    if why != said {
                        tracing::info!(lease = %self, why, "this replica does not write");
                        said = why;
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(self.pause()) => {}
            }
        }
        None
    }

    /// One attempt to take or renew the lease. Returns until when it is held, counted from before the request.
    async fn attempt(&mut self) -> Result<Instant, Missed> {
        let began = Instant::now();
        timeout(TRY, self.take_or_renew()).await.unwrap_or(Err(Missed::NoAnswer))?;
        Ok(began + LEASE)
    }

    async fn take_or_renew(&mut self) -> Result<(), Missed> {
        let what = format!("take the lease {}/{}", self.namespace, self.name);
        let Some(found) = read(&what, self.api.get(&self.name)).await? else {
            let first = self.object(None);
            let stored = write(&what, self.api.create(&params(), &first)).await?;
            self.see(stored, Instant::now());
            return Ok(());
        };
        self.see(found, Instant::now());
        let Some(seen) = &self.seen else { return Ok(()) };
        if let Some(other) = seen.holder().filter(|holder| *holder != self.identity)
            && seen.is_valid(Instant::now())
        {
            return Err(Missed::Taken(other.to_owned()));
        }
        // With the resourceVersion that was seen: if two replicas find it free, one of them is refused.
        let next = self.object(Some(&seen.object));
        let stored = write(&what, self.api.replace(&self.name, &params(), &next)).await?;
        self.see(stored, Instant::now());
        Ok(())
    }

    /// Only a change of the object restarts the wait.
    fn see(&mut self, object: Object, now: Instant) {
        if self.seen.as_ref().is_none_or(|seen| seen.object.spec != object.spec) {
            self.seen = Some(SeenLease { object, at: now });
        } else if let Some(seen) = &mut self.seen {
            seen.object = object;
        }
    }

    /// The object with this replica as the holder.
    fn object(&self, before: Option<&Object>) -> Object {
        let old = before.and_then(|object| object.spec.clone()).unwrap_or_default();
        let mine = old.holder_identity.as_deref() == Some(self.identity.as_str());
        let now = Some(MicroTime(Timestamp::now()));
        let transitions = old.lease_transitions.unwrap_or_default();
        let spec = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(LEASE.as_secs()).ok(),
            acquire_time: if mine { old.acquire_time } else { now.clone() },
            renew_time: now,
            lease_transitions: Some(transitions.saturating_add(i32::from(before.is_some() && !mine))),
            ..LeaseSpec::default()
        };
        let fresh = || ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
        Object { metadata: before.map_or_else(fresh, |object| object.metadata.clone()), spec: Some(spec) }
    }

    fn pause(&self) -> Duration {
        RETRY + RETRY.mul_f64(f64::from(jitter(&self.identity)) / f64::from(u32::MAX) / 5.0)
    }
}

fn params() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

fn jitter(identity: &str) -> u32 {
    u32::try_from(RandomState::new().hash_one(identity) >> 32).unwrap_or_default()
}

impl std::fmt::Display for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl SeenLease {
    fn holder(&self) -> Option<&str> {
        self.object.spec.as_ref()?.holder_identity.as_deref().filter(|holder| !holder.is_empty())
    }

    /// Whether its holder may still trust it.
    fn is_valid(&self, now: Instant) -> bool {
        let seconds = self.object.spec.as_ref().and_then(|spec| spec.lease_duration_seconds).unwrap_or_default();
        now < self.at + Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
    }
}

impl Held {
    /// Renews the lease until `done`, then releases it; or until it is lost, which ends the proof at once. Returns the
    /// [`Lease`].
    pub async fn keep(mut self, done: CancellationToken) -> Lease {
        let mut renewed = Instant::now();
        loop {
            tokio::select! {
                () = done.cancelled() => {
                    self.end.send_replace(None);
                    self.release().await;
                    return self.lease;
                }
                () = sleep(self.lease.pause()) => {}
            }
            match self.lease.attempt().await {
                Ok(until) => {
                    renewed = Instant::now();
                    self.end.send_replace(Some(until));
                    continue;
                }
                Err(Missed::Taken(other)) => {
                    tracing::error!(lease = %self.lease, other, "the lease was taken: this replica stops writing");
                }
                Err(missed) if renewed.elapsed() < RENEW_WITHIN => {
                    tracing::warn!(lease = %self.lease, why = with_sources(&missed), "the lease was not renewed");
                    continue;
                }
                Err(missed) => {
                    let why = with_sources(&missed);
                    tracing::error!(lease = %self.lease, why, "the lease is lost: this replica stops writing");
                }
            }
            self.end.send_replace(None);
            return self.lease;
        }
    }

    /// Marks it as free, so that the next replica need not wait for its expiry.
    async fn release(&mut self) {
        let Some(seen) = self.lease.seen.take() else { return };
        let mut object = seen.object;
        let now = Some(MicroTime(Timestamp::now()));
        object.spec = Some(LeaseSpec {
            holder_identity: Some(String::new()),
            lease_duration_seconds: Some(1),
            acquire_time: now.clone(),
            renew_time: now,
            ..object.spec.unwrap_or_default()
        });
        let what = format!("let go of the lease {}", self.lease);
        let params = params();
        let sent = write(&what, self.lease.api.replace(&self.lease.name, &params, &object));
        match timeout(TRY, sent).await.map_err(|_| Missed::NoAnswer).and_then(|sent| sent.map_err(Missed::from)) {
            Ok(_) => tracing::info!(lease = %self.lease, "released the lease"),
            Err(missed) => {
                tracing::warn!(lease = %self.lease, why = with_sources(&missed), "the lease could not be released; it expires by itself");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::api;
    use super::*;

    fn object(holder: &str, renewed: i64) -> Object {
        let spec = LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(15),
            renew_time: Some(MicroTime(Timestamp::from_second(renewed).unwrap())),
            lease_transitions: Some(3),
            ..LeaseSpec::default()
        };
        Object { metadata: ObjectMeta::default(), spec: Some(spec) }
    }

    fn lease() -> Lease {
        api::cluster(|_| None).0.lease("ns", "name")
    }

    #[tokio::test]
    async fn only_a_change_restarts_the_waiting() {
        let (mut lease, start) = (lease(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        let is_valid = |lease: &Lease, seconds| lease.seen.as_ref().unwrap().is_valid(after(seconds));
        lease.see(object("other", 1), start);
        lease.see(object("other", 1), after(14));
        assert!(is_valid(&lease, 14));
        assert!(!is_valid(&lease, 15), "times in the object do not count");
        lease.see(object("other", 2), after(15));
        assert!(is_valid(&lease, 29));
    }

    #[tokio::test]
    async fn taking_over_counts_and_renewing_does_not() {
        let lease = lease();
        let taken = lease.object(Some(&object("other", 1)));
        assert_eq!(taken.spec.as_ref().unwrap().lease_transitions, Some(4));
        let renewed = lease.object(Some(&taken));
        let (taken, renewed) = (taken.spec.unwrap(), renewed.spec.unwrap());
        assert_eq!((renewed.lease_transitions, renewed.acquire_time), (Some(4), taken.acquire_time));
        assert_eq!(lease.object(None).spec.unwrap().lease_transitions, Some(0));
    }

    #[tokio::test]
    async fn a_lease_proof_runs_out_and_ends() {
        let (end, receiver) = watch::channel(Some(Instant::now() + LEASE));
        let lease_proof = LeaseProof { end: Some(receiver) };
        assert!(lease_proof.remaining() <= LEASE && lease_proof.remaining() > LEASE / 2);
        end.send_replace(Some(Instant::now()));
        assert_eq!(lease_proof.remaining(), Duration::ZERO);
        end.send_replace(None);
        lease_proof.over().await;
        assert_eq!(lease_proof.remaining(), Duration::ZERO);
        assert_eq!(LeaseProof::forever().remaining(), Duration::MAX);
    }
}
