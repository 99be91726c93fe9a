//! Members that break: what was there of them answers on, by what the ledger remembers and without it, and the others go on.

use std::sync::Arc;

use albedo_testenv::eventually;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::base::Base;
use crate::fixture::{Fixture, SOON, tail};
use crate::objects::rule;

const REDIRECT: &str =
    r#"{"type": "redirect", "redirectConfig": {"host": "new.example.com", "statusCode": "HTTP_301"}}"#;

struct Trio {
    fixture: Fixture,
}

impl Trio {
    fn member(&self, name: &str, order: &str, pairs: &[(&str, &str)], rules: &Value) -> Value {
        let group = [("group.name", self.fixture.scope.group.as_str()), ("group.order", order), ("target-type", "ip")];
        self.fixture.ingress(name, &[&group, pairs].concat(), rules)
    }

    fn shop(&self, path: &str) -> Value {
        self.member(
            "shop",
            "1",
            &[],
            &json!([rule(None, &[("/shop", "Exact", "web", 80), (path, "Exact", "api", 8000)])]),
        )
    }

    /// A member that leads elsewhere and has no Service of its own.
    fn moved(&self, action: &str) -> Value {
        let path = json!({"path": "/old", "pathType": "Exact",
            "backend": {"service": {"name": "away", "port": {"name": "use-annotation"}}}});
        self.member("moved", "2", &[("actions.away", action)], &json!([{"http": {"paths": [path]}}]))
    }

    fn blog(&self, path: &str) -> Value {
        self.member("blog", "3", &[], &json!([rule(None, &[(path, "Exact", "web", 80)])]))
    }

    /// Path and action of each rule of port 80, in their order.
    async fn rules(&self) -> Result<Vec<String>> {
        let state = self.fixture.state().await?;
        let listener = state.load_balancers.first().and_then(|one| one.listener(80)).context("no listener")?;
        let one = |rule: &albedo_testenv::Rule| {
            let path = rule.conditions.first()?["PathPatternConfig"]["Values"][0].as_str()?;
            Some(format!("{path} {}", rule.actions.first()?["Type"].as_str()?))
        };
        Ok(listener.rules.iter().filter(|rule| !rule.is_default).filter_map(one).collect())
    }

    async fn has(&self, wanted: &[&str]) -> Result<()> {
        eventually(&format!("the rules are {wanted:?}"), SOON, async || {
            let is = self.rules().await?;
            ensure!(is == wanted, "they are {is:?}");
            Ok(Some(()))
        })
        .await
        .with_context(|| tail(&self.fixture.log()))?;
        self.fixture.quiet().await?;
        let is = self.rules().await?;
        ensure!(is == wanted, "after a while they are {is:?}\n{}", tail(&self.fixture.log()));
        Ok(())
    }

    async fn forget(&self) -> Result<()> {
        let all = self.fixture.kubectl(&["get", "ingressgroups", "-o", "name"]).await?;
        let own = all.lines().find(|name| name.contains(&self.fixture.scope.group)).context("no ledger")?;
        self.fixture.kubectl(&["delete", own]).await.map(drop)
    }

    /// Only one member has a warning.
    async fn only_moved_was_told(&self) -> Result<()> {
        for name in ["shop", "blog"] {
            let told = self.fixture.events(name).await?;
            ensure!(told.iter().all(|(reason, _)| reason == "SuccessfullyReconciled"), "{name} was told {told:?}");
        }
        self.fixture.event("moved", "FailedBuildModel", "actions.away").await.map(drop)
    }
}

/// One of three breaks while nobody reviews it; the process is killed, the ledger deleted, the others edited: its redirect goes on
/// answering where it stood, and it alone hears why.
pub async fn a_redirect_that_breaks_answers_on(base: Arc<Base>) -> Result<()> {
    let mut trio = Trio { fixture: Fixture::with_albedo(&base, "redirect").await? };
    trio.fixture.backends("ClusterIP").await?;
    trio.fixture.apply(&[trio.shop("/basket"), trio.moved(REDIRECT), trio.blog("/blog")]).await?;
    trio.has(&["/shop forward", "/basket forward", "/old redirect", "/blog forward"]).await?;

    trio.fixture.apply(&[trio.moved("{broken")]).await?;
    trio.only_moved_was_told().await?;
    trio.fixture.albedo()?.kill().await?;
    trio.fixture.start().await?;
    // By its last good input, which the ledger has.
    trio.fixture.apply(&[trio.blog("/news")]).await?;
    trio.has(&["/shop forward", "/basket forward", "/old redirect", "/news forward"]).await?;

    trio.fixture.albedo()?.kill().await?;
    trio.forget().await?;
    trio.fixture.start().await?;
    // Without it nobody knows whose the redirect is, nor whose was what another edit would leave behind.
    trio.fixture.apply(&[trio.shop("/cart")]).await?;
    trio.has(&["/shop forward", "/basket forward", "/old redirect", "/cart forward", "/news forward"]).await?;
    let said = trio.fixture.event("moved", "FailedBuildModel", "what AWS holds of it stays").await?;
    ensure!(said.contains("actions.away"), "{said}");
    // The new ledger says so, and so it is after another start.
    trio.fixture.albedo()?.kill().await?;
    let mark = trio.fixture.mark().await?;
    trio.fixture.start().await?;
    trio.fixture.looked_at(mark).await?;
    trio.has(&["/shop forward", "/basket forward", "/old redirect", "/cart forward", "/news forward"]).await?;
    ensure!(trio.fixture.writes_since(mark).await?.is_empty(), "another start wrote something");
    trio.only_moved_was_told().await?;

    // Fixed, everything is somebody's again.
    trio.fixture.apply(&[trio.moved(REDIRECT)]).await?;
    trio.has(&["/shop forward", "/cart forward", "/old redirect", "/news forward"]).await?;
    trio.fixture.kubectl(&["delete", "ingress", "--all", "--timeout=60s"]).await?;
    trio.fixture.close().await
}
