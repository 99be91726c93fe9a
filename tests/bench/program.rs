//! The program that is measured: Albedo, or the other controller behind a start script of the caller.

use std::path::{Path, PathBuf};

use albedo_testenv::{Launch, Scope, TestEnv};
use anyhow::Result;

/// Throttles of its own are lifted: what is counted is the need, not the waiting.
const THROTTLE: &str = "Elastic Load Balancing v2:^None=1:1,ACM:^None=1:1";

/// What is measured.
#[derive(Debug, Clone)]
pub struct Program {
    /// In tables.
    pub name: &'static str,
    /// What is started.
    pub start: PathBuf,
    /// Albedo, which has the CRDs of both.
    pub albedo: PathBuf,
    /// The other controller: it has the predecessor's flags alone and none of Albedo's metrics.
    pub is_peer: bool,
}

impl Program {
    pub fn albedo(binary: PathBuf) -> Self {
        Self { name: "albedo", start: binary.clone(), albedo: binary, is_peer: false }
    }

    /// A script that starts the other controller with the arguments that it is given.
    pub fn peer(script: PathBuf, albedo: PathBuf) -> Self {
        Self { name: "peer", start: script, albedo, is_peer: true }
    }

    /// How to start it in a scope.
    pub fn launch(&self, test_env: &TestEnv, scope: &Scope, certificates: &Path, admission: &str) -> Result<Launch> {
        let mut launch = scope
            .launch(&self.start, "one")?
            .arg(format!("--webhook-cert-dir={}", certificates.display()))
            .arg(format!("--watch-namespace={}", scope.namespace))
            .arg(format!("--aws-api-throttle={THROTTLE}"));
        if self.is_peer {
            launch.ready_within *= 4;
            let kubeconfig = test_env.plane().kubeconfig();
            return Ok(launch.env("KUBECONFIG", kubeconfig).arg(format!("--kubeconfig={}", kubeconfig.display())));
        }
        launch.args.insert(0, "run".into());
        Ok(launch
            .env("RUST_LOG", "warn")
            .arg("--bind-address=127.0.0.1")
            .arg(format!("--admission-mode={admission}"))
            .arg("--admission-defaults=none")
            .arg("--shutdown-linger-seconds=0"))
    }
}
