//! The image: two builds are equal, and Albedo runs in it under an OCI runtime as it does in Kubernetes: as user 65532, without capabilities,
//! on a read-only root.
//!
//! `umoci` unpacks the image and turns its configuration into the runtime's, `runc` runs it. The network is that of this machine.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;

use albedo_testenv::eventually;
use anyhow::{Context as _, Result, ensure};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::base::{ALBEDO, Base, albedo};
use crate::fixture::{Fixture, SOON, tail};

const USER: u32 = 65532;
/// Where the container finds the files of a test.
const VOLUME: &str = "/volume";
/// Any small program that is linked to libraries.
const PROGRAM: &str = "/usr/bin/env";
/// How AWS is called in the container: a name that only its hosts file knows.
const AWS: &str = "aws.test";

/// What has to be there, and why nothing is tested where it isn't.
async fn lacking() -> Option<String> {
    for program in ["umoci", "runc"] {
        let mut command = Command::new(program);
        if command.arg("--version").stdout(Stdio::null()).status().await.is_err() {
            return Some(format!("needs {program}: apt-get install umoci runc"));
        }
    }
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    (!is_root).then(|| "needs root: files are given to user 65532".to_owned())
}

async fn succeeded(command: &mut Command) -> Result<String> {
    let out = command.output().await.with_context(|| format!("{command:?}"))?;
    ensure!(out.status.success(), "{command:?}: {}\n{}", out.status, String::from_utf8_lossy(&out.stderr));
    Ok(String::from_utf8(out.stdout)?)
}

/// Makes an image of a program.
async fn make_image(program: &Path, folder: &Path, env: &[(&str, &str)]) -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/image/image.py");
    let mut command = Command::new(std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into()));
    command.arg(script).arg("--output").arg(folder).arg("--revision=c0ffee").arg(program);
    command.current_dir("/").envs(env.iter().copied());
    succeeded(&mut command).await.map(drop)
}

/// An unpacked image with the configuration that umoci made of it, a folder of files for it, and the name of its container.
struct Bundle {
    folder: PathBuf,
    config: Value,
    volume: PathBuf,
    id: String,
}

impl Bundle {
    async fn make(fixture: &Fixture) -> Result<Self> {
        let own = fixture.base().dir().join(&fixture.scope.id);
        let (folder, volume) = (own.join("bundle"), own.join("volume"));
        std::fs::create_dir_all(&volume)?;
        make_image(Path::new(ALBEDO), &own, &[]).await?;
        let image = format!("{}:{}", own.join("oci").display(), env!("CARGO_PKG_VERSION"));
        succeeded(Command::new("umoci").args(["unpack", "--image", &image]).arg(&folder)).await?;
        let config: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("config.json"))?)?;
        let process = &config["process"];
        ensure!(process["user"] == json!({"uid": USER, "gid": USER}), "the user of the image: {}", process["user"]);
        ensure!(process["args"] == json!(["/albedo"]), "the entrypoint of the image: {}", process["args"]);
        Ok(Self { folder, config, volume, id: format!("{}-{}", fixture.scope.id, std::process::id()) })
    }

    /// Gives the container a file of its user; its path there.
    fn add(&self, name: &str, content: &[u8]) -> Result<String> {
        let path = self.volume.join(name);
        std::fs::write(&path, content).with_context(|| format!("writing {}", path.display()))?;
        chown(&path, Some(USER), Some(USER))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400))?;
        Ok(format!("{VOLUME}/{name}"))
    }

    /// What the next run gets: arguments and variables beside those of the image, and the limits of `deploy/albedo.yaml`.
    fn configure(&self, args: &[String], env: &[String]) -> Result<()> {
        let mut config = self.config.clone();
        let append = |list: &mut Value, more: Vec<Value>| {
            list.as_array_mut().context("umoci made another configuration than a list").map(|list| list.extend(more))
        };
        let process = &mut config["process"];
        process["terminal"] = json!(false);
        process["noNewPrivileges"] = json!(true);
        process["capabilities"] = json!({});
        append(&mut process["args"], args.iter().map(|arg| json!(arg)).collect())?;
        append(&mut process["env"], env.iter().map(|variable| json!(variable)).collect())?;
        config["root"]["readonly"] = json!(true);
        let bind = |source: PathBuf, at: &str| json!({"destination": at, "source": source, "type": "bind", "options": ["bind", "ro"]});
        let mounts = vec![bind(self.volume.clone(), VOLUME), bind(self.volume.join("hosts"), "/etc/hosts")];
        append(&mut config["mounts"], mounts)?;
        let namespaces = config["linux"]["namespaces"].as_array_mut().context("no namespaces")?;
        namespaces.retain(|one| one["type"] != "network");
        std::fs::write(self.folder.join("config.json"), config.to_string())?;
        Ok(())
    }

    fn command(&self) -> String {
        format!("runc run --bundle '{}' {}", self.folder.display(), self.id)
    }

    /// Runs a command of Albedo's to its end.
    async fn run(&self, args: &[&str]) -> Result<Output> {
        self.configure(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>(), &[])?;
        Ok(Command::new("sh").args(["-c", &self.command()]).stdin(Stdio::null()).output().await?)
    }

    /// A file below `/proc` of the container's first process.
    async fn of_process(&self, file: &str) -> Result<String> {
        let state: Value = serde_json::from_str(&succeeded(Command::new("runc").args(["state", &self.id])).await?)?;
        let path = format!("/proc/{}/{file}", state["pid"]);
        std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        // Where the test failed the container may run on: a killed runc does not end it. Otherwise there is none, which is an error to runc.
        let mut command = std::process::Command::new("runc");
        let _ = command.args(["delete", "--force", &self.id]).stderr(Stdio::null()).status();
    }
}

/// All files of a folder with their content.
fn content(folder: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push((path.strip_prefix(folder)?.to_owned(), std::fs::read(&path)?));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Neither the folder nor the clock, the time zone or the order of Python's sets changes a byte.
pub async fn two_builds_are_equal(base: Arc<Base>) -> Result<()> {
    let (one, two) = (base.dir().join("image-one"), base.dir().join("image-two"));
    let program = Path::new(PROGRAM);
    let date = ("SOURCE_DATE_EPOCH", "1700000000");
    make_image(program, &one, &[date, ("TZ", "UTC"), ("PYTHONHASHSEED", "1")]).await?;
    // Archives keep full seconds.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    make_image(program, &two, &[date, ("TZ", "Asia/Tokyo"), ("PYTHONHASHSEED", "2")]).await?;
    let (one, two) = (content(&one)?, content(&two)?);
    let names = |files: &[(PathBuf, Vec<u8>)]| files.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
    ensure!(names(&one) == names(&two), "{:?} and {:?}", names(&one), names(&two));
    let differing: Vec<&PathBuf> = one.iter().zip(&two).filter(|(a, b)| a != b).map(|(file, _)| &file.0).collect();
    ensure!(differing.is_empty(), "these differ: {differing:?}");
    ensure!(one.iter().any(|(path, _)| path.ends_with("albedo.tar")), "no archive among {:?}", names(&one));
    Ok(())
}

fn blob(image: &Path, descriptor: &Value) -> Result<Value> {
    let digest = descriptor["digest"].as_str().context("a descriptor without a digest")?.replace(':', "/");
    Ok(serde_json::from_slice(&std::fs::read(image.join("oci/blobs").join(digest))?)?)
}

/// The Dockerfile makes the same of it: user, entrypoint, variables, labels; and with the Rust that Cargo.toml asks for.
pub async fn the_dockerfile_agrees(base: Arc<Base>) -> Result<()> {
    let image = base.dir().join("image-of-dockerfile");
    make_image(Path::new(PROGRAM), &image, &[]).await?;
    let layout: Value = serde_json::from_slice(&std::fs::read(image.join("oci/index.json"))?)?;
    let index = blob(&image, &layout["manifests"][0])?;
    let manifest = blob(&image, &index["manifests"][0])?;
    let config = blob(&image, &manifest["config"])?["config"].take();
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned).with_context(|| format!("{value} is no text"));
    let env: Vec<&str> = config["Env"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut expected = vec![
        format!("FROM rust:{}-", env!("CARGO_PKG_RUST_VERSION")),
        format!("\nUSER {}\n", text(&config["User"])?),
        format!("\nWORKDIR {}\n", text(&config["WorkingDir"])?),
        format!("\nENTRYPOINT {}\n", config["Entrypoint"]),
        format!("\nENV {}\n", env.join(" ")),
    ];
    for (name, value) in config["Labels"].as_object().context("no labels")? {
        let of_the_build = name.ends_with(".created") || name.ends_with(".revision");
        expected.extend((!of_the_build).then(|| format!("{name}={value}")));
    }
    let file = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/image/Dockerfile"))?;
    let missing: Vec<&String> = expected.iter().filter(|line| !file.contains(*line)).collect();
    ensure!(missing.is_empty() && expected.len() > 8, "deploy/image/Dockerfile lacks {missing:?}");
    Ok(())
}

/// Commands in the container, then the controller from its start to a load balancer and to its end.
pub async fn albedo_runs_in_it(base: Arc<Base>) -> Result<()> {
    if let Some(why) = lacking().await {
        eprintln!("SKIPPED image::albedo_runs_in_it: {why}");
        return Ok(());
    }
    let mut fixture = Fixture::open(&base, "image").await?;
    let bundle = Bundle::make(&fixture).await?;
    bundle.add("hosts", format!("127.0.0.1 localhost {AWS}\n").as_bytes())?;
    let authorities = std::fs::read_to_string(bundle.folder.join("rootfs/etc/ssl/certs/ca-certificates.crt"))?;
    let certificates = CertificateDer::pem_slice_iter(authorities.as_bytes()).collect::<Result<Vec<_>, _>>();
    ensure!(certificates.as_ref().is_ok_and(|all| all.len() > 100), "the authorities of the image: {certificates:?}");
    commands(&bundle).await?;

    enter(&bundle, &mut fixture).await?;
    fixture.start().await?;
    confined(&bundle).await?;
    fixture.register().await?;
    fixture.backends("ClusterIP").await?;
    fixture.apply(&[fixture.ingress("web", &[("target-type", "ip")], &json!([]))]).await?;
    fixture.hostname("web").await?;
    fixture.quiet().await?;
    ensure!(fixture.state().await?.load_balancers.len() == 1, "{:?}", fixture.state().await?.load_balancers);
    fixture.kubectl(&["delete", "ingress", "web", "--wait=false"]).await?;
    eventually("the load balancer is deleted", SOON, async || {
        Ok(fixture.state().await?.load_balancers.is_empty().then_some(()))
    })
    .await?;
    // What rustls says when it cannot use a bundle.
    ensure!(!fixture.log().contains("native root CA"), "{}", tail(&fixture.log()));
    // SIGTERM goes through runc to Albedo, and its exit code comes back.
    fixture.close().await
}

/// What needs neither an API server nor AWS.
async fn commands(bundle: &Bundle) -> Result<()> {
    let version = bundle.run(&["--version"]).await?;
    let outside = albedo(&["--version"]).await?;
    ensure!(String::from_utf8_lossy(&version.stdout) == outside, "{version:?} in the image, {outside} outside");
    ensure!(outside.starts_with(&format!("albedo {} (commit ", env!("CARGO_PKG_VERSION"))), "{outside}");
    let rows = [("2048.yaml", 0, ""), ("bad-camel-case-keys.yaml", 1, "ALB001")];
    for (name, code, finding) in rows {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
        let checked = bundle.run(&["check", &bundle.add(name, &std::fs::read(example)?)?]).await?;
        let said = String::from_utf8_lossy(&checked.stdout);
        ensure!(checked.status.code() == Some(code) && said.contains(finding), "check {name}: {checked:?}");
    }
    Ok(())
}

/// From here on `start` starts the container, with the fixture's arguments, variables and files.
async fn enter(bundle: &Bundle, fixture: &mut Fixture) -> Result<()> {
    let certificates = PathBuf::from(fixture.flag("webhook-cert-dir")?);
    for name in ["tls.crt", "tls.key"] {
        bundle.add(name, &std::fs::read(certificates.join(name))?)?;
    }
    fixture.flags(&[&format!("--webhook-cert-dir={VOLUME}")]);
    let args: Vec<String> = fixture.launch.args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let mut env = Vec::new();
    for (name, value) in &fixture.launch.env {
        let value = value.to_str().context("a variable that is not UTF-8")?;
        env.push(match name.as_str() {
            // With the content of the files that it names.
            "KUBECONFIG" => {
                let plane = fixture.base().test_env.plane();
                let whole = plane.kubectl_ok(["--kubeconfig", value, "config", "view", "--raw", "--flatten"]).await?;
                format!("{name}={}", bundle.add("kubeconfig", whole.as_bytes())?)
            }
            "AWS_ENDPOINT_URL" => format!("{name}={}", value.replace("127.0.0.1", AWS)),
            _ => format!("{name}={value}"),
        });
    }
    bundle.configure(&args, &env)?;
    let script = fixture.write("run.sh", &format!("#!/bin/sh\nexec {}\n", bundle.command()))?;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
    fixture.launch.binary = script;
    Ok(())
}

/// What the kernel says of the process: the user, no capabilities, no way to more of them, a root that cannot be written.
async fn confined(bundle: &Bundle) -> Result<()> {
    let status = bundle.of_process("status").await?;
    let nothing = "0".repeat(16);
    let user = format!("{USER}\t{USER}\t{USER}\t{USER}");
    let rows: [(&str, &str); 6] = [
        ("Uid", &user),
        ("Gid", &user),
        ("CapPrm", &nothing),
        ("CapEff", &nothing),
        ("CapBnd", &nothing),
        ("NoNewPrivs", "1"),
    ];
    for (name, expected) in rows {
        ensure!(
            status.lines().any(|line| line == format!("{name}:\t{expected}")),
            "{name} is not {expected}:\n{status}"
        );
    }
    let mounts = bundle.of_process("mountinfo").await?;
    let root =
        mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find(|fields| fields.get(4) == Some(&"/"));
    let options = root.and_then(|fields| fields.get(5).copied()).unwrap_or_default();
    ensure!(options.split(',').any(|option| option == "ro"), "the root is not read-only:\n{mounts}");
    Ok(())
}
