//! Files and folders as sources, which `check` and `plan` read instead of a cluster.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use albedo_engine::admit::write_defaults;
use albedo_engine::manifest::{LARGEST, Manifests, Source};
use albedo_engine::settings::Settings;
use anyhow::{Context as _, bail};

/// The most bytes of all manifests together, because all are in memory at once.
const LARGEST_WHOLE: usize = 256 << 20;
/// The most bytes of a file with settings: a kubeconfig, the certificate of a CA.
pub const LARGEST_SETTINGS: u64 = 4 << 20;

/// The bytes of a file, if it has no more than `most`.
///
/// # Errors
/// If the file cannot be read, or is larger; the error names the limit.
pub fn bounded(path: &Path, most: u64) -> anyhow::Result<Vec<u8>> {
    let file = std::fs::File::open(path).context("cannot be read")?;
    let mut bytes = Vec::new();
    // One byte more, to detect a file that is too large; the size of something that is not a regular file is unknown.
    file.take(most + 1).read_to_end(&mut bytes).context("cannot be read")?;
    if bytes.len() as u64 > most {
        bail!("is larger than the limit of {most} bytes ({} MiB)", most >> 20);
    }
    Ok(bytes)
}

/// Checks that a file, which a library reads, has no more than `most` bytes.
///
/// # Errors
/// As [`bounded`].
pub fn check_size(path: &Path, most: u64) -> anyhow::Result<()> {
    bounded(path, most).map(drop)
}

/// Checks that the kubeconfigs, which the client library reads, have no more than [`LARGEST_SETTINGS`] bytes each.
///
/// # Errors
/// If one is larger; the error names it and the limit.
pub fn check_kubeconfigs() -> anyhow::Result<()> {
    let of_home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".kube/config"));
    let paths: Vec<PathBuf> = match std::env::var_os("KUBECONFIG") {
        Some(named) => std::env::split_paths(&named).collect(),
        None => of_home().into_iter().collect(),
    };
    for path in paths.iter().filter(|path| path.exists()) {
        check_size(path, LARGEST_SETTINGS).with_context(|| format!("kubeconfig {}", path.display()))?;
    }
    Ok(())
}

/// Reads files, folders and `-` for standard input. If a file cannot be read, its source has the error. `named`: files that
/// are named here must contain manifests.
///
/// # Errors
/// If a path does not exist.
pub fn sources(paths: &[PathBuf], named: bool) -> anyhow::Result<Vec<Source>> {
    let mut walk = Walk { sources: Vec::new(), seen: BTreeSet::new(), left: LARGEST_WHOLE };
    for path in paths {
        if path.as_os_str() == "-" {
            walk.content("standard input", std::io::stdin().lock(), named);
        } else if path.is_dir() {
            walk.folder(path);
        } else if path.exists() {
            walk.file(path, named);
        } else {
            bail!("{} does not exist", path.display());
        }
    }
    Ok(walk.sources)
}

/// Files, folders and `-` as a world, in which the classes that Ingresses name are ours.
///
/// # Errors
/// If a path does not exist.
pub fn read(paths: &[PathBuf], settings: &Settings) -> anyhow::Result<Manifests> {
    Ok(manifests(sources(paths, true)?, settings))
}

/// Sources as a world, with the defaults of their `IngressDefaults` written into their Ingresses.
#[must_use]
pub fn manifests(sources: Vec<Source>, settings: &Settings) -> Manifests {
    let mut manifests = as_written(sources, settings);
    write_defaults(&mut manifests.world, settings);
    manifests
}

/// Sources as a world, without defaults.
#[must_use]
pub fn as_written(sources: Vec<Source>, settings: &Settings) -> Manifests {
    let mut manifests = Manifests::read(sources, settings, "default");
    manifests.assume_classes();
    manifests
}

struct Walk {
    sources: Vec<Source>,
    /// Files that were read, so that a file that is named together with its folder is read once.
    seen: BTreeSet<PathBuf>,
    /// Bytes that may still be read.
    left: usize,
}

impl Walk {
    fn file(&mut self, path: &Path, named: bool) {
        let name = path.display().to_string();
        if path.canonicalize().is_ok_and(|real| !self.seen.insert(real)) {
            return;
        }
        match std::fs::File::open(path) {
            Ok(file) => self.content(&name, file, named),
            Err(error) => self.sources.push(Source::unreadable(name, format!("cannot be read: {error}"))),
        }
    }

    fn content(&mut self, name: &str, from: impl std::io::Read, named: bool) {
        let mut bytes = Vec::new();
        // One byte more, to detect a file that is too large.
        let read = from.take(LARGEST as u64 + 1).read_to_end(&mut bytes);
        self.sources.push(match read {
            Ok(size) if size > self.left => {
                let whole = LARGEST_WHOLE >> 20;
                Source::unreadable(name.to_owned(), format!("is not read: the input has more than {whole} MiB"))
            }
            Ok(size) => {
                self.left -= size;
                Source::new(name, bytes, named)
            }
            Err(error) => Source::unreadable(name.to_owned(), format!("cannot be read: {error}")),
        });
    }

    /// Reads the manifests below a folder, in the order of their names. Names that begin with a dot are skipped.
    fn folder(&mut self, path: &Path) {
        let name = path.display().to_string();
        let loops = path.canonicalize().is_ok_and(|real| {
            let above = path.parent().and_then(|parent| parent.canonicalize().ok());
            path.is_symlink() && above.is_some_and(|above| above.starts_with(real))
        });
        if loops {
            self.sources.push(Source::unreadable(name, "is a symbolic link to a folder that contains it"));
            return;
        }
        let entries: Result<Vec<_>, _> = std::fs::read_dir(path).and_then(Iterator::collect);
        let mut entries = match entries {
            Ok(entries) => entries.into_iter().map(|entry: std::fs::DirEntry| entry.path()).collect::<Vec<_>>(),
            Err(error) => {
                self.sources.push(Source::unreadable(name, format!("cannot be read: {error}")));
                return;
            }
        };
        entries.sort();
        for entry in entries {
            let hidden = entry.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
            let extension = entry.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
            if hidden {
                continue;
            }
            if entry.is_dir() {
                self.folder(&entry);
            } else if matches!(extension, "yaml" | "yml" | "json") && entry.is_file() {
                self.file(&entry, false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir, write};
    use std::os::unix::fs::symlink;

    use super::*;

    /// Names of the sources below a folder, and what is wrong with each.
    fn names(paths: &[PathBuf], root: &Path) -> Vec<(String, String)> {
        let sources = sources(paths, true).expect("sources");
        let name = |source: &Source| source.name.strip_prefix(&root.display().to_string()).map(str::to_owned);
        let trouble =
            |source: &Source| source.trouble.as_ref().map_or(String::new(), |trouble| trouble.message.clone());
        sources.iter().map(|source| (name(source).unwrap_or_default(), trouble(source))).collect()
    }

    #[test]
    fn what_is_too_large_is_refused_with_the_bound() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join("facts.json");
        write(&path, "x".repeat(1_048_576)).expect("a file");
        assert_eq!(bounded(&path, 1 << 20).expect("it fits").len(), 1 << 20);
        write(&path, "x".repeat(1_048_577)).expect("a file");
        let error = bounded(&path, 1 << 20).expect_err("it is too large").to_string();
        assert_eq!(error, "is larger than the limit of 1048576 bytes (1 MiB)");
        // It has no end and no size.
        assert!(bounded(Path::new("/dev/zero"), 1 << 20).is_err());
        assert!(check_size(Path::new("/dev/zero"), 10).is_err());
    }

    #[test]
    fn a_folder_is_walked_once() -> std::io::Result<()> {
        let root = tempfile::tempdir()?;
        let at = |name: &str| root.path().join(name);
        for folder in ["a", "a/b", ".git"] {
            create_dir(at(folder))?;
        }
        for file in ["a/1.yaml", "a/b/2.yml", "a/b/notes.txt", ".git/3.yaml", "a/.hidden.yaml", "4.json"] {
            write(at(file), "{}")?;
        }
        symlink(at("a"), at("a/b/loop"))?;
        symlink("nowhere", at("a/gone.yaml"))?;
        let whole = names(&[at("a/1.yaml"), root.path().to_owned()], root.path());
        let told = "is a symbolic link to a folder that contains it".to_owned();
        let of = |name: &str| (name.to_owned(), String::new());
        assert_eq!(whole, [of("/a/1.yaml"), of("/4.json"), of("/a/b/2.yml"), ("/a/b/loop".to_owned(), told)]);
        assert!(sources(&[at("nowhere")], true).is_err());
        Ok(())
    }
}
