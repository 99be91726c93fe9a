//! The way back: LBC itself, started where Albedo has taken a cluster over from it, finds everything as it left it and writes nothing for that.
//!
//! It needs LBC's own program (`LBC_BIN=FILE`). Without it nothing is tested, and the test says so.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::sync::Arc;

use albedo_testenv::{Gate, Launch, eventually, free_port, settled};
use anyhow::{Context as _, Result, ensure};

use crate::adoption::{Adoption, told};
use crate::base::Base;
use crate::fixture::{SOON, policy, tail};

/// LBC reads everything again after this time.
const AGAIN: &str = "20s";
/// How often every load balancer is looked at before the count of writes is read.
const LOOKS: usize = 3;

pub async fn the_predecessor_finds_all_as_it_left_it(base: Arc<Base>) -> Result<()> {
    let Some(program) = std::env::var_os("LBC_BIN") else {
        eprintln!(
            "SKIPPED back::the_predecessor_finds_all_as_it_left_it: nothing was tested. It needs the program of the AWS Load Balancer \
             Controller 3.5.0: LBC_BIN=FILE"
        );
        return Ok(());
    };
    let mut adoption = Adoption::open_as(&base, "1", "back").await?;
    let (objects, state) = (adoption.objects().await?, told(adoption.state().await?));
    let of_its_own = wrote(&adoption, &program, "before").await?;

    let label = &adoption.frozen.label;
    let allowed = policy(&label.cluster, &label.vpc, &[]).await?;
    adoption.frozen.emulator.policies(&label.region, &[allowed]).await?;
    let writes = adoption.start(true).await?;
    ensure!(writes.is_empty(), "albedo wrote {writes:?}\n{}", adoption.tail());
    adoption.stop().await?;

    let after = wrote(&adoption, &program, "after").await?;
    let operations: Vec<&str> = after.iter().filter_map(|write| write.split(' ').next()).collect();
    eprintln!("back: LBC wrote {operations:?} after Albedo, and {} calls before", of_its_own.len());
    // AWS never tells the secret of an identity provider, so LBC sends such a rule each time.
    ensure!(after == of_its_own, "LBC wrote {after:#?} after Albedo, and {of_its_own:#?} before");
    adoption.still_holds(&objects, &state).await?;
    adoption.close().await
}

/// What LBC writes while it looks at every load balancer several times, to Kubernetes and to AWS.
async fn wrote(adoption: &Adoption, program: &OsStr, when: &str) -> Result<BTreeSet<String>> {
    let (frozen, dir) = (&adoption.frozen, adoption.dir());
    let (label, emulator) = (&frozen.label, &frozen.emulator);
    // Its rights are not what is tested.
    emulator.policies(&label.region, &[]).await?;
    let gate = Gate::open(emulator.endpoint(), frozen.plane.client()).await?;
    let (health, metrics, webhook) = (free_port()?, free_port()?, free_port()?);
    let kubeconfig = gate.kubeconfig(dir)?;
    let log = dir.join(format!("lbc-{when}.log"));
    let mut launch = Launch::new(program, format!("http://127.0.0.1:{health}/readyz"), log)
        .env("AWS_ENDPOINT_URL", gate.aws())
        .env("AWS_REGION", &label.region)
        .env("AWS_ACCESS_KEY_ID", "lbc")
        .env("AWS_SECRET_ACCESS_KEY", "testenv")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("KUBECONFIG", &kubeconfig)
        .arg(format!("--kubeconfig={}", kubeconfig.display()))
        .arg(format!("--cluster-name={}", label.cluster))
        .arg(format!("--aws-region={}", label.region))
        .arg(format!("--aws-vpc-id={}", label.vpc))
        .arg("--enable-leader-election=false")
        .arg(format!("--sync-period={AGAIN}"))
        .arg(format!("--webhook-cert-dir={}", dir.join("serving").display()))
        .arg(format!("--webhook-bind-port={webhook}"))
        .arg(format!("--health-probe-bind-addr=127.0.0.1:{health}"))
        .arg(format!("--metrics-bind-addr=127.0.0.1:{metrics}"));
    launch.ready_within = SOON;
    let mark = emulator.mark().await?;
    let mut lbc = launch.start().await?;
    let balancers = label.counts.load_balancers * LOOKS;
    let looked = eventually("LBC has looked at everything several times", SOON * 3, async || {
        let calls = emulator.calls_since(&label.region, mark).await?;
        let looked = calls.iter().filter(|call| call.operation == "DescribeListeners").count();
        ensure!(looked >= balancers, "{looked} of {balancers} looks");
        Ok(Some(()))
    });
    looked.await.with_context(|| tail(&lbc.log()))?;
    settled("LBC's writes", SOON, async || Ok(Some(gate.writes().len()))).await?;
    lbc.stop().await?;
    let to_kubernetes = gate.writes().into_iter().filter(|write| !write.starts_with("AWS "));
    let calls = emulator.calls_since(&label.region, mark).await?;
    let to_aws = calls.iter().filter(|call| call.write).map(|call| format!("{} {}", call.operation, call.params));
    Ok(to_kubernetes.chain(to_aws).collect())
}
