//! What a replica does so that the API server calls it: certificates that it makes itself, and the webhook configurations.
//!
//! Each replica does it, not the one that holds the lease alone: all of them are called. Nothing is registered before this replica answers, so a first install
//! refuses nobody's Ingress while it starts. What is registered trusts the authorities of every replica: a replica adds its own and leaves those that it finds, and it
//! is not ready, so not called, before its own is trusted. So replicas with certificates of different origin serve side by side while one origin follows the other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use albedo_engine::admit::registration::{Options, Overrides, Target, configurations};
use anyhow::Context as _;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement, OwnerReference};
use tokio_util::sync::CancellationToken;

use crate::cluster::{Cluster, Registered, ServingSecret, ServingSecretPatch, WriteError};
use crate::serve::{Made, Pair, Readiness, Stored, step};

/// Pause between two looks. API servers learn of what was registered in that time.
const EVERY: Duration = Duration::from_secs(3);
/// The same while this replica starts.
const HURRY: Duration = Duration::from_millis(250);
/// From the moment that this replica can answer until webhooks are registered for the first time: kubelet asks `/readyz` every five seconds, and the
/// endpoints of the Service follow.
const CALLABLE: Duration = Duration::from_secs(15);
/// The condition of readiness that holds once the API server trusts what this replica serves, or calls nobody yet.
const TRUSTED: &str = "trusted";
/// Authorities in a `caBundle`: what this replica needs, and as many of others as there is room for.
const AUTHORITIES: usize = 6;
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
    /// The user as whom the reconciler writes, whose writes are not reviewed. Without it, the user of this replica.
    pub controller_user: Option<String>,
    /// `namespace/name` of the Certificate whose authority cert-manager injects.
    pub inject_ca_from: Option<String>,
    /// The file of the authority of a certificate that somebody else makes; it need not exist.
    pub authority: PathBuf,
    /// The one namespace that is watched.
    pub watched: Option<String>,
    /// Whether Pods get readiness gates.
    pub gates: bool,
    /// What the operator changes of the registration.
    pub overrides: Overrides,
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
    /// Since when this replica can answer.
    answers_since: Option<Instant>,
}

impl Upkeep {
    pub fn new(cluster: Cluster, wanted: Wanted, readiness: Readiness, made: Option<Made>) -> Self {
        if wanted.configurations.is_some() {
            readiness.set(TRUSTED, false);
        }
        Self { cluster, wanted, readiness, made, serving: None, identity: None, registered: None, answers_since: None }
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
            let pause = if self.answers() { EVERY } else { HURRY };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Whether this replica could answer a review if it was called.
    fn answers(&self) -> bool {
        self.readiness.missing().iter().all(|condition| *condition == TRUSTED)
    }

    async fn look(&mut self) -> anyhow::Result<()> {
        if self.made.is_some() {
            self.certificate().await?;
        }
        if !self.answers() {
            return Ok(());
        }
        match self.wanted.configurations.clone() {
            Some(name) => self.register(&name).await,
            None => Ok(()),
        }
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
                self.cluster.put_serving_secret(namespace, name, revision, written(&next)).await?;
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
        stored.zip(bundle).is_some_and(|(stored, bundle)| holds(bundle, &stored.authorities))
    }

    /// The authorities of what this replica serves.
    async fn authorities(&self) -> anyhow::Result<Vec<String>> {
        if let Some(serving) = &self.serving {
            return Ok(serving.authorities.clone());
        }
        match tokio::fs::read_to_string(&self.wanted.authority).await {
            Ok(text) => Ok(certificates(&text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error).with_context(|| self.wanted.authority.display().to_string()),
        }
    }

    /// Registers the webhooks unless they are registered as they should be.
    async fn register(&mut self, name: &str) -> anyhow::Result<()> {
        let own = self.authorities().await?;
        let found = self.cluster.registered(name).await?;
        let since = *self.answers_since.get_or_insert_with(Instant::now);
        let is_first = found.iter().all(Option::is_none);
        let mut bundles = found.iter().flatten().flat_map(|one| &one.bundles);
        if is_first || bundles.all(|bundle| holds(bundle, &own)) {
            self.readiness.set(TRUSTED, true);
        }
        if is_first && matches!(self.wanted.target, Target::Service { .. }) && since.elapsed() < CALLABLE {
            return Ok(());
        }
        let (user, owner) = match &self.identity {
            Some(known) => known.clone(),
            None => {
                let user = match &self.wanted.controller_user {
                    Some(user) => user.clone(),
                    None => self.cluster.own_user().await?,
                };
                let owner = self.cluster.cluster_role_as_owner(&self.wanted.owner).await?;
                self.identity.insert((user, owner)).clone()
            }
        };
        let options = self.options(name.to_owned(), user, bundle(&found, own));
        let generations = found.each_ref().map(|one| one.as_ref().map(|one| one.generation));
        let is_unchanged =
            self.registered.as_ref().is_some_and(|(last, known)| *last == options && generations == known.map(Some));
        if is_unchanged {
            return Ok(());
        }
        let (mut validating, mut mutating) = configurations(&options);
        let owners = owner.map(|owner| vec![owner]);
        validating.metadata.owner_references.clone_from(&owners);
        mutating.metadata.owner_references = owners;
        let [of_validating, of_mutating] = found.map(|one| one.and_then(|one| one.revision));
        validating.metadata.resource_version = of_validating;
        mutating.metadata.resource_version = of_mutating;
        let generations = match (self.cluster.register(&validating).await, self.cluster.register(&mutating).await) {
            // Another replica, or an injector, was faster: the next look finds what it wrote.
            (Err(WriteError::Conflict { .. }), _) | (_, Err(WriteError::Conflict { .. })) => return Ok(()),
            (validating, mutating) => [validating?, mutating?],
        };
        tracing::info!(configurations = name, classes = options.classes.join(","), "webhooks are registered");
        self.registered = Some((options, generations));
        Ok(())
    }

    fn options(&self, name: String, user: String, ca_bundle: Option<Vec<u8>>) -> Options {
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
            ca_bundle,
            gates: self.wanted.gates,
            classes: classes.into_iter().collect(),
            namespace_selector: Some(LabelSelector { match_expressions: Some(vec![namespaces]), match_labels: None }),
            overrides: self.wanted.overrides.clone(),
            controller_user: Some(user),
            inject_ca_from: self.wanted.inject_ca_from.clone(),
            ..Options::default()
        }
    }
}

/// Whether a bundle has all these authorities.
fn holds(bundle: &[u8], authorities: &[String]) -> bool {
    let found = certificates(&String::from_utf8_lossy(bundle));
    authorities.iter().all(|authority| found.contains(authority))
}

/// The bundle of every webhook: the own authorities and those that are found. `None` if there are none, so that an injector fills the field.
fn bundle(found: &[Option<Registered>; 2], own: Vec<String>) -> Option<Vec<u8>> {
    let mut all: Vec<String> = Vec::new();
    for bundle in found.iter().flatten().flat_map(|one| &one.bundles) {
        let others = certificates(&String::from_utf8_lossy(bundle));
        let new: Vec<String> = others.into_iter().filter(|one| !all.contains(one)).collect();
        all.extend(new);
    }
    if !own.iter().all(|one| all.contains(one)) || all.len() > AUTHORITIES {
        all.retain(|one| !own.contains(one));
        all.splice(..0, own);
        all.truncate(AUTHORITIES);
    }
    (!all.is_empty()).then(|| all.concat().into_bytes())
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

fn written(stored: &Stored) -> ServingSecretPatch {
    let next = stored.next.as_ref().map(|(pair, _)| pair);
    let since = stored.next.as_ref().map(|(_, since)| since.to_string());
    ServingSecretPatch {
        data: BTreeMap::from([
            ("tls.crt", Some(stored.current.certificate.clone())),
            ("tls.key", Some(stored.current.key.clone())),
            ("ca.crt", Some(stored.authorities.concat())),
            ("next.crt", next.map(|next| next.certificate.clone())),
            ("next.key", next.map(|next| next.key.clone())),
        ]),
        annotations: BTreeMap::from([
            (NAMES, Some(stored.names.join(","))),
            (RENEWED, stored.renewed.clone()),
            (NEXT_SINCE, since),
        ]),
    }
}

/// The certificates of a PEM text, each as a text of its own that ends with a line break.
fn certificates(pem: &str) -> Vec<String> {
    const END: &str = "-----END CERTIFICATE-----";
    let all = pem.split_inclusive(END).filter(|one| one.contains("-----BEGIN CERTIFICATE-----"));
    all.map(|one| format!("{}\n", one.trim())).collect()
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
            let patch = written(&stored);
            let given = |map: BTreeMap<&'static str, Option<String>>| {
                map.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
            };
            let secret =
                ServingSecret { data: given(patch.data), annotations: given(patch.annotations), revision: None };
            assert_eq!(read(&secret), (Some(stored), None));
        }
        assert_eq!(read(&ServingSecret::default()), (None, None));
    }

    fn authority(name: &str) -> String {
        format!("-----BEGIN CERTIFICATE-----\n{name}\n-----END CERTIFICATE-----\n")
    }

    fn with_bundles(bundles: &[&str]) -> Registered {
        let bundles = bundles.iter().map(|bundle| bundle.as_bytes().to_vec()).collect();
        Registered { generation: 1, revision: None, bundles }
    }

    #[test]
    fn an_authority_is_added_to_those_that_are_found() {
        let (a, b, c) = (authority("a"), authority("b"), authority("c"));
        let found = [Some(with_bundles(&[&a, &format!("{a}{b}")])), Some(with_bundles(&["", b.trim()]))];
        let made = bundle(&found, vec![c.clone()]).unwrap();
        assert_eq!(String::from_utf8(made).unwrap(), format!("{c}{a}{b}"));
        let kept = bundle(&found, vec![b.clone()]).unwrap();
        assert_eq!(String::from_utf8(kept).unwrap(), format!("{a}{b}"), "what is trusted already changes nothing");
        assert_eq!(bundle(&[None, None], Vec::new()), None);
        assert!(holds(format!("{a}{b}").as_bytes(), &[b]) && !holds(a.as_bytes(), &[c]));
    }

    #[test]
    fn authorities_of_others_are_bounded() {
        let many: String = (0..20).map(|number| authority(&number.to_string())).collect();
        let found = [Some(with_bundles(&[&many])), Some(with_bundles(&[&many]))];
        let made = bundle(&found, vec![authority("own")]).unwrap();
        assert!(
            holds(&made, &[authority("own")]) && certificates(&String::from_utf8_lossy(&made)).len() == AUTHORITIES
        );
    }
}
