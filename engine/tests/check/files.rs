//! Manifests as files: how tests read them, and what is said of them.

use albedo_engine::admit::{Context, Policy};
use albedo_engine::check::{Report, check};
use albedo_engine::facts::Facts;
use albedo_engine::manifest::{Manifests, Source};
use albedo_engine::settings::Settings;
use jiff::Timestamp;

/// The manifests of files with these names and bytes, each named on the command line.
pub fn read(files: &[(&str, &[u8])]) -> Manifests {
    let sources = files.iter().map(|(name, bytes)| Source::new(*name, bytes.to_vec(), true)).collect();
    let mut manifests = Manifests::read(sources, &Settings::new(""), "default");
    manifests.assume_classes();
    manifests
}

/// What is said of manifests.
pub fn report(manifests: &Manifests) -> Report<'_> {
    let (facts, settings, policy) = (Facts::default(), Settings::new(""), Policy::default());
    let now = Timestamp::from_second(1_800_000_000).expect("a time");
    let context = Context { world: &manifests.world, facts: &facts, settings: &settings, policy: &policy, now };
    check(manifests, context, false)
}

/// An Ingress with these lines under `annotations:`, and its Service.
pub fn ingress(annotations: &str) -> String {
    let annotations: String = annotations.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  annotations:
{annotations}spec:
  ingressClassName: alb
  rules:
    - http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: app
                port:
                  number: 80
---
apiVersion: v1
kind: Service
metadata:
  name: app
spec:
  type: NodePort
  ports:
    - port: 80
"
    )
}
