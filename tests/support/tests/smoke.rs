//! Starts everything that the tests stand on, for real, and sees each part do its work.
#![expect(clippy::print_stdout, reason = "times for whoever looks")]
#![expect(clippy::indexing_slicing, reason = "a panic is what a test has for a fault")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use albedo_testenv::{Binaries, ControlPlane, Launch, Process, Scope, Signal, TestEnv, eventually};
use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Client;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn everything_starts_works_and_stops() -> Result<()> {
    let begun = Instant::now();
    let test_env = Arc::new(TestEnv::start().await?);
    println!("test environment ready in {:.1?}", begun.elapsed());

    let (one, two) = (test_env.scope("Smoke one").await?, test_env.scope("smoke-two").await?);
    ensure!(one.world.vpc_id != two.world.vpc_id && one.region != two.region);
    ensure!(one.world.zones == ["a", "b", "c"].map(|z| format!("{}{z}", one.region)), "{:?}", one.world.zones);

    deployment_is_served(&one).await?;
    gate_keeps_pod_unready(&one).await?;
    certificate_is_issued(&one).await?;
    aws_is_seen_by_region(&one, &two).await?;
    provisioned_things_are_read(&two).await?;
    launched_program_is_waited_for(&one).await?;
    namespace_goes_away(&one).await?;

    drop((one, two));
    let test_env = Arc::into_inner(test_env).context("a scope still holds the test environment")?;
    let stopping = Instant::now();
    test_env.stop().await?;
    println!("stopped in {:.1?}, {:.1?} in all", stopping.elapsed(), begun.elapsed());
    Ok(())
}

async fn deployment_is_served(scope: &Scope) -> Result<()> {
    let begun = Instant::now();
    scope.kubectl(&["create", "deployment", "web", "--image=none", "--replicas=2", "--port=8080"]).await?;
    scope.kubectl(&["expose", "deployment", "web", "--port=80", "--target-port=8080"]).await?;
    let addresses = ready_addresses(scope.client(), &scope.namespace, "web", 2).await?;
    println!("deployment's endpoints ready in {:.1?}: {addresses:?}", begun.elapsed());
    let ranges: Vec<&str> = scope.world.nodes.iter().map(|n| n.pod_cidr.trim_end_matches("0/24")).collect();
    ensure!(
        addresses.iter().all(|a| ranges.iter().any(|r| a.starts_with(r))),
        "{addresses:?} are not all in {ranges:?}"
    );
    scope.kubectl(&["scale", "deployment", "web", "--replicas=5"]).await?;
    ready_addresses(scope.client(), &scope.namespace, "web", 5).await?;
    scope.kubectl(&["rollout", "status", "deployment", "web", "--timeout=20s"]).await?;
    Ok(())
}

async fn ready_addresses(client: Client, namespace: &str, service: &str, n: usize) -> Result<Vec<String>> {
    let slices: Api<EndpointSlice> = Api::namespaced(client, namespace);
    let of_service = ListParams::default().labels(&format!("kubernetes.io/service-name={service}"));
    eventually(&format!("{n} ready addresses of {service}"), LIMIT, async || {
        let found = slices.list(&of_service).await?;
        let endpoints = found.items.into_iter().flat_map(|s| s.endpoints);
        let ready = endpoints.filter(|e| e.conditions.as_ref().is_some_and(|c| c.ready == Some(true)));
        let addresses: Vec<String> = ready.flat_map(|e| e.addresses).collect();
        Ok((addresses.len() == n).then_some(addresses))
    })
    .await
}

async fn gate_keeps_pod_unready(scope: &Scope) -> Result<()> {
    let pods: Api<Pod> = scope.api();
    let pod = serde_json::from_value(json!({"metadata": {"name": "gated"}, "spec": {
        "containers": [{"name": "c", "image": "none"}], "readinessGates": [{"conditionType": "albedo.dev/gate"}]}}))?;
    pods.create(&PostParams::default(), &pod).await?;
    let condition = async |kind: &str| {
        let status = pods.get("gated").await?.status.unwrap_or_default();
        anyhow::Ok(status.conditions.unwrap_or_default().into_iter().find(|c| c.type_ == kind).map(|c| c.status))
    };
    eventually("containers ready", LIMIT, async || {
        Ok((condition("ContainersReady").await?.as_deref() == Some("True")).then_some(()))
    })
    .await?;
    ensure!(condition("Ready").await?.as_deref() == Some("False"), "ready before its gate was opened");
    let open = json!({"status": {"conditions": [{"type": "albedo.dev/gate", "status": "True"}]}});
    pods.patch_status("gated", &PatchParams::default(), &Patch::Strategic(open)).await?;
    eventually("ready", LIMIT, async || Ok((condition("Ready").await?.as_deref() == Some("True")).then_some(()))).await
}

async fn certificate_is_issued(scope: &Scope) -> Result<()> {
    let begun = Instant::now();
    scope.test_env().cert_manager().await?;
    println!("cert-manager started in {:.1?}", begun.elapsed());
    let manifest = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "cert-manager.io/v1", "kind": "Issuer", "metadata": {"name": "self"}, "spec": {"selfSigned": {}}},
        {"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "serving"}, "spec": {
            "secretName": "serving", "dnsNames": ["webhook.svc"], "issuerRef": {"name": "self", "kind": "Issuer"},
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"}}}]});
    let file = scope.test_env().dir().join("certificate.json");
    std::fs::write(&file, manifest.to_string())?;
    let begun = Instant::now();
    scope.kubectl(&["apply", "-f", &file.to_string_lossy()]).await?;
    scope.kubectl(&["wait", "certificate/serving", "--for=condition=Ready", "--timeout=30s"]).await?;
    println!("certificate issued in {:.1?}", begun.elapsed());
    let secrets: Api<Secret> = scope.api();
    let data = secrets.get("serving").await?.data.unwrap_or_default();
    ensure!(data.contains_key("tls.crt") && data.contains_key("tls.key"), "{:?}", data.keys());
    Ok(())
}

async fn aws_is_seen_by_region(one: &Scope, two: &Scope) -> Result<()> {
    let aws = one.emulator();
    let arn = aws.certificate(&one.region, &["*.example.com"]).await?;
    ensure!(arn.contains(&one.region), "{arn}");
    let begun = Instant::now();
    let state = aws.state(&one.region).await?;
    println!("empty region read in {:.1?}", begun.elapsed());
    ensure!(state.load_balancers.is_empty() && state.security_group(&one.world.node_security_group).is_some());
    ensure!(aws.state(&two.region).await?.security_group(&one.world.node_security_group).is_none());
    ensure!(aws.calls(&one.region).await?.is_empty(), "reading the state is no call");
    ensure!(aws.seed(&one.region, "another").await.is_err(), "a region belongs to one cluster");
    Ok(())
}

/// A client of another making: whatever an AWS SDK wrote is read back.
const PROVISION: &str = r#"
import boto3, os
subnets, group, vpc, cert = (os.environ[k] for k in ("SUBNETS", "GROUP", "VPC", "CERT"))
elb = boto3.client("elbv2")
tags = [{"Key": "elbv2.k8s.aws/cluster", "Value": "it"}]
lb = elb.create_load_balancer(Name="web", Subnets=subnets.split(","), SecurityGroups=[group], Tags=tags)["LoadBalancers"][0]["LoadBalancerArn"]
tg = elb.create_target_group(Name="web", Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip", Tags=tags)["TargetGroups"][0]["TargetGroupArn"]
to = [{"Type": "forward", "TargetGroupArn": tg}]
li = elb.create_listener(LoadBalancerArn=lb, Protocol="HTTPS", Port=443, Certificates=[{"CertificateArn": cert}], DefaultActions=to)["Listeners"][0]["ListenerArn"]
elb.create_rule(ListenerArn=li, Priority=1, Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/a"]}}], Actions=to, Tags=tags)
elb.register_targets(TargetGroupArn=tg, Targets=[{"Id": "10.77.33.1", "Port": 8080}])
"#;

async fn provisioned_things_are_read(scope: &Scope) -> Result<()> {
    let (aws, region) = (scope.emulator(), scope.region.as_str());
    let certificate = aws.certificate(region, &["web.example.com"]).await?;
    aws.faults(region, &json!([{"service": "elbv2", "operation": "CreateRule", "code": "Throttling"}])).await?;
    let mark = aws.mark().await?;
    let subnets: Vec<&str> = scope.world.public_subnets().collect();
    let out = tokio::process::Command::new(Binaries::aws().await?.join("python"))
        .args(["-c", PROVISION])
        .envs([("AWS_ENDPOINT_URL", aws.endpoint()), ("AWS_DEFAULT_REGION", region), ("AWS_ACCESS_KEY_ID", "x")])
        .envs([("AWS_SECRET_ACCESS_KEY", "x"), ("SUBNETS", &subnets.join(",")), ("CERT", &certificate)])
        .envs([("GROUP", &scope.world.node_security_group), ("VPC", &scope.world.vpc_id)])
        .output()
        .await?;
    ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));

    let begun = Instant::now();
    let state = aws.state(region).await?;
    println!("region with a load balancer read in {:.1?}", begun.elapsed());
    let listener = state.load_balancer("web").and_then(|lb| lb.listener(443)).context("no listener")?;
    ensure!(listener.rules.len() == 2 && listener.rules[0].priority == "1" && listener.rules[1].is_default);
    ensure!(listener.rules[0].tags.contains_key("elbv2.k8s.aws/cluster") && listener.all_certificates.len() == 1);
    let targets = &state.target_groups.first().context("no target group")?.targets;
    ensure!(targets.len() == 1 && targets[0].port == 8080 && targets[0].state == "healthy", "{targets:?}");
    aws.health(region, "*", "10.77.33.1", Some("unhealthy")).await?;
    ensure!(aws.state(region).await?.target_groups[0].targets[0].state == "unhealthy");

    let calls = aws.calls_since(region, mark).await?;
    let rules: Vec<_> = calls.iter().filter(|c| c.operation == "CreateRule").map(|c| c.error.as_deref()).collect();
    ensure!(rules == [Some("Throttling"), None], "{rules:?}");
    ensure!(calls.iter().all(|c| c.write && c.service == "elbv2" && c.user_agent.contains("Boto3")), "{calls:?}");
    ensure!(calls[0].params["Name"] == "web", "{}", calls[0].params);
    Ok(())
}

/// Any program that serves HTTP will do.
async fn launched_program_is_waited_for(scope: &Scope) -> Result<()> {
    let port = albedo_testenv::free_port()?;
    let (ready, log) = (format!("http://127.0.0.1:{port}/"), scope.test_env().dir().join("launched.log"));
    let server = "import http.server,sys; http.server.test(http.server.SimpleHTTPRequestHandler, port=int(sys.argv[1]), bind='127.0.0.1')";
    let mut program = Launch::new("python3", ready, log).arg("-c").arg(server).arg(port.to_string()).start().await?;
    ensure!(program.process().exited()?.is_none());
    let status = program.stop().await?;
    ensure!(std::os::unix::process::ExitStatusExt::signal(&status) == Some(15), "{status}");

    let failed = Launch::new("false", "http://127.0.0.1:1/", scope.test_env().dir().join("failed.log")).start().await;
    let said = format!("{:#}", failed.err().context("it should not have started")?);
    ensure!(said.contains("stopped by itself") && said.contains("failed.log"), "{said}");
    Ok(())
}

async fn namespace_goes_away(scope: &Scope) -> Result<()> {
    let begun = Instant::now();
    scope.test_env().plane().kubectl_ok(["delete", "namespace", &scope.namespace, "--timeout=30s"]).await?;
    println!("namespace with pods deleted in {:.1?}", begun.elapsed());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn control_plane_alone_restarts_and_knows_users() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let begun = Instant::now();
    let mut plane = ControlPlane::builder(dir.path()).with_controller_manager(false).start().await?;
    println!("control plane alone ready in {:.1?}", begun.elapsed());
    plane.kubectl_ok(["create", "serviceaccount", "albedo"]).await?;
    let nobody = plane.kubeconfig_for("system:serviceaccount:default:albedo", None)?;
    let refused = plane
        .kubectl([std::ffi::OsStr::new("--kubeconfig"), nobody.as_os_str(), "get".as_ref(), "nodes".as_ref()])
        .await?;
    ensure!(String::from_utf8_lossy(&refused.stderr).contains("Forbidden"), "{refused:?}");
    plane.apiserver().kill().await?;
    let begun = Instant::now();
    plane.restart_apiserver().await?;
    println!("kube-apiserver restarted in {:.1?}", begun.elapsed());
    plane.kubectl_ok(["get", "serviceaccount", "albedo"]).await?;
    plane.stop().await
}

#[tokio::test]
async fn signals_reach_the_program_itself() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut command = Command::new("sh");
    command
        .args(["-c", "echo pid $$ $GREETING; trap 'exit 3' TERM; while :; do sleep 0.05; done"])
        .env("GREETING", "hello");
    let mut process = Process::start("a shell", &command, &dir.path().join("log"))?;
    let expected = format!("pid {} hello\n", process.pid());
    eventually("its pid in its log", LIMIT, async || Ok((process.log() == expected).then_some(()))).await?;
    process.signal(Signal::STOP)?;
    ensure!(process.stop().await?.code() == Some(3), "SIGTERM, although it was stopped");
    ensure!(process.signal(Signal::TERM).is_err(), "there is nobody to be signalled");

    command = Command::new("sh");
    command.args(["-c", "trap '' TERM; sleep 60 & wait; sleep 60"]);
    let mut deaf = Process::start("deaf", &command, &dir.path().join("deaf"))?.with_grace(Duration::from_millis(300));
    tokio::time::sleep(Duration::from_millis(200)).await;
    let status = deaf.stop().await?;
    ensure!(std::os::unix::process::ExitStatusExt::signal(&status) == Some(9), "{status}");
    Ok(())
}

#[tokio::test]
async fn children_do_not_outlive_a_killed_parent() -> Result<()> {
    let tests = std::env::current_exe()?;
    let folder = tests.parent().and_then(Path::parent).context("no folder of examples")?;
    let mut parent =
        Command::new(folder.join("examples/parent")).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let lines = BufReader::new(parent.stdout.take().context("no stdout")?).lines();
    let pid = lines
        .map_while(Result::ok)
        .find_map(|l| l.strip_prefix("child ").map(ToOwned::to_owned))
        .context("no child")?;
    let stat = format!("/proc/{pid}/stat");
    ensure!(std::fs::exists(&stat)?, "the child does not run");
    parent.kill()?; // SIGKILL: no destructor runs
    parent.wait()?;
    eventually("the child is gone", Duration::from_secs(5), async || {
        // A zombie is gone as far as we are concerned: whoever adopted it has yet to notice.
        Ok(std::fs::read_to_string(&stat).map_or(true, |s| s.contains(") Z ")).then_some(()))
    })
    .await
}
