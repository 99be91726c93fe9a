//! `albedo explain`: the meaning of an annotation, an attribute or a finding code, or the state of an Ingress.

use std::process::ExitCode;

use albedo_engine::explain;
use anyhow::bail;
use clap::Args;

use super::ingress::{Reading, named};
use super::printing;

/// Explains words, or an Ingress of a cluster. Without words it lists all topics.
#[derive(Debug, Args)]
pub struct Explain {
    /// Keys of annotations (with or without their prefix) or of attributes, or codes such as ALB005; or `ingress NS/NAME`
    words: Vec<String>,
    #[command(flatten, next_help_heading = "With an Ingress")]
    reading: Reading,
}

impl Explain {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        if let Some((namespace, name)) = named(&self.words)? {
            return self.reading.explain(namespace, &name);
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
}
