//! A Secret as files in a folder, refreshed as a kubelet does it: a new folder beside the old one, then the symlink `..data` is turned.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use kube::{Client, ResourceExt as _};
use tokio::task::JoinHandle;

/// A kubelet takes up to a minute; tests have no such time.
const LOOK: Duration = Duration::from_millis(200);

pub struct SecretMount {
    dir: PathBuf,
    task: JoinHandle<()>,
}

impl SecretMount {
    /// Waits for the Secret, writes it, and keeps the files up to date until the drop.
    pub async fn start(client: Client, namespace: &str, name: &str, dir: impl Into<PathBuf>) -> Result<Self> {
        let (secrets, dir) = (Api::<Secret>::namespaced(client, namespace), dir.into());
        let end = std::time::Instant::now() + Duration::from_mins(1);
        let first = loop {
            // Empty while it is being issued.
            if let Some(secret) =
                secrets.get_opt(name).await?.filter(|s| s.data.as_ref().is_some_and(|d| !d.is_empty()))
            {
                break secret;
            }
            anyhow::ensure!(std::time::Instant::now() < end, "there is no Secret {namespace}/{name}");
            tokio::time::sleep(LOOK).await;
        };
        write(&dir, &first)?;
        let task = tokio::spawn(follow(secrets, name.to_owned(), dir.clone(), version(&first)));
        Ok(Self { dir, task })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for SecretMount {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn follow(secrets: Api<Secret>, name: String, dir: PathBuf, mut written: String) {
    loop {
        tokio::time::sleep(LOOK).await;
        // What cannot be read now is read at the next look: the API server may be restarting.
        let Ok(Some(secret)) = secrets.get_opt(&name).await else { continue };
        if version(&secret) != written && write(&dir, &secret).is_ok() {
            written = version(&secret);
        }
    }
}

fn version(secret: &Secret) -> String {
    secret.resource_version().unwrap_or_default()
}

fn write(dir: &Path, secret: &Secret) -> Result<()> {
    let data: BTreeMap<String, Vec<u8>> =
        secret.data.clone().unwrap_or_default().into_iter().map(|(name, bytes)| (name, bytes.0)).collect();
    swap(dir, &format!("..version-{}", version(secret)), &data)
        .with_context(|| format!("mounting into {}", dir.display()))
}

/// The files of one version in a folder of their own; both files of a pair change in the one step that turns `..data`.
fn swap(dir: &Path, folder: &str, data: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    fs::create_dir_all(dir.join(folder))?;
    for (name, bytes) in data {
        fs::write(dir.join(folder).join(name), bytes)?;
    }
    let (current, next) = (dir.join("..data"), dir.join("..data_tmp"));
    let before = fs::read_link(&current).ok();
    symlink(folder, &next)?;
    fs::rename(&next, &current)?;
    for name in data.keys().filter(|name| fs::symlink_metadata(dir.join(name)).is_err()) {
        symlink(Path::new("..data").join(name), dir.join(name))?;
    }
    match before {
        Some(before) if before != Path::new(folder) => Ok(fs::remove_dir_all(dir.join(before))?),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(text: &str) -> BTreeMap<String, Vec<u8>> {
        ["tls.crt", "tls.key"].map(|name| (name.to_owned(), format!("{name} {text}").into_bytes())).into()
    }

    #[test]
    fn files_are_links_through_data_and_old_folders_go() {
        let dir = tempfile::tempdir().expect("a folder");
        for version in ["..version-1", "..version-2", "..version-2", "..version-3"] {
            swap(dir.path(), version, &pair(version)).expect("written");
            assert_eq!(fs::read_link(dir.path().join("..data")).expect("a link"), Path::new(version));
            assert_eq!(fs::read_to_string(dir.path().join("tls.crt")).expect("a file"), format!("tls.crt {version}"));
        }
        let folders = fs::read_dir(dir.path()).expect("a folder").flatten();
        let real = folders.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).count();
        assert_eq!(real, 1, "one version at a time");
    }
}
