//! The kubeconfig of commands that read a cluster.

use std::path::Path;

use anyhow::Context as _;
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};

use super::files;

/// The configuration in a file, or in `KUBECONFIG`, `~/.kube/config` or the Pod's service account; of a context, or of the current one.
///
/// # Errors
/// If there is none, or it cannot be used; the error names the flag.
pub async fn config(file: Option<&Path>, context: Option<&str>) -> anyhow::Result<Config> {
    if file.is_none() {
        files::check_kubeconfigs()?;
    }
    if file.is_none() && context.is_none() {
        return Config::infer().await.context("no usable kubeconfig; name one with --kubeconfig");
    }
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let config = match file {
        Some(path) => {
            files::check_size(path, files::LARGEST_SETTINGS)
                .with_context(|| format!("--kubeconfig {}", path.display()))?;
            let file = Kubeconfig::read_from(path).with_context(|| format!("--kubeconfig {}", path.display()))?;
            Config::from_custom_kubeconfig(file, &options).await
        }
        None => Config::from_kubeconfig(&options).await,
    };
    config.context("the kubeconfig cannot be used")
}
