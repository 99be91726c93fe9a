//! The switch from LBC, and back: `albedo preflight` looks at a cluster that LBC left, Albedo takes it over with the arguments that it prints, and what LBC
//! expects is there as before.

use std::path::Path;
use std::sync::Arc;

use albedo_testenv::{AUDIT, OBSERVED_USER as USER};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::adoption::{Adoption, told};
use crate::base::{ALBEDO, Base};

/// Runs the command on a thawed cluster and its AWS; its exit code and its report.
async fn preflight(adoption: &Adoption, kubeconfig: &Path, args: &[&str]) -> Result<(Option<i32>, Value)> {
    let out = Command::new(ALBEDO)
        .args(["preflight", "--output=json"])
        .args(args)
        .env("KUBECONFIG", kubeconfig)
        .env("AWS_ENDPOINT_URL", adoption.frozen.emulator.endpoint())
        .env("AWS_ACCESS_KEY_ID", USER)
        .env("AWS_SECRET_ACCESS_KEY", USER)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .output()
        .await?;
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let report = serde_json::from_str(&text);
    let report = report.with_context(|| format!("{text}{}", String::from_utf8_lossy(&out.stderr)))?;
    Ok((out.status.code(), report))
}

/// Lines of a severity, as `topic where: message`.
fn lines(report: &Value, severity: &str) -> Vec<String> {
    let all = report["lines"].as_array().into_iter().flatten().filter(|line| line["severity"] == severity);
    let text = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    all.map(|line| format!("{} {}: {}", text(line, "topic"), text(line, "where"), text(line, "message"))).collect()
}

/// Insists on a line that begins so and contains this.
fn told_of(lines: &[String], start: &str, part: &str) -> Result<()> {
    let is = lines.iter().any(|line| line.starts_with(start) && line.contains(part));
    ensure!(is, "no line {start} … {part} in\n{}", lines.join("\n"));
    Ok(())
}

/// What LBC's chart leaves in a cluster: its Deployment, and webhooks (which match nothing here, because nobody answers them).
fn lbc(adoption: &Adoption) -> Value {
    let label = &adoption.frozen.label;
    let labels = json!({"app.kubernetes.io/name": "aws-load-balancer-controller"});
    let args = [
        format!("--cluster-name={}", label.cluster),
        format!("--aws-region={}", label.region),
        format!("--aws-vpc-id={}", label.vpc),
        "--ingress-class=alb".to_owned(),
        "--targetgroupbinding-max-concurrent-reconciles=5".to_owned(),
        "--enable-endpoint-slices=false".to_owned(),
        "--feature-gates=NLBGatewayAPI=false,WeightedTargetGroups=true".to_owned(),
    ];
    let container =
        json!({"name": "c", "image": "public.ecr.aws/eks/aws-load-balancer-controller:v3.5.0", "args": args});
    let webhook = json!({"name": "vingress.elbv2.k8s.aws", "failurePolicy": "Fail", "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": {"namespace": "kube-system", "name": "aws-load-balancer-webhook-service", "path": "/x"}},
        "namespaceSelector": {"matchLabels": {"no": "namespace"}},
        "rules": [{"apiGroups": ["networking.k8s.io"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["ingresses"]}]});
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "aws-load-balancer-controller", "namespace": "kube-system", "labels": labels},
            "spec": {"replicas": 2, "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}}}},
        {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "aws-load-balancer-webhook"}, "webhooks": [webhook]},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "nlb", "namespace": "default"},
            "spec": {"type": "LoadBalancer", "loadBalancerClass": "service.k8s.aws/nlb", "ports": [{"port": 80}]}},
        {"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "gated", "labels": {"elbv2.k8s.aws/pod-readiness-gate-inject": "enabled"}}},
    ]})
}

/// The command changed nothing: not in Kubernetes, by the audit log of its user, and not in AWS, by the record of its calls.
async fn only_read(adoption: &Adoption, mark: u64) -> Result<()> {
    let log = std::fs::read_to_string(adoption.dir().join(AUDIT))?;
    let events = log.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    let own: Vec<&Value> = events.iter().filter(|event| event["user"]["username"] == USER).collect();
    ensure!(own.len() > 5, "the audit log has {} requests of the command", own.len());
    let writes: Vec<_> = own.iter().filter(|event| event["verb"] != "get" && event["verb"] != "list").collect();
    ensure!(writes.is_empty(), "{writes:?}");
    let calls = adoption.frozen.emulator.calls_since(&adoption.frozen.label.region, mark).await?;
    ensure!(calls.iter().any(|call| call.operation == "DescribeTags"), "AWS was not asked");
    let writes: Vec<&str> = calls.iter().filter(|call| call.write).map(|call| call.operation.as_str()).collect();
    ensure!(writes.is_empty(), "{writes:?}");
    Ok(())
}

pub async fn a_cluster_is_looked_at_switched_and_switched_back(base: Arc<Base>) -> Result<()> {
    let mut adoption = Adoption::open_as(&base, "1", "preflight").await?;
    adoption.apply("lbc.json", &lbc(&adoption)).await?;
    let (objects, state) = (adoption.objects().await?, told(adoption.state().await?));
    let kubeconfig = adoption.frozen.plane.kubeconfig_for(USER, Some("system:masters"))?;
    let mark = adoption.frozen.emulator.mark().await?;

    let (code, report) = preflight(&adoption, &kubeconfig, &[]).await?;
    let (blocks, warns, fine) = (lines(&report, "blocks"), lines(&report, "warns"), lines(&report, "fine"));
    ensure!(code == Some(1), "{code:?} {report:#}");
    ensure!(blocks.len() == 1, "{blocks:#?}");
    told_of(&blocks, "services Service default/nlb:", "Albedo does not")?;
    told_of(&warns, "controller --enable-endpoint-slices=false:", "not supported")?;
    told_of(&warns, "controller --sync-period:", "1h instead of 10h0m0s")?;
    told_of(
        &warns,
        "webhooks ValidatingWebhookConfiguration aws-load-balancer-webhook, webhook vingress",
        "ingresses",
    )?;
    told_of(&fine, "readiness-gates :", "1 namespace whose gates Albedo takes over")?;
    told_of(&fine, "controller --targetgroupbinding-max-concurrent-reconciles=5:", "ignored")?;
    told_of(&fine, "permissions ec2:CreateSecurityGroup:", "DryRun")?;
    told_of(&fine, "ingresses :", &format!("{} Ingresses checked", adoption.frozen.label.counts.ingresses))?;
    told_of(&fine, "tags :", "have tags")?;
    only_read(&adoption, mark).await?;
    let (code, beside) = preflight(&adoption, &kubeconfig, &["--beside-lbc", "--no-aws"]).await?;
    ensure!(code == Some(0), "{code:?} {beside:#}");

    // The switch, with the arguments that the report has.
    let service = ["delete", "service", "--namespace", "default", "nlb"];
    adoption.frozen.plane.kubectl_ok(service).await?;
    let webhooks = ["delete", "validatingwebhookconfiguration", "aws-load-balancer-webhook"];
    adoption.frozen.plane.kubectl_ok(webhooks).await?;
    let scale = ["scale", "deployment", "--namespace", "kube-system", "aws-load-balancer-controller", "--replicas=0"];
    adoption.frozen.plane.kubectl_ok(scale).await?;
    let mut objects = objects;
    objects.retain(|key, _| key != r#"services "default"/"nlb""#);
    for argument in report["arguments"].as_array().context("arguments")?.iter().filter_map(Value::as_str) {
        let name = argument.trim_start_matches("--").split('=').next().unwrap_or_default();
        if adoption.launch.value(name).is_none() {
            adoption.launch.args.push(argument.into());
        }
    }
    ensure!(adoption.launch.value("aws-max-retries") == Some("10"), "{:?}", adoption.launch.args);
    let writes = adoption.start(true).await?;
    ensure!(writes.is_empty(), "albedo wrote {writes:?}\n{}", adoption.tail());
    adoption.stop().await?;

    // And back: what LBC finds is what it left.
    let crd = ["delete", "crd", "ingressgroups.albedo.dev"];
    adoption.frozen.plane.kubectl_ok(crd).await?;
    adoption.still_holds(&objects, &state).await?;
    adoption.close().await
}

/// What may not be read is named, and is no success; a cluster that does not answer is no result.
pub async fn whoever_may_read_little_is_told_so(base: Arc<Base>) -> Result<()> {
    let plane = base.test_env.plane();
    let run = |kubeconfig: std::path::PathBuf| async move {
        let args = ["preflight", "--no-aws", "--output=text"];
        let out = Command::new(ALBEDO).args(args).env("KUBECONFIG", kubeconfig).output().await?;
        let said = [out.stdout, out.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        anyhow::Ok((out.status.code(), said))
    };
    let (code, said) = run(plane.kubeconfig_for("stranger", None)?).await?;
    ensure!(code == Some(1) && said.contains("Not read") && said.contains("cannot list ingresses"), "{code:?} {said}");
    let (code, said) = run(base.dir().join("no-such-file")).await?;
    ensure!(code == Some(2) && said.contains("kubeconfig"), "{code:?} {said}");
    Ok(())
}
