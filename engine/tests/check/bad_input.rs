//! Bad input: an error that says where, and what is well is checked all the same.

use std::time::Instant;

use albedo_engine::manifest::LARGEST;

use super::{ingress, read, report, text};

/// What is said of one file's bytes: each remark as `rule line:column message`.
fn said(bytes: &[u8]) -> Vec<String> {
    let manifests = read(&[("in.yaml", bytes)]);
    let report = report(&manifests);
    let place = |remark: &albedo_engine::check::Remark| match &remark.place {
        Some(place) => format!("{}:{}", place.line, place.column),
        None => "-".to_owned(),
    };
    report.remarks.iter().map(|remark| format!("{} {} {}", remark.rule.id(), place(remark), remark.message)).collect()
}

fn says(bytes: &[u8], wanted: &[&str]) {
    let said = said(bytes);
    for wanted in wanted {
        assert!(said.iter().any(|said| said.starts_with(wanted)), "{wanted:?} is not said: {said:#?}");
    }
    assert_eq!(said.len(), wanted.len(), "{said:#?}");
}

#[test]
fn what_is_no_text() {
    says(b"", &["not-a-manifest - contains no manifest"]);
    says(b"# nothing\n---\n\n", &["not-a-manifest - contains no manifest"]);
    says(b"kind: a\nb: \xff\n", &["unreadable 2:4 is not UTF-8: byte 0xff"]);
    says(b"\x7fELF\x02\x00\x00", &["unreadable - is binary"]);
    says(b"\xff\xfek\0i\0", &["unreadable - is UTF-16"]);
    says(&vec![b'a'; LARGEST + 1], &["unreadable - is larger than 16 MiB"]);
}

#[test]
fn what_is_no_yaml() {
    says(b"a: b\n\tc: d\n", &["not-yaml 1:4 is no YAML: while scanning a plain scalar, found a tab"]);
    says(b"a: [1, 2\nb: 3\n", &["not-yaml 2:"]);
    says(b"metadata:\n  name: a\n  name: b\n", &["not-yaml 3:3 is no YAML: duplicate mapping key: name"]);
    says(b"a: \"b\n", &["not-yaml "]);
    says(b"a: *b\n", &["not-yaml 1:4"]);
    says(b"metadata:\n  name: {{ .Values.name }}\n", &["not-yaml 2:"]);
    assert!(text("metadata:\n  name: {{ .Values.name }}\n").contains("helm template"));
}

#[test]
fn what_is_no_manifest() {
    says(b"hello\n", &["not-a-manifest 1:1 not a manifest: it is a string"]);
    says(b"- a\n- b\n", &["not-a-manifest 1:1 not a manifest: it is a list"]);
    says(b"# values\nreplicas: 3\n", &["not-a-manifest 2:1 not a manifest: it has no kind"]);
    says(b"kind: Ingress\nmetadata: {name: a}\n", &["not-a-manifest 1:1 not a manifest: it has no apiVersion"]);
    // What others read is theirs.
    says(b"apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: a}\nspec: {template: 1}\n", &[]);
}

/// One broken document leaves the others whole, and is told with the line of the file.
#[test]
fn one_of_several_is_broken() {
    let file = format!(
        "{}---\na: [\n---\n{}",
        ingress("a: b"),
        ingress("alb.ingress.kubernetes.io/scheme: public").replace("web", "api")
    );
    let said = said(file.as_bytes());
    assert!(said.iter().any(|said| said.starts_with("not-yaml 2") || said.starts_with("not-yaml 3")), "{said:#?}");
    assert!(said.iter().any(|said| said.starts_with("ALB002 ")), "{said:#?}");
}

#[test]
fn what_the_api_server_refuses() {
    let number = ingress("alb.ingress.kubernetes.io/group.name: shop\nalb.ingress.kubernetes.io/group.order: 10");
    says(number.as_bytes(), &["malformed 7:44 10 is a number"]);
    assert!(text(&number).contains("put it in quotes: \"10\""), "{}", text(&number));
    says(ingress("alb.ingress.kubernetes.io/ssl-redirect: 443").as_bytes(), &["malformed 6:45 443 is a number", "ALB"]);
    says(ingress("example.com/a: yes").as_bytes(), &["malformed 6:20 yes is a boolean"]);
    says(ingress("example.com/a: off").as_bytes(), &["malformed 6:20 off is a boolean"]);
    says(ingress("a: b").replacen("name: web", "name: no", 1).as_bytes(), &["malformed 4:9 no is a boolean"]);
    says(ingress("a: b").replacen("name: web", "name: 8", 1).as_bytes(), &["malformed 4:9 8 is a number"]);
    says(ingress("example.com/a: [1]").as_bytes(), &["malformed 6:5 a list"]);
    says(ingress("example.com/a:").as_bytes(), &[]);
    let old = ingress("a: b").replace("networking.k8s.io/v1", "extensions/v1beta1");
    says(old.as_bytes(), &["gone-api 1:13 no cluster supports Ingress of extensions/v1beta1 any more"]);
    let field = ingress("a: b").replace("pathType", "pathtype");
    says(field.as_bytes(), &["malformed 13:13 unknown field pathtype: kubectl"]);
    let port = ingress("a: b").replace("number: 80", "number: http");
    says(port.as_bytes(), &["malformed 18:27 invalid type: string \"http\", expected i32"]);
    says(ingress("a: b").replace("  name: web\n", "").as_bytes(), &["malformed 3:1 the Ingress has no name"]);
}

#[test]
fn an_object_twice() {
    let manifests = read(&[("a.yaml", ingress("a: b").as_bytes()), ("b.yaml", ingress("a: c").as_bytes())]);
    let report = report(&manifests);
    assert_eq!(report.remarks.len(), 1);
    assert_eq!(report.errors(), 0);
    assert!(report.remarks[0].message.contains("a.yaml:4"), "{}", report.remarks[0].message);
}

/// Aliases that grow to billions, nesting without end, and much of everything: an error, soon. A thread of a test has a quarter
/// of the stack that a program has, and unoptimised code takes ten times as much of it.
#[test]
fn bombs() {
    let thread = std::thread::Builder::new().stack_size(8 << 20).spawn(told_of_bombs).expect("a thread");
    thread.join().expect("no panic");
}

fn told_of_bombs() {
    let start = Instant::now();
    let mut laughs = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (last, next) in ('a'..'k').zip('b'..'l') {
        laughs.push_str(&format!("{next}: &{next} [{}]\n", vec![format!("*{last}"); 10].join(", ")));
    }
    says(laughs.as_bytes(), &["not-yaml "]);
    says("[".repeat(100_000).as_bytes(), &["not-yaml 1:"]);
    says("{\"a\":".repeat(100_000).as_bytes(), &["not-yaml 1:"]);
    let deep: String = (0..5_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    says(deep.as_bytes(), &["not-yaml "]);
    says(format!("- {}", "- ".repeat(100_000)).as_bytes(), &["not-yaml 1:"]);
    let recursive = b"kind: &a\n  b: *a\n";
    assert_eq!(said(recursive).len(), 1, "{:?}", said(recursive));
    assert!(start.elapsed().as_secs() < 60, "took {:?}", start.elapsed());
}

/// Ten megabytes are read: in one document, in many, and in one annotation.
#[test]
fn large_files() {
    let many = format!("{}---\n", ingress("a: b")).repeat(2_000);
    assert_eq!(said(many.as_bytes()).len(), 1_999, "each but the first stands there twice");
    // As large as Kubernetes stores it is read; larger, it is not.
    for (length, code) in [(200_000, "ALB012 "), (10_000_000, "ALB047 ")] {
        let value = format!("alb.ingress.kubernetes.io/actions.app: '{}'", "[".repeat(length));
        let value = said(ingress(&value).as_bytes());
        assert!(value.iter().any(|said| said.starts_with(code)), "{value:?}");
    }
    let map: String = (0..400_000).map(|number| format!("    example.com/{number}: value\n")).collect();
    let map = ingress("a: b").replace("    a: b\n", &map);
    assert_eq!(said(map.as_bytes()).len(), 1, "more than a manifest may hold");
}

#[test]
fn line_ends_and_marks() {
    let file = ingress("alb.ingress.kubernetes.io/scheme: public");
    let marked = format!("\u{feff}{}", file.replace('\n', "\r\n"));
    says(marked.as_bytes(), &["ALB002 6:39"]);
    says(file.trim_end().as_bytes(), &["ALB002 6:39"]);
}

/// What can be read and breaks a rule of the API server's, with the place of the field.
#[test]
fn what_the_api_server_finds_invalid() {
    let whole = ingress("a: b");
    let with = |from: &str, to: &str| whole.replacen(from, to, 1);
    for (file, wanted) in [
        (
            ingress("kubernetes.io/ingress.class: nginx"),
            "malformed 6:34 the annotation names the class `nginx` and spec.ingressClassName `alb`",
        ),
        (with("name: web", "name: My_Web"), "malformed 4:9 `My_Web` can't be the name of an Ingress"),
        (
            with("ingressClassName: alb", "ingressClassName: a/b"),
            "malformed 8:21 `a/b` can't be the name of an IngressClass",
        ),
        (with("- http:", "- host: WWW.example.com\n      http:"), "malformed 10:13 `WWW.example.com` can't be a host"),
        (with("- http:", "- host: 10.0.0.1\n      http:"), "malformed 10:13 10.0.0.1 is an address"),
        (with("path: /\n", "path: app\n"), "malformed 12:19 `app` must be an absolute path"),
        (with("path: /\n", "path: /a//b\n"), "malformed 12:19 `/a//b` has `//` in it"),
        (with("path: /\n", "path: /a/..\n"), "malformed 12:19 `/a/..` has `/..` in it"),
        (with("pathType: Prefix", "pathType: prefix"), "malformed 13:23 unknown pathType `prefix`"),
        (with("            pathType: Prefix\n", ""), "malformed 12:13 pathType must be specified"),
        (with("name: app", "name: App"), "malformed 16:23 `App` can't be the name of a Service"),
        (
            with("number: 80", "number: 80\n                  name: http"),
            "malformed 17:17 a port has a name or a number",
        ),
        (with("number: 80", "name: \"80\""), "malformed 18:25 `80` can't be the name of a port"),
        (with("number: 80", "number: 70000"), "malformed 18:27 70000 is no port"),
        (
            with("    - port: 80\n", "    - port: 80\n    - port: 81\n"),
            "malformed 28:7 of several ports each needs a name",
        ),
        (
            with("    - port: 80\n", "    - port: 80\n      targetPort: \"8080\"\n"),
            "malformed 28:19 `8080` can't be the name of a container's port",
        ),
    ] {
        let said = said(file.as_bytes());
        assert!(said.iter().any(|said| said.starts_with(wanted)), "{wanted:?} is not said: {said:#?}");
    }
    for file in [
        ingress("kubernetes.io/ingress.class: alb"),
        with("- http:", "- host: \"*.example.com\"\n      http:"),
        with("pathType: Prefix", "pathType: ImplementationSpecific"),
        with("number: 80", "name: use-annotation"),
    ] {
        let said = said(file.as_bytes());
        assert!(!said.iter().any(|said| said.starts_with("malformed")), "{said:#?}");
    }
    let empty = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a}\nspec: {ingressClassName: alb}\n";
    says(empty.as_bytes(), &["malformed 4:1 the Ingress has neither rules nor a default backend"]);
}
