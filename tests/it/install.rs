//! The chart, with a real helm: installed, upgraded, rolled back, uninstalled; what it must not touch stays, and Albedo knows every flag that it gives.

use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;

use albedo_testenv::{Binaries, eventually, shipped};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::base::{ALBEDO, Base};
use crate::fixture::{Fixture, SOON};
use crate::golden;

/// The chart, for a test.
pub struct Helm<'s> {
    fixture: &'s Fixture,
    binary: PathBuf,
    chart: PathBuf,
}

impl<'s> Helm<'s> {
    pub async fn new(fixture: &'s Fixture) -> Result<Self> {
        let binary = Binaries::tools(&["helm"]).await?.join("helm");
        let chart = root().join("deploy/helm/albedo");
        Ok(Self { fixture, binary, chart })
    }

    pub async fn tried(&self, args: &[&str]) -> Result<Output> {
        let mut command = Command::new(&self.binary);
        command.args(args).arg("--kubeconfig").arg(self.fixture.base().test_env.plane().kubeconfig());
        command.arg("--namespace").arg(&self.fixture.scope.namespace);
        command.env("HELM_CACHE_HOME", self.fixture.base().dir().join("helm"));
        command.output().await.with_context(|| format!("helm {args:?}"))
    }

    pub async fn run(&self, args: &[&str]) -> Result<String> {
        let out = self.tried(args).await?;
        ensure!(out.status.success(), "helm {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        Ok(String::from_utf8(out.stdout)?)
    }

    pub fn chart(&self) -> std::borrow::Cow<'_, str> {
        self.chart.to_string_lossy()
    }

    /// The objects that the chart makes with these values.
    pub async fn objects(&self, values: &[&str]) -> Result<Vec<Value>> {
        let chart = self.chart();
        let text = self.run(&[&["template", "albedo", &*chart, "--set", "clusterName=test"], values].concat()).await?;
        let all: Vec<Value> = serde_saphyr::from_multiple(&text).context("what helm renders")?;
        Ok(all.into_iter().filter(|one| !one.is_null()).collect())
    }
}

/// What the chart renders, without a cluster.
pub async fn rendered(namespace: &str, args: &[&str]) -> Result<String> {
    let binary = Binaries::tools(&["helm"]).await?.join("helm");
    let chart = root().join("deploy/helm/albedo");
    let mut command = Command::new(binary);
    command.args(["template", "albedo"]).arg(chart).args(["--namespace", namespace]).args(args);
    let out = command.current_dir(root()).output().await.context("helm template")?;
    ensure!(out.status.success(), "helm template {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    Ok(String::from_utf8(out.stdout)?)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn of_kind<'o>(objects: &'o [Value], kind: &str) -> Vec<&'o Value> {
    objects.iter().filter(|one| one["kind"] == json!(kind)).collect()
}

/// Arguments of the container of each Deployment.
fn arguments(objects: &[Value]) -> Result<Vec<Vec<String>>> {
    let deployments = of_kind(objects, "Deployment").into_iter();
    let arguments = deployments.map(|one| one["spec"]["template"]["spec"]["containers"][0]["args"].clone());
    let all: Vec<Vec<String>> = arguments.map(serde_json::from_value).collect::<Result<_, _>>()?;
    ensure!(!all.is_empty(), "no Deployment");
    Ok(all)
}

/// A life of the chart, beside a class that somebody else made.
pub async fn a_chart_comes_and_goes(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::open(&base, "chart").await?;
    let helm = Helm::new(&fixture).await?;
    let (chart, own) = (helm.chart().into_owned(), format!("{}-own", fixture.scope.class));
    for (values, why) in [
        (&[][..], "clusterName is required"),
        (&["clusterName=test", "regoin=x"], "regoin"),
        (&["clusterName=test", "objectSelector.matchLabel.a=b"], "matchLabel"),
        (&["clusterName=test", "besideLbc=true"], "set ingressClass"),
        (&["clusterName=test", "image.repository=example.com/eks/aws-load-balancer-controller"], "set it to where"),
    ] {
        let set = values.iter().flat_map(|value| ["--set", value]);
        let refused = helm.tried(&["install", "one", &chart].into_iter().chain(set).collect::<Vec<_>>()).await?;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        ensure!(!refused.status.success() && said.contains(why), "{values:?}: {said}");
    }

    // The class of the test is there already, and not helm's.
    let params = json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "IngressClassParams", "metadata": {"name": fixture.scope.class}, "spec": {}});
    let class = json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": fixture.scope.class},
        "spec": {"controller": "ingress.k8s.aws/alb",
            "parameters": {"apiGroup": "elbv2.k8s.aws", "kind": "IngressClassParams", "name": fixture.scope.class}}});
    fixture.kubectl(&["delete", "ingressclass", &fixture.scope.class]).await?;
    fixture.apply(&[params, class]).await?;
    let with_class = format!("ingressClass={}", fixture.scope.class);
    let values = ["--set", "clusterName=test", "--set", &with_class, "--set", "enableEndpointSlices=true"];
    let said = helm.run(&[&["install", "one", &chart], &values[..]].concat()).await?;
    ensure!(said.contains("enableEndpointSlices has no effect"), "{said}");
    let replicas =
        async || fixture.kubectl(&["get", "deployment", "one-albedo", "-o", "jsonpath={.spec.replicas}"]).await;
    ensure!(replicas().await? == "2");
    helm.run(&[&["upgrade", "one", &chart, "--set", "replicaCount=3"], &values[..]].concat()).await?;
    ensure!(replicas().await? == "3");
    helm.run(&["rollback", "one", "1"]).await?;
    ensure!(replicas().await? == "2", "rolled back");
    helm.run(&["uninstall", "one"]).await?;
    let parameters = ["get", "ingressclass", &fixture.scope.class, "-o", "jsonpath={.spec.parameters.name}"];
    ensure!(
        fixture.kubectl(&parameters).await? == fixture.scope.class,
        "the class of somebody else has lost its parameters"
    );

    // A class of the chart's own outlives it, and so do the CRDs; the next install takes the class up again.
    let with_class = format!("ingressClass={own}");
    let values = ["--set", "clusterName=test", "--set", &with_class];
    for _ in 0..2 {
        helm.run(&[&["install", "one", &chart], &values[..]].concat()).await?;
        helm.run(&["uninstall", "one"]).await?;
        fixture.kubectl(&["get", "ingressclass", &own]).await?;
        fixture.kubectl(&["get", "crd", "targetgroupbindings.elbv2.k8s.aws", "ingressgroups.albedo.dev"]).await?;
    }
    fixture.kubectl(&["delete", "ingressclass", &own]).await?;
    fixture.close().await
}

/// Each way of rendering it is taken by the API server, and its arguments by Albedo.
#[expect(clippy::too_many_lines, reason = "the table of values")]
pub async fn a_chart_gives_what_is_known(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::open(&base, "values").await?;
    let helm = Helm::new(&fixture).await?;
    helm.run(&["lint", &helm.chart(), "--set", "clusterName=test"]).await?;
    let all = [
        "region=eu-central-1",
        "vpcId=vpc-1",
        "vpcTags.a=b",
        "awsApiThrottle=EC2:.*=1:1",
        "awsApiEndpoints.EC2=http://127.0.0.1:1",
        "awsMaxRetries=5",
        "watchNamespace=shop",
        "test.namespace=default",
        "syncPeriod=1h",
        "ingressMaxConcurrentReconciles=5",
        "defaultTargetType=ip",
        "defaultLoadBalancerScheme=internal",
        "defaultSSLPolicy=ELBSecurityPolicy-TLS13-1-2-2021-06",
        "defaultTags.a=b",
        "externalManagedTags={x,y}",
        "enableShield=false",
        "enableWaf=false",
        "enableWafv2=false",
        "enableBackendSecurityGroup=true",
        "backendSecurityGroup=sg-1",
        "enableManageBackendSecurityGroupRules=true",
        "disableRestrictedSecurityGroupRules=true",
        "disableIngressClassAnnotation=true",
        "disableIngressGroupNameAnnotation=true",
        "tolerateNonExistentBackendService=false",
        "tolerateNonExistentBackendAction=false",
        "serviceTargetENISGTags=a=b",
        "certDiscovery.allowedCertificateAuthorityARNs=arn:aws:acm-pca:eu-west-1:1:certificate-authority/1",
        "controllerConfig.featureGates.ListenerRulesTagging=true",
        "extraArgs={--admission-mode=warn}",
        "hostNetwork=true",
        "besideLbc=true",
        "ingressClass=albedo",
        "targetgroupbindingRequeueDuration=30s",
        "lbStabilizationMonitorInterval=1m",
        "maxTargetsPerTargetGroup=100",
        "podMutatorWebhookConfig.failurePolicy=Fail",
        "objectSelector.matchLabels.tier=web",
        "webhookNamespaceSelectors[0].key=gates,webhookNamespaceSelectors[0].operator=Exists",
        "webhookConfig.ingressValdationFailurePolicy=Ignore",
        "webhookConfig.disableIngressValidation=true",
        "autoscaling.enabled=true",
        "envSecretName=aws",
        "runtimeClassName=runc",
        "creator=me",
        "serviceMonitor.enabled=false",
        "ingressClassParams.spec.scheme=internal",
        "clusterSecretsPermissions.allowAllSecrets=true",
    ];
    let all: Vec<&str> = all.iter().flat_map(|value| ["--set", value]).collect();
    let separate = ["--set", "admission.separate=true", "--set", "certificates=cert-manager"];
    let refused = helm.objects(&["--set", "admission.separate=true", "--set", "hostNetwork=true"]).await;
    ensure!(refused.is_err_and(|error| format!("{error:#}").contains("does not go with hostNetwork")));
    for values in
        [&[][..], &["--set", "certificates=cert-manager"], &["--set", "enableCertManager=true"], &all, &separate]
    {
        let objects = helm.objects(values).await?;
        for flags in arguments(&objects)? {
            let mut command = Command::new(ALBEDO);
            // It reads its flags, and ends because there is no such file.
            let out = command.args(&flags).arg("--kubeconfig=/nonexistent/config").output().await?;
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            ensure!(said.contains("cannot use the kubeconfig"), "{flags:?}: {said}");
        }
        let known: Vec<Value> =
            objects.into_iter().filter(|one| one["apiVersion"] != json!("cert-manager.io/v1")).collect();
        for object in known {
            let text = serde_json::to_string(&object)?;
            let file = fixture.write("object.json", &text)?;
            let create = ["create", "--dry-run=server", "-f", &*file.to_string_lossy()];
            base.test_env.plane().kubectl_ok(create).await.or_else(|error| {
                // Names that are taken say that the rest was right.
                if format!("{error:#}").contains("AlreadyExists") { Ok(String::new()) } else { Err(error) }
            })?;
        }
    }
    fixture.close().await
}

/// What each values file renders is what is kept; UPDATE=1 writes it anew.
pub async fn a_chart_renders_what_is_kept(_: Arc<Base>) -> Result<()> {
    for (name, values) in [
        ("defaults", &["--set", "clusterName=my-cluster"][..]),
        ("lbc", &["--values", "tests/it/chart/lbc.yaml"]),
        ("cert-manager", &["--values", "tests/it/chart/cert-manager.yaml"]),
        ("everything", &["--values", "tests/it/chart/everything.yaml"]),
        ("beside", &["--values", "tests/it/chart/beside.yaml"]),
        ("separate", &["--values", "tests/it/chart/separate.yaml"]),
    ] {
        golden::holds(&format!("chart-{name}.yaml"), &rendered("albedo-system", values).await?)?;
    }
    Ok(())
}

/// `deploy/albedo.yaml` comes and goes: CRDs, bindings and the class of somebody else stay, and an overlay gives it the name of the cluster.
pub async fn manifests_take_nothing_with_them(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::open(&base, "manifests").await?;
    let text = shipped("albedo.yaml")?;
    ensure!(!text.contains("CustomResourceDefinition") && !text.contains("kind: IngressClass"), "{text}");
    // As it is, it says what is missing.
    let mut command = Command::new(ALBEDO);
    let out = command.args(["run", "--cluster-name=<cluster-name>"]).output().await?;
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    ensure!(!out.status.success() && said.contains("--cluster-name <cluster-name>"), "{said}");

    // The overlay of docs/install.md, beside a checkout.
    let page = std::fs::read_to_string(root().join("docs/install.md")).context("docs/install.md")?;
    let overlay = page.split_once("# kustomization.yaml\n").and_then(|(_, rest)| rest.split_once("```"));
    let (overlay, _) = overlay.context("docs/install.md has no kustomization.yaml")?;
    let base_folder = root().join("deploy").to_string_lossy().into_owned();
    let overlay = overlay.replace("../albedo/deploy", &relative(&fixture, &base_folder)?);
    ensure!(overlay.contains("name: albedo"), "{overlay}");
    let file = fixture.write("kustomization.yaml", &overlay)?;
    let folder = file.parent().context("a file without a folder")?.to_string_lossy().into_owned();
    let made = fixture.kubectl(&["kustomize", &folder]).await?;
    ensure!(made.contains("--cluster-name=my-cluster") && !made.contains("<cluster-name>"), "{made}");

    // In a namespace of its own, so that the account of the other tests keeps its rights.
    let own = made.replace("albedo-system", &format!("{}-system", fixture.scope.id));
    let own = own.replace("name: albedo\n", &format!("name: {}\n", fixture.scope.id));
    let file = fixture.write("own.yaml", &own)?.to_string_lossy().into_owned();
    let binding = json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "TargetGroupBinding",
        "metadata": {"name": "stays", "namespace": fixture.scope.namespace},
        "spec": {"targetGroupARN": "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/stays/0123456789abcdef",
            "targetType": "ip", "serviceRef": {"name": "web", "port": 80}}});
    fixture.apply(&[binding]).await?;
    let class = root().join("deploy/ingressclass.yaml").to_string_lossy().into_owned();
    let plane = base.test_env.plane();
    for _ in 0..2 {
        plane.kubectl_ok(["apply", "--server-side", "-f", &file]).await?;
        // It makes the class where there is none, and never changes one.
        if let Err(error) = fixture.kubectl(&["create", "--dry-run=server", "-f", &class]).await {
            ensure!(format!("{error:#}").contains("AlreadyExists"), "{error:#}");
        }
        plane.kubectl_ok(["delete", "-f", &file, "--timeout=60s"]).await?;
        fixture.kubectl(&["get", "targetgroupbinding", "stays"]).await?;
        fixture.kubectl(&["get", "ingressclass", &fixture.scope.class]).await?;
    }
    fixture.kubectl(&["delete", "targetgroupbinding", "stays"]).await?;
    fixture.close().await
}

/// The way from the folder of a test's files to another; kustomize takes no other.
fn relative(fixture: &Fixture, to: &str) -> Result<String> {
    let from = fixture.write("here", "")?;
    let depth = from.parent().context("a file without a folder")?.components().count() - 1;
    Ok(format!("{}{to}", "../".repeat(depth)).replace("..//", "../"))
}

/// Who uninstalls takes the webhooks along: Kubernetes deletes the configurations with the `ClusterRole` that owns them.
pub async fn webhooks_go_with_the_role(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::open(&base, "owned").await?;
    let role = fixture.scope.id.clone();
    fixture.kubectl(&["create", "clusterrole", &role, "--verb=get", "--resource=pods"]).await?;
    let uid = fixture.kubectl(&["get", "clusterrole", &role, "-o", "jsonpath={.metadata.uid}"]).await?;
    let owner =
        json!([{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "name": role, "uid": uid}]);
    let configuration = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": role, "ownerReferences": owner}, "webhooks": []});
    fixture.apply(&[configuration]).await?;
    fixture.kubectl(&["delete", "clusterrole", &role]).await?;
    eventually("the configuration is gone", SOON, async || {
        let left = fixture.kubectl(&["get", "validatingwebhookconfiguration", &role, "--ignore-not-found"]).await?;
        Ok(left.trim().is_empty().then_some(()))
    })
    .await?;
    fixture.close().await
}
