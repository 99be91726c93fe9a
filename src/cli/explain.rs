//! `albedo explain`: what an annotation, an attribute or a finding code means.

use std::process::ExitCode;

use albedo_engine::explain;
use anyhow::bail;
use clap::Args;

/// Explains words; without one it lists what there is.
#[derive(Debug, Args)]
pub struct Explain {
    /// Keys of annotations (with or without their prefix) or of attributes, or codes such as ALB005
    words: Vec<String>,
}

impl Explain {
    #[expect(clippy::print_stdout, reason = "what was asked for")]
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        if self.words.is_empty() {
            print!("{}", explain::list());
        }
        let mut texts = Vec::new();
        for word in &self.words {
            let topics = explain::topics(word);
            if topics.is_empty() {
                let meant = explain::meant(word).unwrap_or_else(|| "`albedo explain` lists all".to_owned());
                bail!("{word} is neither an annotation nor an attribute nor a finding's code; {meant}");
            }
            texts.extend(topics.iter().map(explain::Topic::text));
        }
        print!("{}", texts.join("\n"));
        Ok(ExitCode::SUCCESS)
    }
}
