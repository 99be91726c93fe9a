//! What a replica does so that the API server calls it: certificates that it makes itself, and the webhook configurations.
//!
//! Each replica does it, not the one that holds the lease alone: all of them are called. Nothing is registered before this replica answers, so a first install
//! refuses nobody's Ingress while it starts.

use std::collections::BTreeSet;
use std::time::Duration;

use albedo_engine::admit::registration::{Options, Target, configurations};
use anyhow::Context as _;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement, OwnerReference};
use tokio_util::sync::CancellationToken;

use crate::cluster::{Cluster, ServingSecret};
use crate::serve::{Made, Pair, Readiness, Stored, step};

/// Pause between two looks.
const EVERY: Duration = Duration::from_secs(3);
/// Whose value, when it changes, asks for another certificate.
const RENEW: &str = "albedo.dev/renew";
/// The last value of [`RENEW`] that was followed.
const RENEWED: &str = "albedo.dev/renewed";
/// Since when the authority of the next certificate is trusted.
const NEXT_SINCE: &str = "albedo.dev/next-since";
/// The host names of the certificate.
const NAMES: &str = "albedo.dev/names";
/// What an Ingress of the control plane's own parts must never wait for.
const EXEMPT: &str = "kube-system";
const NAMESPACE_LABEL: &str = "kubernetes.io/metadata.name";

/// Where the Secret and the Service of the webhooks are, and what is asked for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Namespace of both.
    pub namespace: String,
    /// The Secret's name.
    pub secret: String,
    /// Where the API server finds the webhooks.
    pub target: Target,
    /// Host names of the certificate.
    pub names: Vec<String>,
    /// Name of both webhook configurations; none are registered without it.
    pub configurations: Option<String>,
    /// The `ClusterRole` that owns them.
    pub owner: String,
    /// `namespace/name` of the Certificate whose authority cert-manager injects.
    pub inject_ca_from: Option<String>,
    /// The one namespace that is watched.
    pub watched: Option<String>,
    /// Value of the class annotation that is ours.
    pub class: Option<String>,
}

/// One replica's upkeep.
pub struct Upkeep {
    cluster: Cluster,
    wanted: Wanted,
    readiness: Readiness,
    /// Where the certificate is served from, if it is made here.
    made: Option<Made>,
    /// What is served.
    serving: Option<Stored>,
    /// Who writes, and who owns what is registered: asked once.
    identity: Option<(String, Option<OwnerReference>)>,
    /// What was registered last, with the generations that it had then.
    registered: Option<(Options, [i64; 2])>,
}

impl Upkeep {
    pub fn new(cluster: Cluster, wanted: Wanted, readiness: Readiness, made: Option<Made>) -> Self {
        Self { cluster, wanted, readiness, made, serving: None, identity: None, registered: None }
    }

    /// Goes on until `stop`. What fails is said once and tried again.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut said = String::new();
        loop {
            let outcome = tokio::select! {
                () = stop.cancelled() => return,
                outcome = self.look() => outcome,
            };
            match outcome {
                Ok(()) => said.clear(),
                Err(error) => {
                    let text = format!("{error:#}");
                    if text != said {
                        tracing::warn!(
                            error = text,
                            "certificates or webhook configurations cannot be kept up; it is tried again"
                        );
                        said = text;
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    async fn look(&mut self) -> anyhow::Result<()> {
        if self.made.is_some() {
            self.certificate().await?;
        }
        if self.wanted.configurations.is_some() && self.readiness.missing().is_empty() {
            self.register().await?;
        }
        Ok(())
    }

    /// Serves what the Secret holds, and takes the next step of a renewal.
    async fn certificate(&mut self) -> anyhow::Result<()> {
        let (namespace, name) = (&self.wanted.namespace, &self.wanted.secret);
        let secret = self.cluster.serving_secret(namespace, name).await?;
        let (stored, wish) = secret.as_ref().map(read).unwrap_or_default();
        // With certificates of its own Albedo always registers the webhooks.
        let trusted = self.trusts(stored.as_ref());
        let next = step(
            stored.as_ref(),
            self.serving.as_ref(),
            &self.wanted.names,
            trusted,
            wish.as_deref(),
            Timestamp::now(),
        )?;
        let now = match next {
            Some(next) => {
                let revision = secret.and_then(|secret| secret.revision);
                self.cluster.put_serving_secret(namespace, name, &written(&next, wish, revision)).await?;
                tracing::info!(
                    secret = format!("{namespace}/{name}"),
                    renewal = next.next.is_some(),
                    "the serving certificate is stored"
                );
                next
            }
            None => stored.context("nothing is stored and nothing is made")?,
        };
        if let Some(made) = &self.made {
            made.put(now.current.clone());
        }
        self.serving = Some(now);
        Ok(())
    }

    /// Whether what was registered last holds all authorities that are stored.
    fn trusts(&self, stored: Option<&Stored>) -> bool {
        let bundle = self.registered.as_ref().and_then(|(options, _)| options.ca_bundle.as_ref());
        stored.zip(bundle).is_some_and(|(stored, bundle)| bundle_of(stored) == *bundle)
    }

    /// Registers the webhooks unless they are registered as they should be.
    async fn register(&mut self) -> anyhow::Result<()> {
        let Some(name) = self.wanted.configurations.clone() else { return Ok(()) };
        let (user, owner) = match &self.identity {
            Some(known) => known.clone(),
            None => {
                let (user, owner) =
                    (self.cluster.own_user().await?, self.cluster.cluster_role_as_owner(&self.wanted.owner).await?);
                self.identity.insert((user, owner)).clone()
            }
        };
        let options = self.options(name.clone(), user);
        let found = self.cluster.registered(&name).await?;
        let is_unchanged = self
            .registered
            .as_ref()
            .is_some_and(|(last, generations)| *last == options && found == generations.map(Some));
        if is_unchanged {
            return Ok(());
        }
        let (mut validating, mut mutating) = configurations(&options);
        let owners = owner.map(|owner| vec![owner]);
        validating.metadata.owner_references.clone_from(&owners);
        mutating.metadata.owner_references = owners;
        let generations = [self.cluster.register(&validating).await?, self.cluster.register(&mutating).await?];
        tracing::info!(configurations = name, classes = options.classes.join(","), "webhooks are registered");
        self.registered = Some((options, generations));
        Ok(())
    }

    fn options(&self, name: String, user: String) -> Options {
        let classes: BTreeSet<String> =
            self.cluster.read(|world| world.own_classes().into_iter().chain(self.wanted.class.clone()).collect());
        let (operator, values) = match &self.wanted.watched {
            Some(namespace) => ("In", vec![namespace.clone()]),
            None => ("NotIn", vec![EXEMPT.to_owned(), self.wanted.namespace.clone()]),
        };
        let namespaces = LabelSelectorRequirement {
            key: NAMESPACE_LABEL.to_owned(),
            operator: operator.to_owned(),
            values: Some(values),
        };
        Options {
            name,
            target: self.wanted.target.clone(),
            ca_bundle: self.serving.as_ref().map(bundle_of),
            classes: classes.into_iter().collect(),
            namespace_selector: Some(LabelSelector { match_expressions: Some(vec![namespaces]), match_labels: None }),
            controller_user: Some(user),
            inject_ca_from: self.wanted.inject_ca_from.clone(),
            ..Options::default()
        }
    }
}

fn bundle_of(stored: &Stored) -> Vec<u8> {
    stored.authorities.concat().into_bytes()
}

/// What a Secret holds, if it holds all of it, and the wish for a renewal.
fn read(secret: &ServingSecret) -> (Option<Stored>, Option<String>) {
    let wish = secret.annotations.get(RENEW).cloned();
    let pair = |certificate: &str, key: &str| {
        let text = |name: &str| secret.data.get(name).filter(|text| !text.is_empty()).cloned();
        Some(Pair { certificate: text(certificate)?, key: text(key)? })
    };
    let stored = || {
        let since = secret.annotations.get(NEXT_SINCE).and_then(|text| text.parse::<Timestamp>().ok());
        let names = secret.annotations.get(NAMES).map(String::as_str).unwrap_or_default();
        Some(Stored {
            current: pair("tls.crt", "tls.key")?,
            next: pair("next.crt", "next.key").zip(since),
            authorities: certificates(secret.data.get("ca.crt")?),
            names: names.split(',').map(str::to_owned).collect(),
            renewed: secret.annotations.get(RENEWED).cloned(),
        })
    };
    (stored(), wish)
}

fn written(stored: &Stored, wish: Option<String>, revision: Option<String>) -> ServingSecret {
    let mut secret = ServingSecret { revision, ..ServingSecret::default() };
    let mut put = |key: &str, value: &str| drop(secret.data.insert(key.to_owned(), value.to_owned()));
    put("tls.crt", &stored.current.certificate);
    put("tls.key", &stored.current.key);
    put("ca.crt", &stored.authorities.concat());
    if let Some((next, _)) = &stored.next {
        put("next.crt", &next.certificate);
        put("next.key", &next.key);
    }
    let since = stored.next.as_ref().map(|(_, since)| since.to_string());
    let notes =
        [(NAMES, Some(stored.names.join(","))), (RENEW, wish), (RENEWED, stored.renewed.clone()), (NEXT_SINCE, since)];
    secret.annotations = notes.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
    secret
}

/// The certificates of a PEM text, each as a text of its own.
fn certificates(pem: &str) -> Vec<String> {
    const END: &str = "-----END CERTIFICATE-----\n";
    pem.split_inclusive(END).filter(|one| one.contains("BEGIN CERTIFICATE")).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let names = vec!["a.svc".to_owned(), "b.svc".to_owned()];
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let first = step(None, None, &names, false, Some("x"), now).unwrap().unwrap();
        let renewing = step(Some(&first), None, &names, true, Some("y"), now).unwrap().unwrap();
        for stored in [first, renewing] {
            assert_eq!(read(&written(&stored, Some("y".to_owned()), None)), (Some(stored), Some("y".to_owned())));
        }
        assert_eq!(read(&ServingSecret::default()), (None, None));
    }
}
