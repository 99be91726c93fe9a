//! `albedo check` of a thousand manifests, beside what parsing their YAML alone takes: at most twice that, and under a second.
//! `cargo bench -p albedo-engine --bench check`; with `MANIFESTS=10000`, of ten times as many.

#![expect(clippy::expect_used, reason = "a panic is what a bench has for a fault")]

use albedo_engine::admit::{Context, Policy};
use albedo_engine::check::{Look, check};
use albedo_engine::facts::Facts;
use albedo_engine::manifest::{Manifests, Source};
use albedo_engine::settings::Settings;
use divan::Bencher;
use jiff::Timestamp;
use serde_json::Value;

#[global_allocator]
static ALLOCATIONS: divan::AllocProfiler = divan::AllocProfiler::system();

fn main() {
    divan::main();
}

/// What a thousand manifests look like: of four an Ingress, its Service, a Deployment and a `ConfigMap`. One Ingress of ten has faults.
fn files() -> Vec<(String, String)> {
    let count = std::env::var("MANIFESTS").ok().and_then(|count| count.parse().ok()).unwrap_or(1000);
    (0..count / 4).map(|number| (format!("app-{number}.yaml"), file(number))).collect()
}

fn file(number: usize) -> String {
    let target_type = if number.is_multiple_of(10) { "pod" } else { "ip" };
    FILE.replace("NUMBER", &number.to_string()).replace("TARGET-TYPE", target_type)
}

const FILE: &str = r#"# Source: shop/templates/ingress.yaml
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: app-NUMBER
  namespace: shop
  labels: {app.kubernetes.io/name: app-NUMBER, app.kubernetes.io/managed-by: Helm}
  annotations:
    alb.ingress.kubernetes.io/scheme: internet-facing
    alb.ingress.kubernetes.io/target-type: TARGET-TYPE
    alb.ingress.kubernetes.io/listen-ports: '[{"HTTP": 80}, {"HTTPS": 443}]'
    alb.ingress.kubernetes.io/ssl-redirect: "443"
    alb.ingress.kubernetes.io/certificate-arn: arn:aws:acm:us-east-1:123456789012:certificate/0d1b6a9c-1234-4f5e-9abc-0123456789ab
    alb.ingress.kubernetes.io/healthcheck-path: /health
    alb.ingress.kubernetes.io/healthcheck-interval-seconds: "15"
    alb.ingress.kubernetes.io/load-balancer-attributes: idle_timeout.timeout_seconds=120,routing.http2.enabled=true
    alb.ingress.kubernetes.io/tags: team=shop,stage=production
    alb.ingress.kubernetes.io/actions.old: >
      {"type": "redirect", "redirectConfig": {"host": "new.example.com", "statusCode": "HTTP_301"}}
spec:
  ingressClassName: alb
  rules:
    - host: app-NUMBER.example.com
      http:
        paths:
          - {path: /old, pathType: Prefix, backend: {service: {name: old, port: {name: use-annotation}}}}
          - path: /
            pathType: Prefix
            backend:
              service:
                name: app-NUMBER
                port:
                  number: 80
---
apiVersion: v1
kind: Service
metadata:
  name: app-NUMBER
  namespace: shop
spec:
  selector: {app.kubernetes.io/name: app-NUMBER}
  ports:
    - name: http
      port: 80
      targetPort: http
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-NUMBER
  namespace: shop
spec:
  replicas: 3
  selector:
    matchLabels: {app.kubernetes.io/name: app-NUMBER}
  template:
    metadata:
      labels: {app.kubernetes.io/name: app-NUMBER}
    spec:
      containers:
        - name: app
          image: registry.example.com/shop/app:1.2.3
          ports:
            - name: http
              containerPort: 8080
          env:
            - name: LOG_LEVEL
              value: info
          readinessProbe:
            httpGet: {path: /health, port: http}
          resources:
            requests: {cpu: 100m, memory: 128Mi}
            limits: {memory: 256Mi}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: app-NUMBER
  namespace: shop
data:
  settings.yaml: |
    feature: on
    limits:
      requests: 10
"#;

/// What a parser alone takes, into the plainest tree there is.
#[divan::bench]
fn yaml_alone(bencher: Bencher<'_, '_>) {
    let files = files();
    bencher.bench(|| {
        let parse = |(_, text): &(String, String)| serde_saphyr::from_multiple::<Value>(text).expect("YAML").len();
        files.iter().map(parse).sum::<usize>()
    });
}

/// Reading, the verdict, and the report.
#[divan::bench]
fn check_whole(bencher: Bencher<'_, '_>) {
    let files = files();
    let (facts, settings, policy) = (Facts::default(), Settings::new(""), Policy::default());
    let now = Timestamp::from_second(1_800_000_000).expect("a time");
    bencher.bench(|| {
        let sources = files.iter().map(|(name, text)| Source::new(name, text.clone().into_bytes(), true)).collect();
        let mut manifests = Manifests::read(sources, &settings, "default");
        manifests.assume_classes();
        let context = Context { world: &manifests.world, facts: &facts, settings: &settings, policy: &policy, now };
        check(&manifests, context, false).text(Look::Plain)
    });
}

/// Of that, reading alone.
#[divan::bench]
fn read_alone(bencher: Bencher<'_, '_>) {
    let files = files();
    let settings = Settings::new("");
    bencher.bench(|| {
        let sources = files.iter().map(|(name, text)| Source::new(name, text.clone().into_bytes(), true)).collect();
        Manifests::read(sources, &settings, "default")
    });
}
