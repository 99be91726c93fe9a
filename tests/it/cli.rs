//! The command line: the same findings and plans on files, manifests that match what is checked in, the predecessor's arguments.

use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tokio::process::Command;

use crate::base::{ALBEDO, Base, albedo};
use crate::fixture::Fixture;
use crate::golden;

/// Runs Albedo in the repository, where file names are short.
async fn run(args: &[&str]) -> Result<(Option<i32>, String)> {
    let Output { status, stdout, stderr } =
        Command::new(ALBEDO).args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output().await?;
    Ok((status.code(), [stderr, stdout].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat()))
}

pub async fn check_reports_what_admission_would(base: Arc<Base>) -> Result<()> {
    let region = "--aws-region=us-east-1";
    let rows: [(&[&str], i32, &[&str]); 7] = [
        (&["check", "examples/2048.yaml"], 0, &["1 Ingress, 0 errors, 0 warnings"]),
        (
            &["check", "examples/2048.yaml", "examples/bad-camel-case-keys.yaml"],
            1,
            &[
                "examples/bad-camel-case-keys.yaml",
                "ALB001",
                "`listen-ports`",
                "`target-type`",
                "`ssl-policy`",
                "3 errors",
            ],
        ),
        (
            &["check", "examples/2048.yaml", "examples/bad-values.yaml"],
            1,
            &["ALB003", "ALB009", "\"pod\"", "/*", "2 errors"],
        ),
        (
            &["check", region, "examples/2048.yaml", "examples/bad-references.yaml"],
            1,
            &["ALB205", "ap-southeast-2", "us-east-1", "arn:arn:", "named twice", "3 errors"],
        ),
        // Alone its Service is missing, which may come later, unless that is not to be.
        (&["check", "examples/bad-values.yaml"], 1, &["warning", "ALB101"]),
        (&["check", "--strict", "examples/bad-values.yaml"], 1, &["3 errors"]),
        (&["check", "examples/nowhere.yaml"], 2, &["examples/nowhere.yaml"]),
    ];
    for (args, code, facts) in rows {
        let (is, said) = run(args).await?;
        ensure!(is == Some(code), "albedo {args:?}: {is:?}\n{said}");
        for fact in facts {
            ensure!(said.contains(fact), "albedo {args:?} does not say {fact:?}:\n{said}");
        }
    }
    let (code, said) = run(&["check", region, "examples"]).await?;
    ensure!(code == Some(1), "{said}");
    golden::holds("check-examples.txt", &said)?;
    drop(base);
    Ok(())
}

pub async fn explain_tells_what_words_mean(base: Arc<Base>) -> Result<()> {
    let rows: [(&[&str], i32, &[&str]); 6] = [
        (&["explain"], 0, &["target-type", "actions.<service>", "kubernetes.io/ingress.class", "ALB103"]),
        (&["explain", "target-type"], 0, &["one of instance, ip", "spec.targetType of IngressClassParams", "ALB003"]),
        (&["explain", "alb.ingress.kubernetes.io/actions.web"], 0, &["use-annotation", "ALB012"]),
        (&["explain", "idle_timeout.timeout_seconds", "alb005"], 0, &["from 1 to 4000", "not a certificate's ARN"]),
        (&["explain", "targetType"], 2, &["did you mean `target-type`?"]),
        (&["explain", "ALB0O5"], 2, &["did you mean `ALB005`?"]),
    ];
    for (args, code, facts) in rows {
        let (is, said) = run(args).await?;
        ensure!(is == Some(code), "albedo {args:?}: {is:?}\n{said}");
        for fact in facts {
            ensure!(said.contains(fact), "albedo {args:?} does not say {fact:?}:\n{said}");
        }
    }
    drop(base);
    Ok(())
}

/// What files lack comes from the cluster, whose state is only read.
pub async fn check_looks_into_the_cluster(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::open(&base, "neighbours").await?;
    let namespace = fixture.scope.namespace.clone();
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "app", "namespace": namespace},
        "spec": {"type": "ClusterIP", "ports": [{"port": 80}]}});
    fixture.apply(&[service]).await?;
    let ingress = |name: &str, class: &str| {
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name, "namespace": namespace},
            "spec": {"ingressClassName": class, "defaultBackend": {"service": {"name": "app", "port": {"number": 80}}}}})
    };
    let list = json!({"apiVersion": "v1", "kind": "List",
        "items": [ingress("web", &fixture.scope.class), ingress("other", "nobody")]});
    let file = base.dir().join("neighbours.json");
    std::fs::write(&file, list.to_string())?;
    let check = |args: &'static [&'static str]| {
        let mut command = Command::new(ALBEDO);
        command.arg("check").arg(&file).args(args).env("KUBECONFIG", base.test_env.plane().kubeconfig());
        async move {
            let out = command.output().await?;
            let said = [out.stderr, out.stdout].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
            anyhow::Ok((out.status.code(), said))
        }
    };
    // Alone: the Service may come later. In the cluster it is of a type that instance targets cannot reach.
    let (code, said) = check(&[]).await?;
    ensure!(code == Some(0) && said.contains("ALB101") && !said.contains("ClusterIP"), "{code:?} {said}");
    let (code, said) = check(&["--cluster"]).await?;
    ensure!(code == Some(1) && said.contains("ClusterIP") && !said.contains("ALB101"), "{code:?} {said}");
    ensure!(said.contains("\"nobody\""), "the class that the cluster lacks: {said}");
    let out = Command::new(ALBEDO)
        .args(["check", "--cluster", "examples/2048.yaml"])
        .env("KUBECONFIG", base.dir().join("no-such-file"))
        .output()
        .await?;
    ensure!(out.status.code() == Some(2), "{out:?}");
    Ok(())
}

/// The same verdict in the forms that programs read; what is bad is told with its place, and the exit code says so.
pub async fn check_speaks_to_programs(_: Arc<Base>) -> Result<()> {
    let (code, said) = run(&["check", "--output=json", "examples/bad-values.yaml"]).await?;
    let json: serde_json::Value = serde_json::from_str(&said).with_context(|| said.clone())?;
    let findings = json["findings"].as_array().context("findings")?;
    ensure!(code == Some(1) && findings.iter().any(|one| one["code"] == "ALB003" && one["line"].is_u64()), "{said}");
    let (_, said) = run(&["check", "--output=sarif", "examples/bad-values.yaml"]).await?;
    let sarif: serde_json::Value = serde_json::from_str(&said).with_context(|| said.clone())?;
    ensure!(sarif["version"] == "2.1.0", "{said}");
    let (_, said) = run(&["check", "--output=github", "examples/bad-values.yaml"]).await?;
    ensure!(said.contains("::error file=examples/bad-values.yaml,line="), "{said}");
    let (code, said) = run(&["check", "Cargo.toml"]).await?;
    ensure!(code == Some(1) && said.contains("Cargo.toml"), "{said}");
    let (code, said) = run(&["check", "--skip-others", "deploy/kustomization.yaml", "examples/2048.yaml"]).await?;
    ensure!(code == Some(0), "{said}");
    Ok(())
}

pub async fn plan_prints_what_would_be(_: Arc<Base>) -> Result<()> {
    let (code, said) = run(&["plan", "--cluster-name=demo", "examples/2048.yaml"]).await?;
    ensure!(code == Some(0), "{said}");
    golden::holds("plan-2048.txt", &said)?;
    let (code, said) = run(&["plan", "--output=json", "examples/2048.yaml"]).await?;
    let plans: serde_json::Value = serde_json::from_str(&said).with_context(|| said.clone())?;
    ensure!(code == Some(0) && plans.as_array().is_some_and(|plans| plans.len() == 1), "{said}");
    let (code, said) = run(&["plan", "examples/2048.yaml", "examples/bad-values.yaml"]).await?;
    ensure!(code == Some(1) && said.contains("bad-values is not part of it") && said.contains("ALB003"), "{said}");
    Ok(())
}

pub async fn plan_tells_what_changes(_: Arc<Base>) -> Result<()> {
    const BEFORE: &str = "tests/it/plan/before.yaml";
    const AFTER: &str = "tests/it/plan/after.yaml";
    let facts = "--facts=tests/it/plan/aws.json";
    let (code, said) = run(&["plan", "-f", BEFORE]).await?;
    ensure!(code == Some(0), "{said}");
    golden::holds("plan-unknown.txt", &said)?;
    let (code, said) = run(&["plan", "-f", AFTER, facts, "--output=json"]).await?;
    ensure!(code == Some(0), "{said}");
    golden::holds("plan-facts.json", &said)?;
    let (code, said) = run(&["plan", "-f", AFTER, facts, "--diff", BEFORE]).await?;
    ensure!(code == Some(0), "{said}");
    golden::holds("plan-diff.txt", &said)?;
    let (_, json) = run(&["plan", "-f", AFTER, facts, "--diff", BEFORE, "--output=json"]).await?;
    let changes: serde_json::Value = serde_json::from_str(&json).with_context(|| json.clone())?;
    let told = changes.as_array().map_or(0, Vec::len);
    ensure!(told == said.lines().count(), "{told} changes as JSON, as text:\n{said}");
    let (code, said) = run(&["plan", BEFORE, "--diff", BEFORE]).await?;
    ensure!(code == Some(0) && said == "nothing changes\n", "{said}");
    let (code, said) = run(&["plan", BEFORE, "--facts=tests/it/plan/before.yaml"]).await?;
    ensure!(code == Some(2) && said.contains("before.yaml: not a file from albedo facts"), "{said}");
    Ok(())
}

/// What is checked in is what the program prints.
pub async fn generated_manifests_are_up_to_date(_: Arc<Base>) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = |path: &str| std::fs::read_to_string(root.join(path)).with_context(|| path.to_owned());
    let crds = albedo(&["crds"]).await?;
    let folder = std::fs::read_dir(root.join("deploy/crds"))?;
    let mut names: Vec<String> = folder.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    ensure!(names.len() == 5, "{names:?}");
    for name in names {
        let text = file(&format!("deploy/crds/{name}"))?;
        ensure!(
            crds.contains(text.trim_start_matches("---\n").trim_end()),
            "deploy/crds/{name} is not what `albedo crds` prints"
        );
    }
    Ok(())
}

/// Whoever registers the webhooks by hand is told of one authority and of all classes.
pub async fn webhook_configurations_are_whole(_: Arc<Base>) -> Result<()> {
    for (args, has, lacks) in [
        (&[][..], &["inject-ca-from: albedo-system/albedo-serving", "['alb']"][..], &["caBundle"][..]),
        (&["--service-namespace=kube-ingress"], &["inject-ca-from: kube-ingress/albedo-serving"], &[]),
        (&["--class=public"], &["['alb', 'public']"], &["['public']"]),
        (&["--ingress-class=public"], &["['public']"], &["'alb'"]),
        (&["--url=https://127.0.0.1:9443"], &["url: https://127.0.0.1:9443/validate"], &["inject-ca-from"]),
    ] {
        let printed = albedo(&[&["webhook-config"], args].concat()).await?;
        ensure!(has.iter().all(|text| printed.contains(text)), "{args:?}: {has:?} in\n{printed}");
        ensure!(!lacks.iter().any(|text| printed.contains(text)), "{args:?}: none of {lacks:?} in\n{printed}");
    }
    Ok(())
}

/// The predecessor's Deployment starts its binary with flags alone, some of which mean nothing here.
pub async fn the_predecessors_arguments_start_it(base: Arc<Base>) -> Result<()> {
    let mut fixture = Fixture::open(&base, "arguments").await?;
    fixture.launch.args.retain(|arg| arg != "run");
    for flag in [
        "--enable-shield=false",
        "--enable-waf",
        "--quic-environment-variable-name=ID",
        "--feature-gates=EnableRGTAPI=true,NLBSecurityGroup=false",
    ] {
        fixture.launch.args.push(flag.into());
    }
    fixture.launch.args.extend(["--sync-period".into(), "1h".into()]);
    fixture.start().await?;
    let log = fixture.log();
    for ignored in ["--quic-environment-variable-name=ID", "EnableRGTAPI"] {
        let told = log.lines().filter(|line| line.contains(ignored) && line.contains("is ignored: ")).count();
        ensure!(told == 1, "{ignored} was told {told} times:\n{log}");
    }
    fixture.close().await?;

    let rows: [(&[&str], &str); 5] = [
        (&["run"], "--cluster-name"),
        (&["--cluster-name=x", "--default-target-type=pod"], "instance or ip"),
        (&["run", "--cluster-name=x", "--feature-gates=NoSuchGate=true"], "NoSuchGate"),
        (&["run", "--cluster-name=x", "--lb-stabilization-monitor-interval=soon"], "90s or 2m"),
        (&["run", "--cluster-name=x", "--admission-mode=loud"], "enforce, warn, off"),
    ];
    for (args, fact) in rows {
        let (code, said) = run(args).await?;
        ensure!(code == Some(2) && said.contains(fact), "albedo {args:?}: {code:?} {said}");
    }
    Ok(())
}
