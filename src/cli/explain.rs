//! `albedo explain`: the meaning of an annotation, an attribute or a finding code, or the state of an Ingress.

use std::path::PathBuf;
use std::process::ExitCode;

use albedo_engine::admit::{self, Policy};
use albedo_engine::explain;
use albedo_engine::facts::Facts;
use anyhow::bail;
use clap::Args;
use jiff::Timestamp;

use super::flags::default_values;
use super::ingress::{Reading, named};
use super::{files, printing};

/// The word for the layers of defaults.
const DEFAULTS: &str = "defaults";

/// Explains words, or an Ingress of a cluster. Without words it lists all topics.
#[derive(Debug, Args)]
pub struct Explain {
    /// Keys of annotations (with or without their prefix) or of attributes, or codes such as ALB005; or `ingress NS/NAME`, or `defaults -f FILE`
    words: Vec<String>,
    /// With `defaults`: files or folders with Ingresses, and the IngressDefaults, classes, parameters and Namespaces that decide
    #[arg(short, long, num_args = 1.., value_name = "FILE")]
    filename: Vec<PathBuf>,
    /// With `defaults`: the controller's flag
    #[arg(long, default_value = "scheme,target-type,ip-address-type")]
    admission_defaults: String,
    #[command(flatten, next_help_heading = "With an Ingress")]
    reading: Reading,
}

impl Explain {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        if let Some((namespace, name)) = named(&self.words)? {
            return self.reading.explain(namespace, &name);
        }
        if self.words == [DEFAULTS] {
            return self.defaults();
        }
        if let [file, ..] = self.filename.as_slice() {
            bail!("-f {}: it belongs to `albedo explain defaults`", file.display());
        }
        if self.words.is_empty() {
            printing::put(&explain::list())?;
        }
        let mut texts = Vec::new();
        for word in &self.words {
            let topics = explain::topics(word);
            if topics.is_empty() {
                let meant = explain::meant(word).unwrap_or_else(|| "`albedo explain` lists all".to_owned());
                bail!("{word} is not an annotation, an attribute or a finding code; {meant}");
            }
            texts.extend(topics.iter().map(explain::Topic::text));
        }
        printing::put(&texts.join("\n"))?;
        Ok(ExitCode::SUCCESS)
    }
    /// Which layer gives which value to the Ingresses of files.
    fn defaults(&self) -> anyhow::Result<ExitCode> {
        if self.filename.is_empty() {
            bail!("explain defaults: name files with -f: Ingresses, and the IngressDefaults that match them");
        }
        let settings = self.reading.settings()?;
        let manifests = files::as_written(files::sources(&self.filename, true)?, &settings);
        for fault in &manifests.faults {
            printing::say(&manifests.told(fault));
        }
        let defaults = default_values(&self.admission_defaults, &settings)?;
        let policy = Policy { defaults, ..Policy::default() };
        let (world, facts) = (&manifests.world, &Facts::default());
        let context = admit::Context { world, facts, settings: &settings, policy: &policy, now: Timestamp::now() };
        printing::put(&admit::explain_defaults(context))?;
        Ok(if manifests.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }
}
