//! Where the executables are: `tests/test_env.sh` builds what is missing and says the folder.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

/// The repository's `tests` folder.
pub(crate) fn tests_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[derive(Debug, Clone, Copy)]
pub struct Binaries;

impl Binaries {
    /// The folder of etcd, kube-apiserver, kube-controller-manager and kubectl.
    pub async fn controlplane() -> Result<PathBuf> {
        environment_sh(&["controlplane"]).await
    }

    /// The folder of certmanager, helm, vegeta, toxiproxy; those named are there afterwards.
    pub async fn tools(names: &[&str]) -> Result<PathBuf> {
        environment_sh(&[&["tools"], names].concat()).await
    }

    /// The folder of the emulator's Python.
    pub async fn aws() -> Result<PathBuf> {
        environment_sh(&["aws"]).await
    }

    /// The library that gives a program another wall clock (<https://github.com/wolfcw/libfaketime>).
    pub async fn faketime() -> Result<PathBuf> {
        let python = Self::aws().await?.join("python");
        let says = "import pathlib, libfaketime; print(pathlib.Path(libfaketime.__file__).parent / 'vendor/libfaketime/src/libfaketime.so.1')";
        let out = Command::new(&python).args(["-c", says]).stdin(Stdio::null()).output().await?;
        ensure!(out.status.success(), "{}: {}", python.display(), String::from_utf8_lossy(&out.stderr));
        let path = PathBuf::from(String::from_utf8(out.stdout)?.trim());
        ensure!(path.is_file(), "{} is not there", path.display());
        Ok(path)
    }
}

async fn environment_sh(args: &[&str]) -> Result<PathBuf> {
    let script = tests_dir().join("environment.sh");
    let what = format!("{} {}", script.display(), args.join(" "));
    let out = Command::new("bash")
        .arg(&script)
        .args(args)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit()) // a first build takes minutes and says so
        .output()
        .await
        .with_context(|| what.clone())?;
    ensure!(out.status.success(), "{what}: {}", out.status);
    let text = String::from_utf8(out.stdout).with_context(|| what.clone())?;
    let folder = text.lines().last().with_context(|| format!("{what} named no folder"))?;
    Ok(PathBuf::from(folder))
}
