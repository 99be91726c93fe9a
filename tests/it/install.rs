//! The chart, with a real helm: installed, upgraded, rolled back, uninstalled; what it must not touch stays, and Albedo knows every flag that it gives.

use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;

use albedo_testenv::{Binaries, shipped};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::base::{ALBEDO, Base};
use crate::fixture::Fixture;

/// The chart, for a test.
pub struct Helm<'s> {
    fixture: &'s Fixture,
    binary: PathBuf,
    chart: PathBuf,
}

impl<'s> Helm<'s> {
    pub async fn new(fixture: &'s Fixture) -> Result<Self> {
        let binary = Binaries::tools(&["helm"]).await?.join("helm");
        let chart = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy/helm/albedo");
        Ok(Self { fixture, binary, chart })
    }

    async fn tried(&self, args: &[&str]) -> Result<Output> {
        let mut command = Command::new(&self.binary);
        command.args(args).arg("--kubeconfig").arg(self.fixture.base().test_env.plane().kubeconfig());
        command.arg("--namespace").arg(&self.fixture.scope.namespace);
        command.env("HELM_CACHE_HOME", self.fixture.base().dir().join("helm"));
        command.output().await.with_context(|| format!("helm {args:?}"))
    }

    async fn run(&self, args: &[&str]) -> Result<String> {
        let out = self.tried(args).await?;
        ensure!(out.status.success(), "helm {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        Ok(String::from_utf8(out.stdout)?)
    }

    fn chart(&self) -> std::borrow::Cow<'_, str> {
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

fn of_kind<'o>(objects: &'o [Value], kind: &str) -> Vec<&'o Value> {
    objects.iter().filter(|one| one["kind"] == json!(kind)).collect()
}

/// Arguments of the container.
fn arguments(objects: &[Value]) -> Result<Vec<String>> {
    let deployment = of_kind(objects, "Deployment").into_iter().next().context("no Deployment")?;
    Ok(serde_json::from_value(deployment["spec"]["template"]["spec"]["containers"][0]["args"].clone())?)
}

/// A life of the chart, beside a class that somebody else made.
pub async fn a_chart_comes_and_goes(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::open(&base, "chart").await?;
    let helm = Helm::new(&fixture).await?;
    let (chart, own) = (helm.chart().into_owned(), format!("{}-own", fixture.scope.class));
    let refused = helm.tried(&["install", "one", &chart]).await?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(!refused.status.success() && said.contains("clusterName is required"), "{said}");
    let typo = helm.tried(&["install", "one", &chart, "--set", "clusterName=test", "--set", "regoin=x"]).await?;
    let said = String::from_utf8_lossy(&typo.stderr).into_owned();
    ensure!(!typo.status.success() && said.contains("regoin"), "{said}");

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
        "serviceMonitor.enabled=false",
        "ingressClassParams.spec.scheme=internal",
        "clusterSecretsPermissions.allowAllSecrets=true",
    ];
    let all: Vec<&str> = all.iter().flat_map(|value| ["--set", value]).collect();
    for values in [&[][..], &["--set", "certificates=cert-manager"], &["--set", "enableCertManager=true"], &all] {
        let objects = helm.objects(values).await?;
        let flags = arguments(&objects)?;
        let mut command = Command::new(ALBEDO);
        // It reads its flags, and ends because there is no such file.
        let out = command.args(&flags).arg("--kubeconfig=/nonexistent/config").output().await?;
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        ensure!(said.contains("cannot use the kubeconfig"), "{flags:?}: {said}");
        let known: Vec<Value> =
            objects.into_iter().filter(|one| one["apiVersion"] != json!("cert-manager.io/v1")).collect();
        for object in known {
            let text = serde_json::to_string(&object)?;
            let file = fixture.write("object.json", &text)?;
            fixture.kubectl(&["create", "--dry-run=server", "-f", &file.to_string_lossy()]).await.or_else(|error| {
                // Names that are taken say that the rest was right.
                if format!("{error:#}").contains("AlreadyExists") { Ok(String::new()) } else { Err(error) }
            })?;
        }
    }
    fixture.close().await
}

/// The rights and the container of the chart are those of the manifests, with which all other tests run.
pub async fn a_chart_grants_what_the_manifests_grant(base: Arc<Base>) -> Result<()> {
    let fixture = Fixture::open(&base, "chartrights").await?;
    let helm = Helm::new(&fixture).await?;
    let objects = helm.objects(&[]).await?;
    let manifests: Vec<Value> = serde_saphyr::from_multiple(&shipped("rbac.yaml")?)?;
    for kind in ["ClusterRole", "Role"] {
        let rules = |objects: &[Value]| -> Vec<Value> {
            of_kind(objects, kind).iter().map(|one| one["rules"].clone()).collect()
        };
        ensure!(rules(&objects) == rules(&manifests), "{kind}: {:?} and {:?}", rules(&objects), rules(&manifests));
    }
    let container = |objects: &[Value]| -> Result<Value> {
        let deployment = of_kind(objects, "Deployment").into_iter().next().cloned().context("no Deployment")?;
        let pod = &deployment["spec"]["template"]["spec"];
        let of = |field: &str| pod["containers"][0][field].clone();
        Ok(json!([
            pod["securityContext"],
            of("securityContext"),
            of("resources"),
            of("livenessProbe"),
            of("readinessProbe"),
            of("ports")
        ]))
    };
    let manifest: Value = serde_saphyr::from_str(&shipped("deployment.yaml")?)?;
    ensure!(container(&objects)? == container(&[manifest])?, "the containers differ");
    fixture.close().await
}
