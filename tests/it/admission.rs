//! What `kubectl apply` answers: a real API server asks this Albedo, a real kubectl prints what it says.

pub mod cases;
pub mod codes;
pub mod defaults;
pub mod dependents;
pub mod platform;
pub mod policy;
pub mod renderings;

use std::process::Output;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::fixture::{Fixture, GATES};
use crate::objects::{rule, service};

/// Everything that kubectl printed.
pub fn said(out: &Output) -> String {
    [&out.stderr, &out.stdout].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

/// Refused, with all of these in kubectl's words.
fn refused(what: &str, out: &Output, facts: &[&str]) -> Result<()> {
    let text = said(out);
    ensure!(!out.status.success(), "{what} was not refused:\n{text}");
    ensure!(text.contains("is invalid"), "{what} was refused, but not by a verdict:\n{text}");
    for fact in facts {
        ensure!(text.contains(fact), "the refusal of {what} does not say {fact:?}:\n{text}");
    }
    Ok(())
}

/// Let through with one warning that holds all of these.
fn warned(what: &str, out: &Output, facts: &[&str]) -> Result<()> {
    let text = said(out);
    ensure!(out.status.success(), "{what} was refused:\n{text}");
    let one = |line: &str| line.starts_with("Warning:") && facts.iter().all(|fact| line.contains(fact));
    ensure!(text.lines().any(one), "no warning on {what} says {facts:?}:\n{text}");
    Ok(())
}

/// Let through without a word.
fn silent(what: &str, out: &Output) -> Result<()> {
    let text = said(out);
    ensure!(out.status.success() && !text.contains("Warning"), "{what} was not let through in silence:\n{text}");
    Ok(())
}

/// One rule, `/` to the Service web.
pub fn plain() -> Value {
    json!([rule(None, &[("/", "Prefix", "web", 80)])])
}

/// Services that the cases refer to: `web` can be reached by node port, `inner` cannot. Pods of the namespace get readiness gates, so that
/// nothing has to be said of rollouts.
async fn services(fixture: &Fixture) -> Result<()> {
    fixture.label_namespace(&[GATES]).await?;
    fixture.apply(&[service("web", "NodePort", 80, 8080), service("inner", "ClusterIP", 80, 8080)]).await
}
