//! Manifests that Albedo prints: CRDs and webhook configurations.

use std::path::PathBuf;
use std::process::ExitCode;

use albedo_engine::admit::registration::{Options, Overrides, Target};
use anyhow::{Context, bail};
use clap::Args;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::flags::pairs;
use super::{files, printing};
use crate::cluster::CRDS;
use crate::serve::registration_yaml;

/// Prints the CRDs as one stream.
///
/// # Errors
/// If they cannot be written.
pub fn crds() -> anyhow::Result<ExitCode> {
    for (_, yaml) in CRDS {
        printing::put(&format!("---\n{}\n", yaml.trim_start_matches("---\n").trim_end()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the webhook configurations.
#[derive(Debug, Args)]
pub struct WebhookConfig {
    /// Base URL of the webhooks, instead of a Service
    #[arg(long)]
    url: Option<String>,
    /// Namespace of the Service
    #[arg(long, default_value = "albedo-system")]
    service_namespace: String,
    /// Name of the Service
    #[arg(long, default_value = "albedo-webhook")]
    service_name: String,
    /// Port of the Service
    #[arg(long, default_value_t = 443)]
    service_port: u16,
    /// Name of both configurations
    #[arg(long, default_value = "albedo-webhook")]
    name: String,
    /// Value of the legacy class annotation, and name of a class, that is Albedo's
    #[arg(long, default_value = "alb")]
    ingress_class: String,
    /// Names of more classes that are Albedo's
    #[arg(long = "class")]
    classes: Vec<String>,
    /// PEM file of the CA of the serving certificate
    #[arg(long)]
    ca_file: Option<PathBuf>,
    /// Certificate (namespace/name) whose CA cert-manager injects; with a Service and without --ca-file: albedo-serving in its namespace
    #[arg(long)]
    inject_ca_from: Option<String>,
    /// Labels (key=value,…) of the namespaces that are reviewed
    #[arg(long, default_value = "")]
    namespace_selector: String,
    /// What is registered otherwise than by default, as for `albedo run`
    #[arg(long, default_value = "", value_parser = Overrides::parse)]
    webhook_overrides: Overrides,
    /// User whose writes are not reviewed
    #[arg(long, default_value = "system:serviceaccount:albedo-system:albedo")]
    controller_user: String,
}

impl WebhookConfig {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        if self.url.is_some() && self.inject_ca_from.is_some() {
            bail!("--url and --inject-ca-from exclude each other: cert-manager's certificate is for the Service");
        }
        let ca_bundle = match &self.ca_file {
            Some(path) => {
                let bytes = files::bounded(path, files::LARGEST_SETTINGS);
                Some(bytes.with_context(|| format!("--ca-file {}", path.display()))?)
            }
            None => None,
        };
        let labels = pairs("--namespace-selector", &self.namespace_selector)?;
        let injects = self.url.is_none() && self.ca_file.is_none();
        let inject_ca_from =
            self.inject_ca_from.or_else(|| injects.then(|| format!("{}/albedo-serving", self.service_namespace)));
        let mut classes = self.classes;
        if !classes.contains(&self.ingress_class) {
            classes.insert(0, self.ingress_class);
        }
        let options = Options {
            name: self.name,
            target: match self.url {
                Some(url) => Target::Url(url),
                None => Target::Service {
                    namespace: self.service_namespace,
                    name: self.service_name,
                    port: self.service_port,
                },
            },
            ca_bundle,
            classes,
            namespace_selector: (!labels.is_empty())
                .then_some(LabelSelector { match_labels: Some(labels), match_expressions: None }),
            controller_user: Some(self.controller_user).filter(|user| !user.is_empty()),
            inject_ca_from,
            overrides: self.webhook_overrides,
            ..Options::default()
        };
        printing::put(&registration_yaml(&options)?)?;
        Ok(ExitCode::SUCCESS)
    }
}
