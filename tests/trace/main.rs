//! `albedo trace` through the binary: what it prints, as text and as JSON, and how it ends. Needs no test environment.
//!
//! `UPDATE=1` writes the expected texts anew: read the difference before you commit it.
#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a panic is what a test has for a fault")]

use std::path::Path;
use std::process::Command;

/// Standard output and error, and the exit code.
fn trace(args: &[&str]) -> (String, String, i32) {
    let file = Path::new("tests/trace/shop.yaml");
    let output = Command::new(env!("CARGO_BIN_EXE_albedo"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["trace", "-f"])
        .arg(file)
        .args(args)
        .output()
        .expect("albedo starts");
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (stdout, stderr, output.status.code().unwrap_or(-1))
}

/// Compares with `tests/trace/NAME`, or writes it.
fn holds(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trace").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(text, expected, "{name}: is it meant? UPDATE=1 writes it anew");
}

#[test]
fn the_walk_in_words() {
    let rows: [(&str, &[&str], i32); 10] = [
        ("forward", &["http://shop.example.com/a/b?c=d"], 0),
        ("header", &["http://SHOP.example.com/next", "-H", "x-edition: Next-3"], 0),
        ("rewrite", &["http://shop.example.com/v2/cart"], 0),
        ("redirect", &["http://shop.example.com/old/a?b=c", "-X", "POST"], 0),
        ("client-not-told", &["http://shop.example.com/partner/x"], 1),
        ("client-told", &["http://shop.example.com/partner/x", "--from", "192.0.2.7"], 0),
        ("other-host", &["http://10.0.0.1/", "-H", "Host: www.example.com", "--group", "shop"], 0),
        ("own-load-balancer", &["http://www.example.com/", "--group", "shop/admin"], 0),
        ("port-nobody-listens-on", &["https://shop.example.com/"], 1),
        ("protocol", &["https://shop.example.com:80/"], 1),
    ];
    let mut text = String::new();
    for (name, args, expected) in rows {
        let (stdout, stderr, code) = trace(args);
        assert_eq!((stderr.as_str(), code), ("", expected), "{name}: {stdout}");
        text.push_str(&format!("# {name}: albedo trace -f shop.yaml {}\n{stdout}\n", args.join(" ")));
    }
    holds("walks.txt", &text);
}

#[test]
fn the_walk_as_json() {
    let (stdout, stderr, code) = trace(&["http://shop.example.com/v2/cart", "--output", "json"]);
    assert_eq!((stderr.as_str(), code), ("", 0));
    let walks: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(walks.pointer("/0/rule/ingress"), Some(&serde_json::json!("shop/canary")), "{stdout}");
    holds("rewrite.json", &stdout);
}

#[test]
fn what_cannot_be_traced_says_why() {
    let rows: [(&[&str], &str); 5] = [
        (&["ftp://shop.example.com/"], "speaks http and https, not ftp"),
        (&["shop.example.com/a"], "shop.example.com/a"),
        (&["http://shop.example.com/", "-H", "X-Edition"], "-H X-Edition: write 'Name: value'"),
        (&["http://shop.example.com/", "--from", "10.0.0.0/8"], "10.0.0.0/8"),
        (
            &["http://shop.example.com/", "--facts", "tests/trace/shop.yaml"],
            "--facts tests/trace/shop.yaml: not a file from albedo facts",
        ),
    ];
    for (args, fact) in rows {
        let (_, stderr, code) = trace(args);
        assert_eq!(code, 2, "{args:?}: {stderr}");
        assert!(stderr.contains(fact), "{args:?}: {stderr}");
    }
}
