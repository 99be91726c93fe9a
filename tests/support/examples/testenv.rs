//! A test environment for a controller under test: a control plane without controller-manager and an AWS emulator, until stdin closes.
//! Prints one JSON line with the kubeconfig and the emulator's endpoint.
#![expect(clippy::print_stdout, reason = "what it says to whoever started it")]

use std::io::Read as _;

use albedo_testenv::{ControlPlane, Emulator};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (plane, aws) = (dir.path().join("plane"), dir.path().join("aws"));
    std::fs::create_dir_all(&plane)?;
    std::fs::create_dir_all(&aws)?;
    let (plane, emulator) = tokio::join!(
        async { ControlPlane::builder(&plane).with_controller_manager(false).start().await },
        Emulator::start(&aws)
    );
    let (mut plane, mut emulator) = (plane?, emulator?);
    let line = serde_json::json!({"kubeconfig": plane.kubeconfig(), "aws": emulator.endpoint(), "bin": plane.bin()});
    println!("{line}");
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    plane.stop().await?;
    emulator.stop().await?;
    Ok(())
}
