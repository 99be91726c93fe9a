//! The tour itself. Whatever is claimed is looked at first: an expectation that fails ends it.

use std::collections::BTreeMap;

use albedo_testenv::{Call, State, eventually, settled};
use anyhow::{Context as _, Result, ensure};

use crate::screen::{Ink, Screen};
use crate::setting::{CALLER, SOON, Setting, kubectl};
use crate::traffic::{self, Front};

struct Tour<'a> {
    screen: &'a Screen,
    setting: &'a Setting,
}

pub async fn tour(screen: &Screen, setting: &Setting) -> Result<()> {
    let tour = Tour { screen, setting };
    tour.provision().await?;
    tour.refuse().await?;
    tour.edit().await?;
    let front = Front::of(setting, "game-2048", "game-2048").await?;
    traffic::roll_out(screen, setting, &front).await?;
    tour.delete().await
}

impl Tour<'_> {
    /// Shows a command and what it says; answers both, and whether it succeeded.
    async fn kubectl(&self, args: &[&str]) -> Result<(bool, String)> {
        self.screen.command(args);
        let out = kubectl(&self.setting.plane, args).await?;
        // Warnings come before the result on a terminal, too.
        let said = [out.stderr, out.stdout].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        self.screen.output(&said);
        Ok((out.status.success(), said))
    }

    async fn kubectl_ok(&self, args: &[&str]) -> Result<String> {
        let (succeeded, said) = self.kubectl(args).await?;
        ensure!(succeeded, "kubectl {} should have succeeded", args.join(" "));
        Ok(said)
    }

    async fn state(&self) -> Result<State> {
        self.setting.emulator.state(&self.setting.world.region).await
    }

    /// The calls of Albedo: what carries the traffic calls AWS, too.
    async fn calls(&self) -> Result<Vec<Call>> {
        let calls = self.setting.emulator.calls(&self.setting.world.region).await?;
        Ok(calls.into_iter().filter(|call| call.caller == CALLER).collect())
    }

    async fn provision(&self) -> Result<()> {
        self.screen.heading("An Ingress becomes a load balancer");
        self.kubectl_ok(&["apply", "-f", "examples/2048.yaml"]).await?;
        let ready = eventually(
            "a load balancer with two healthy targets, its name in the Ingress's status",
            SOON,
            async || {
                let state = self.state().await?;
                let targets = state.target_groups.iter().flat_map(|tg| &tg.targets);
                let healthy = targets.filter(|target| target.state == "healthy").count();
                let named = kubectl(&self.setting.plane, &["get", "ingress", "-n", "game-2048", "-o", "yaml"]).await?;
                Ok((healthy == 2 && String::from_utf8_lossy(&named.stdout).contains("hostname: k8s-")).then_some(state))
            },
        );
        let state = self.screen.step("provisioned", ready).await?;
        self.kubectl_ok(&["get", "ingress", "-n", "game-2048"]).await?;
        self.screen.line(&format!("\nIn AWS, {}:", self.setting.world.region));
        self.screen.tree(&state.picture(&self.setting.world));
        let front = Front::of(self.setting, "game-2048", "game-2048").await?;
        front.show(self.screen, "<title>2048</title>").await
    }

    async fn refuse(&self) -> Result<()> {
        self.screen.heading("What would not provision is refused, all of its faults at once");
        let before = self.calls().await?.iter().filter(|call| call.write).count();
        let expected: [(&str, &[&str]); 3] = [
            ("examples/bad-camel-case-keys.yaml", &["listen-ports", "target-type", "ssl-policy"]),
            ("examples/bad-values.yaml", &["pod", "/*"]),
            ("examples/bad-references.yaml", &["ap-southeast-2", "arn:arn:", "subnet"]),
        ];
        for (file, facts) in expected {
            let (succeeded, said) = self.kubectl(&["apply", "-f", file]).await?;
            ensure!(!succeeded, "{file} was not refused");
            for fact in facts {
                ensure!(said.contains(fact), "the refusal of {file} does not name {fact}");
            }
        }
        let after = self.calls().await?.iter().filter(|call| call.write).count();
        ensure!(before == after, "AWS was written to although everything was refused");
        self.screen.line("");
        self.screen.good("nothing was stored, and AWS was not asked for anything");
        Ok(())
    }

    async fn edit(&self) -> Result<()> {
        self.screen.heading("An edit, previewed and then made");
        let mark = self.setting.emulator.mark().await?;
        let said = self.kubectl_ok(&["apply", "-f", "tests/demo/edited.yaml", "--dry-run=server"]).await?;
        ensure!(said.contains("Warning: plan:"), "the dry run shows no plan");
        let region = &self.setting.world.region;
        let written =
            async || anyhow::Ok(self.setting.emulator.calls_since(region, mark).await?.iter().any(|c| c.write));
        ensure!(!written().await?, "a dry run wrote to AWS");
        self.kubectl_ok(&["apply", "-f", "tests/demo/edited.yaml"]).await?;
        let changed = eventually("a rule for /about before the one for all paths", SOON, async || {
            let state = self.state().await?;
            let rules = state.load_balancers.first().and_then(|lb| lb.listener(80)).map(|l| l.rules.len());
            Ok((rules == Some(3)).then_some(()))
        });
        let done = async {
            changed.await?;
            settled("no more calls", SOON, async || Ok(Some(self.setting.emulator.mark().await?))).await?;
            self.state().await
        };
        let state = self.screen.step("changed", done).await?;
        self.screen.tree(&state.picture(&self.setting.world));
        self.screen.line("\nwith these calls alone:");
        for call in self.setting.emulator.calls_since(region, mark).await?.iter().filter(|call| call.write) {
            self.screen.line(&format!("  {} {}", call.service, self.screen.ink(Ink::Cyan, &call.operation)));
        }
        let groups = self.kubectl_ok(&["get", "ingressgroups"]).await?;
        ensure!(groups.contains("game-2048"), "there is no IngressGroup");
        Ok(())
    }

    async fn delete(&self) -> Result<()> {
        self.screen.heading("Deletion leaves nothing");
        self.kubectl_ok(&["delete", "-f", "examples/2048.yaml", "--timeout=60s"]).await?;
        let empty = eventually("nothing of the Ingress is left in AWS", SOON, async || {
            let state = self.state().await?;
            Ok(state.picture(&self.setting.world).is_empty().then_some(state))
        });
        let state = self.screen.step("gone", empty).await?;
        self.kubectl_ok(&["get", "ingressgroups,targetgroupbindings", "-A"]).await?;
        let groups = state.security_groups.iter().filter(|sg| sg.name.starts_with("k8s-")).count();
        self.screen.line(&format!(
            "\nleft in AWS: {} load balancers, {} target groups, {groups} security groups of Albedo's",
            state.load_balancers.len(),
            state.target_groups.len()
        ));
        self.summary().await
    }

    async fn summary(&self) -> Result<()> {
        let calls = self.calls().await?;
        let mut writes: BTreeMap<&str, usize> = BTreeMap::new();
        calls.iter().filter(|call| call.write).for_each(|call| *writes.entry(&call.operation).or_default() += 1);
        let made: usize = writes.values().sum();
        let errors = calls.iter().filter(|call| call.error.is_some()).count();
        self.screen.line(&format!(
            "calls of AWS in all: {} reading, {made} writing, {errors} refused by AWS",
            calls.len().checked_sub(made).context("more writes than calls")?
        ));
        let list: Vec<String> = writes.iter().map(|(operation, n)| format!("{n} {operation}")).collect();
        self.screen.line(&self.screen.ink(Ink::Dim, &format!("  {}", list.join(", "))));
        ensure!(errors == 0, "AWS refused {errors} calls");
        Ok(())
    }
}
