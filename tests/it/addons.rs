//! Web ACLs, Shield and reserved capacity on the wire, and facts of the account as a file.

use std::path::PathBuf;
use std::sync::Arc;

use albedo_testenv::{Call, LoadBalancer, eventually};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::base::{ALBEDO, Base};
use crate::fixture::{Fixture, SOON};
use crate::objects::{rule, service};

const CLASSIC: &str = "11112222-3333-4444-5555-666677778888";
/// Shield answers there for all regions.
const SHIELDS_REGION: &str = "us-east-1";

struct Guarded {
    fixture: Fixture,
    acl: String,
}

/// What is attached to a load balancer: web ACL, that of WAF Classic, protection, capacity.
fn attached(balancer: &LoadBalancer) -> Value {
    json!([balancer.web_acl, balancer.classic_web_acl, balancer.shield_protection, balancer.capacity])
}

impl Guarded {
    async fn open(base: &Arc<Base>, name: &str) -> Result<Self> {
        let mut fixture = Fixture::open(base, name).await?;
        fixture.flags(&["--lb-stabilization-monitor-interval=1s"]);
        let acl = plant_acl(&fixture, "front").await?;
        fixture.start().await?;
        fixture.register().await?;
        fixture.apply(&[service("web", "NodePort", 80, 8080)]).await?;
        Ok(Self { fixture, acl })
    }

    fn ingress(&self, pairs: &[(&str, &str)]) -> Value {
        self.fixture.ingress("web", pairs, &json!([rule(None, &[("/", "Prefix", "web", 80)])]))
    }

    async fn balancer(&self) -> Result<LoadBalancer> {
        self.fixture.state().await?.load_balancers.into_iter().next().context("no load balancer")
    }

    /// Applies the Ingress with these annotations and waits until what is attached is as wanted.
    async fn becomes(&self, pairs: &[(&str, &str)], wanted: Value) -> Result<()> {
        self.fixture.apply(&[self.ingress(pairs)]).await?;
        self.fixture.hostname("web").await?;
        eventually(&format!("{wanted} is attached"), SOON, async || {
            let is = attached(&self.balancer().await?);
            ensure!(is == wanted, "it is {is}");
            Ok(Some(()))
        })
        .await?;
        self.fixture.quiet().await
    }

    /// The calls since then about what is attached to the load balancer.
    async fn calls(&self, mark: u64) -> Result<Vec<Call>> {
        let (emulator, arn) = (self.fixture.scope.emulator(), self.balancer().await?.arn);
        let mut calls = emulator.calls_since(&self.fixture.scope.region, mark).await?;
        calls.retain(|call| {
            ["wafv2", "waf-regional"].contains(&call.service.as_str()) && call.operation != "ListWebACLs"
                || call.operation.contains("CapacityReservation")
        });
        let shield = emulator.calls_since(SHIELDS_REGION, mark).await?;
        calls.extend(shield.into_iter().filter(|call| call.params["ResourceArn"] == json!(arn)));
        Ok(calls)
    }
}

/// Makes a web ACL; answers its ARN.
async fn plant_acl(fixture: &Fixture, name: &str) -> Result<String> {
    let arn = format!("arn:aws:wafv2:{}:123456789012:regional/webacl/{name}/1", fixture.scope.region);
    fixture.scope.emulator().plant(&fixture.scope.region, &json!([{"kind": "web-acl", "arn": arn}])).await?;
    Ok(arn)
}

fn names(calls: &[Call]) -> Vec<&str> {
    calls.iter().map(|call| call.operation.as_str()).collect()
}

/// All that can be attached is, costs nothing while nothing changes, stays when nobody speaks of it, and goes when asked.
pub async fn what_is_attached_stays_until_it_is_asked_away(base: Arc<Base>) -> Result<()> {
    let guarded = Guarded::open(&base, "attached").await?;
    let all = json!([guarded.acl, CLASSIC, "managed by aws-load-balancer-controller", 500]);
    let asked = [
        ("wafv2-acl-arn", guarded.acl.as_str()),
        ("waf-acl-id", CLASSIC),
        ("shield-advanced-protection", "true"),
        ("minimum-load-balancer-capacity", "CapacityUnits=500"),
    ];
    let mark = guarded.fixture.mark().await?;
    guarded.becomes(&asked, all.clone()).await?;
    let calls = guarded.calls(mark).await?;
    ensure!(calls.iter().filter(|call| call.write).count() == 4, "{:?}", names(&calls));

    let mark = guarded.fixture.mark().await?;
    let tagged = [asked.as_slice(), &[("tags", "team=shop")]].concat();
    guarded.becomes(&tagged, all.clone()).await?;
    eventually("the load balancer is tagged", SOON, async || {
        Ok(guarded.balancer().await?.tags.get("team").filter(|team| *team == "shop").map(drop))
    })
    .await?;
    // Who made the protection is asked once: AWS gives its id to nobody else.
    let calls = guarded.calls(mark).await?;
    ensure!(names(&calls).iter().all(|name| *name == "DescribeProtection") && calls.len() <= 1, "{:?}", names(&calls));

    let mark = guarded.fixture.mark().await?;
    guarded.becomes(&[], all).await?;
    ensure!(guarded.calls(mark).await?.is_empty(), "{:?}", names(&guarded.calls(mark).await?));

    let away = [
        ("wafv2-acl-name", "none"),
        ("web-acl-id", "none"),
        ("shield-advanced-protection", "false"),
        ("minimum-load-balancer-capacity", "CapacityUnits=0"),
    ];
    guarded.becomes(&away, json!([null, null, null, null])).await?;
    guarded.fixture.close().await
}

/// A name is looked up; one that does not exist is refused with the one that was meant, and so is a folded ARN.
pub async fn a_web_acl_has_to_exist(base: Arc<Base>) -> Result<()> {
    let guarded = Guarded::open(&base, "web-acl").await?;
    guarded.becomes(&[("wafv2-acl-name", "front")], json!([guarded.acl, null, null, null])).await?;
    let folded = format!("{}\n", guarded.acl);
    let rows = [
        ("wafv2-acl-name", "frnt", "ALB207", "did you mean front?"),
        ("wafv2-acl-arn", folded.as_str(), "ALB027", "remove the white space"),
        ("shield-advanced-protection", "yes", "ALB011", ""),
    ];
    for (key, value, code, fix) in rows {
        let out = guarded.fixture.try_apply(&[guarded.ingress(&[(key, value)])], &["--dry-run=server"]).await?;
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        ensure!(!out.status.success() && said.contains(code) && said.contains(fix), "{key}: {value:?}: {said}");
    }
    // One that was made after the facts were read is refused at first, which makes them be read again.
    let late = guarded.ingress(&[("wafv2-acl-arn", &plant_acl(&guarded.fixture, "late").await?)]);
    eventually("a web ACL that was just made is accepted", SOON, async || {
        let out = guarded.fixture.try_apply(std::slice::from_ref(&late), &["--dry-run=server"]).await?;
        ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        Ok(Some(()))
    })
    .await?;
    guarded.fixture.close().await
}

/// `albedo facts` writes what the account holds, and `check` and `plan` go by it without any account.
pub async fn facts_are_a_file(base: Arc<Base>) -> Result<()> {
    let guarded = Guarded::open(&base, "facts").await?;
    let (fixture, region) = (&guarded.fixture, guarded.fixture.scope.region.clone());
    let vpc = fixture.scope.emulator().world(&region).await?.vpc_id;
    let file = fixture.write("aws.json", "")?;
    let mut command = Command::new(ALBEDO);
    command.envs(fixture.launch.env.iter().filter(|(name, _)| name.starts_with("AWS_")).cloned());
    command.args(["facts", &format!("--aws-region={region}"), &format!("--aws-vpc-id={vpc}"), "--output"]).arg(&file);
    let out = command.output().await?;
    ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let facts: Value = serde_json::from_str(&std::fs::read_to_string(&file)?)?;
    ensure!(facts["region"] == region && facts["vpc_id"] == vpc, "{facts}");
    ensure!(facts["web_acls"]["value"]["front"] == guarded.acl, "{}", facts["web_acls"]);
    ensure!(facts["shield_subscribed"]["value"] == true, "{}", facts["shield_subscribed"]);
    let limit = &facts["account_limits"]["value"]["rules-per-application-load-balancer"];
    ensure!(limit == 100, "{}", facts["account_limits"]);

    let offline = async |command: &str, pairs: &[(&str, &str)]| -> Result<(Option<i32>, String)> {
        let manifest = fixture.write("offline.json", &guarded.ingress(pairs).to_string())?;
        let (manifest, facts) = (manifest.to_string_lossy().into_owned(), file.to_string_lossy().into_owned());
        let out = Command::new(ALBEDO).args([command, &manifest, "--facts", &facts]).env_clear().output().await?;
        let said = [out.stdout, out.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        Ok((out.status.code(), said))
    };
    let (code, said) = offline("check", &[("wafv2-acl-name", "front")]).await?;
    ensure!(code == Some(0), "{said}");
    let (code, said) = offline("check", &[("wafv2-acl-name", "frnt")]).await?;
    ensure!(code == Some(1) && said.contains("ALB207") && said.contains("did you mean front?"), "{said}");
    let (_, said) = offline("plan", &[("wafv2-acl-name", "front")]).await?;
    let subnet = fixture.scope.emulator().world(&region).await?.subnet("private-a").map(str::to_owned);
    ensure!(said.contains(&guarded.acl) && said.contains(&subnet.context("no subnet")?), "{said}");

    let broken: PathBuf = fixture.write("broken.json", "{\"subnets\": {\"value\": 1}}")?;
    let manifest = fixture.write("offline.json", &guarded.ingress(&[]).to_string())?;
    let out = Command::new(ALBEDO).arg("check").arg(&manifest).arg("--facts").arg(&broken).output().await?;
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    ensure!(out.status.code() == Some(2) && said.contains("subnets.value"), "{said}");
    guarded.fixture.close().await
}
