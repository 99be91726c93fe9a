//! The program's commands on files: what `plan` leaves out is named, nothing that a terminal or a runner of CI obeys is printed, and files
//! are read up to a bound. Needs no API server and no AWS.
#![expect(clippy::expect_used, reason = "a panic is what a test has for a fault")]

use std::io::Write as _;
use std::process::{Command, Stdio};

/// Standard output and error, and the exit code, with a manifest on standard input.
fn albedo(args: &[&str], manifest: &str) -> (String, String, i32) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_albedo"))
        .args(args)
        .env("KUBECONFIG", "/nowhere")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("albedo starts");
    // A command that fails before it reads does not listen.
    let _ = child.stdin.take().expect("standard input").write_all(manifest.as_bytes());
    let output = child.wait_with_output().expect("albedo ends");
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("UTF-8"));
    (stdout, stderr, output.status.code().unwrap_or(-1))
}

/// An Ingress, and a class `own` whose parameters do not exist.
fn ingress(name: &str, class: &str, annotations: &str, path: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {{name: own}}
spec: {{controller: ingress.k8s.aws/alb, parameters: {{apiGroup: elbv2.k8s.aws, kind: IngressClassParams, name: absent}}}}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {{name: foreign}}
spec: {{controller: example.com/other}}
---
apiVersion: v1
kind: Service
metadata: {{name: app, namespace: ns}}
spec: {{type: NodePort, ports: [{{port: 80, nodePort: 30080}}]}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {name}, namespace: ns, annotations: {{{annotations}}}}}
spec:
  ingressClassName: {class}
  rules:
  - http: {{paths: [{{path: {path}, pathType: Prefix, backend: {{service: {{name: app, port: {{number: 80}}}}}}}}]}}
"
    )
}

#[test]
fn plan_names_every_ingress_that_it_leaves_out() {
    let key = |suffix: &str| format!("alb.ingress.kubernetes.io/{suffix}");
    let rows: [(&str, String, i32, &[&str]); 6] = [
        ("alb", key("scheme: internal"), 0, &[]),
        ("alb", key("group.name: Bad_Name"), 1, &["ns/web is not part of it", "groupName must consist of"]),
        ("own", String::new(), 1, &["ns/web is not part of it", "absent"]),
        ("alb", key("scheme: public"), 1, &["ns/web is not part of it", "ALB002", "public"]),
        ("alb", key("subnets: subnet-0a11"), 1, &["ns/web", "ALB201"]),
        // Somebody else's is left out by right.
        ("foreign", String::new(), 0, &["ns/web is not part of it", "another controller"]),
    ];
    let facts = r#"{"subnets": {"read_at": "2026-01-01T00:00:00Z", "value": []}}"#;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("facts.json");
    std::fs::write(&file, facts).expect("a file");
    for (class, annotations, code, words) in rows {
        let manifest = ingress("web", class, &annotations, "/");
        let known = annotations.contains("subnets");
        let facts = [format!("--facts={}", file.display())];
        let facts: Vec<&str> = facts.iter().map(String::as_str).filter(|_| known).collect();
        for more in [&[][..], &["--output", "json"]] {
            let args: Vec<&str> = ["plan", "-"].into_iter().chain(more.iter().copied()).chain(facts.clone()).collect();
            let (stdout, stderr, is) = albedo(&args, &manifest);
            assert_eq!(is, code, "{args:?} {annotations}: {stdout}{stderr}");
            assert!(words.iter().all(|word| stderr.contains(word)), "{args:?} {annotations}: {stderr}");
            assert_eq!(words.is_empty(), stderr.is_empty(), "{args:?} {annotations}: {stderr}");
        }
    }
}

#[test]
fn nothing_is_printed_that_is_obeyed() {
    const HOSTILE: &str = r#""\e[2J\u009b1m\n::error::x\r##[error]\u202e""#;
    let manifests = [
        ingress("web", "alb", &format!("alb.ingress.kubernetes.io/scheme: {HOSTILE}"), "/"),
        ingress("web", "alb", &format!("alb.ingress.kubernetes.io/tags: {HOSTILE}"), "/"),
        ingress("web", "alb", &format!("alb.ingress.kubernetes.io/group.name: {HOSTILE}"), "/"),
        ingress("web", "alb", "", &HOSTILE.replacen('"', "\"/", 1)),
        ingress(HOSTILE, "alb", "", "/"),
        ingress("web", HOSTILE, "", "/"),
        format!("a: {HOSTILE}\n\u{1b}[2J"),
    ];
    let commands: [&[&str]; 8] = [
        &["check", "-"],
        &["check", "-", "--output", "json"],
        &["check", "-", "--output", "sarif"],
        &["check", "-", "--output", "github"],
        &["plan", "-"],
        &["plan", "-", "--output", "json"],
        &["trace", "-f", "-", "http://a.example.com/"],
        &["trace", "-f", "-", "--output", "json", "http://a.example.com/"],
    ];
    let is_obeyed = |c: char| c != '\n' && c != '\t' && (c.is_control() || c == '\u{202e}');
    for args in commands {
        for manifest in &manifests {
            let (stdout, stderr, code) = albedo(args, manifest);
            assert!((0..=2).contains(&code), "{args:?}: {stderr}");
            for (text, is_stdout) in [(&stdout, true), (&stderr, false)] {
                assert!(!text.chars().any(is_obeyed), "{args:?}: {text:?}");
                assert!(!text.contains("##["), "{args:?}: {text:?}");
                let github = args.contains(&"github") && is_stdout;
                let commands = text.lines().filter(|line| line.trim_start().starts_with("::"));
                let own = |line: &str| line.starts_with("::error ") || line.starts_with("::warning ");
                assert!(commands.into_iter().all(|line| github && own(line)), "{args:?}: {text:?}");
            }
        }
    }
    let (_, stderr, code) = albedo(&["explain", "\u{1b}[2J"], "");
    assert!(code == 2 && !stderr.chars().any(is_obeyed), "{stderr:?}");
}

#[test]
fn files_are_read_up_to_a_bound() {
    let manifest = ingress("web", "alb", "", "/");
    let rows: [(&[&str], &str); 4] = [
        (
            &["check", "-", "--facts=/dev/zero"],
            "--facts /dev/zero: is larger than the limit of 67108864 bytes (64 MiB)",
        ),
        (&["plan", "-", "--facts=/dev/zero"], "--facts /dev/zero: is larger than the limit of 67108864 bytes (64 MiB)"),
        (
            &["webhook-config", "--ca-file=/dev/zero"],
            "--ca-file /dev/zero: is larger than the limit of 4194304 bytes (4 MiB)",
        ),
        (
            &["explain", "ingress", "ns/web", "--kubeconfig=/dev/zero"],
            "--kubeconfig /dev/zero: is larger than the limit of 4194304 bytes (4 MiB)",
        ),
    ];
    for (args, words) in rows {
        let (_, stderr, code) = albedo(args, &manifest);
        assert!(code == 2 && stderr.contains(words), "{args:?}: {code} {stderr}");
    }
    let (stdout, stderr, _) = albedo(&["check", "/dev/zero"], "");
    assert!((stdout + &stderr).contains("is larger than 16 MiB"));
}

/// From files: Services and Ingresses alone, because files do not show what runs; nothing is asked.
#[test]
fn preflight_reads_files() {
    let manifest = ingress("web", "alb", "'alb.ingress.kubernetes.io/listen_ports': x", "/");
    let (out, err, code) = albedo(&["preflight", "-f", "-"], &manifest);
    assert!(
        code == 0 && out.contains("warns  Ingress ns/web: ALB001") && out.contains("nothing blocks"),
        "{code} {out}{err}"
    );
    let service = "---\napiVersion: v1\nkind: Service\nmetadata: {name: nlb, namespace: ns}\n\
                   spec: {type: LoadBalancer, loadBalancerClass: service.k8s.aws/nlb, ports: [{port: 80}]}\n";
    let (out, err, code) = albedo(&["preflight", "-f", "-", "--output", "json"], &format!("{manifest}{service}"));
    let report: serde_json::Value = serde_json::from_str(&out).unwrap_or_default();
    assert!(code == 1 && report["blocks"] == 1 && report["audit"]["errors"] == 1, "{code} {out}{err}");
    let (out, _, code) = albedo(&["preflight", "-f", "-", "--output", "sarif"], &manifest);
    assert!(code == 0 && out.contains("\"ALB001\""), "{code} {out}");
    let (out, err, code) = albedo(&["preflight", "-f", "nowhere.yaml"], "");
    assert!(code == 2 && err.contains("nowhere.yaml does not exist"), "{code} {out}{err}");
}

/// Defaults are written into Ingresses of files, and policies judge what is in effect then.
#[test]
fn defaults_and_policies_apply_to_files() {
    let object = |kind: &str, spec: &str| {
        format!("---\napiVersion: albedo.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: team}}\nspec: {spec}\n")
    };
    let web = ingress("web", "alb", "", "/");
    let public = object("IngressDefaults", "{settings: {scheme: internet-facing}}");
    let (out, err, code) = albedo(&["plan", "-"], &format!("{web}{public}"));
    assert!(code == 0 && out.contains("internet-facing"), "{code} {out}{err}");

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("policy.yaml");
    std::fs::write(&file, object("IngressPolicy", "{settings: {scheme: {allowed: [internal]}}}")).expect("a file");
    let policy = format!("--policy={}", file.display());
    let (out, err, code) = albedo(&["check", "-", &policy], &web);
    assert_eq!(code, 0, "{out}{err}");
    let (out, err, code) = albedo(&["check", "-", &policy], &format!("{web}{public}"));
    assert!(code == 1 && out.contains("error[ALB115]: scheme is internet-facing"), "{code} {out}{err}");
    assert!(out.contains("IngressPolicy team allows internal"), "{out}");

    // What is wrong with the objects themselves has its place.
    let bad = object("IngressDefaults", "{settings: {sslPolicy: x}}");
    let (out, _, code) = albedo(&["check", "-"], &bad);
    assert!(
        code == 1 && out.contains("error[ALB048]: unknown setting sslPolicy") && out.contains(":5:"),
        "{code} {out}"
    );
    let odd = object("IngressDefaults", "{settings: {scheme: [a]}}");
    let (out, _, code) = albedo(&["check", "-"], &odd);
    assert!(code == 1 && out.contains("error[malformed]"), "{code} {out}");

    let (out, err, code) = albedo(&["explain", "defaults", "-f", "-"], &format!("{web}{public}"));
    assert_eq!(code, 0, "{out}{err}");
    for words in ["Ingress ns/web: class alb", "IngressDefaults team, priority 0  in effect, written when", "built-in"]
    {
        assert!(out.contains(words), "{out}");
    }
    let (_, err, code) = albedo(&["explain", "defaults"], "");
    assert!(code == 2 && err.contains("name files with -f"), "{code} {err}");
    let (_, err, code) = albedo(&["explain", "scheme", "-f", "x.yaml"], "");
    assert!(code == 2 && err.contains("albedo explain defaults"), "{code} {err}");
}
