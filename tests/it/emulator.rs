//! The AWS emulator itself, held to its README by `tests/aws/check.py` through a real SDK.

use std::path::Path;
use std::sync::Arc;

use albedo_ground::Binaries;
use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use crate::base::Base;

pub async fn it_keeps_its_word(base: Arc<Base>) -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aws/check.py");
    let port = base.ground.emulator().endpoint().rsplit(':').next().context("an endpoint without a port")?;
    let python = Binaries::aws().await?.join("python");
    let out = Command::new(python).args(["-B", "-W", "ignore"]).arg(script).arg(port).output().await?;
    let said = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success() && said.contains("OK"), "{said}");
    Ok(())
}
