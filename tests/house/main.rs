//! The house rules that a compiler doesn't hold: which room may use which, that the engine is pure, sizes and names of files.
//! Needs no dependency and no set-up: `make check-house`.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod rooms;
mod scan;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rooms::is_test;
use scan::{Source, Token, word};

/// Lines of code in a file, its tests aside.
const LINES: usize = 600;
const NAMELESS: &[&str] = &["common", "helper", "helpers", "manager", "managers", "util", "utils"];
/// Crates that would bring I/O, a clock or chance into the engine; a name that ends in `-` is a prefix.
const IMPURE: &[&str] = &[
    "aws-",
    "getrandom",
    "hyper",
    "kube-client",
    "kube-runtime",
    "mio",
    "openssl",
    "rand",
    "reqwest",
    "rustls",
    "socket2",
    "tokio",
    "tracing",
];

/// The workspace, whichever of its packages this test belongs to.
fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace =
        |folder: &&Path| fs::read_to_string(folder.join("Cargo.toml")).is_ok_and(|text| text.contains("[workspace]"));
    package.ancestors().find(workspace).expect("a Cargo.toml with [workspace] above the package").to_owned()
}

/// Every Rust source below a folder, as its path from there with `/`.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).unwrap_or_else(|error| panic!("{}: {error}", next.display())) {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            // Not a link to a folder: those could lead anywhere.
            if entry.file_type().unwrap().is_dir() {
                if name != "target" && !name.starts_with('.') {
                    open.push(entry.path());
                }
            } else if entry.path().extension().is_some_and(|extension| extension == "rs") {
                let path = entry.path();
                let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                let parts = path.strip_prefix(folder).unwrap().components();
                let parts: Vec<String> = parts.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
                found.push((parts.join("/"), text));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no Rust sources below {}", folder.display());
    found
}

fn none(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n  {}\n", broken.join("\n  "));
}

fn room_breaks(folder: &str, rows: &[rooms::RoomRow]) -> Vec<String> {
    let mut broken = Vec::new();
    // lib.rs only opens the rooms.
    for (file, text) in sources(&root().join(folder)).iter().filter(|(file, _)| file != "lib.rs") {
        broken
            .extend(rooms::breaks(rows, file, &Source::read(text)).iter().map(|why| format!("{folder}/{file}:{why}")));
    }
    broken
}

#[test]
fn each_room_uses_only_what_its_row_lists() {
    let mut broken = room_breaks("engine/src", rooms::ENGINE);
    broken.extend(room_breaks("src", rooms::EDGE));
    broken.extend(room_breaks("alb/src", rooms::ALB));
    none("what may use what is the table in tests/house/rooms.rs", &broken);
}

#[test]
fn the_engine_is_pure() {
    let mut broken = Vec::new();
    for (file, text) in sources(&root().join("engine/src")).iter().filter(|(file, _)| !is_test(file)) {
        broken.extend(rooms::impurities(&Source::read(text)).iter().map(|why| format!("engine/src/{file}:{why}")));
    }
    none("time and ids are arguments of the engine, I/O is the edge's", &broken);
}

#[test]
fn the_engine_depends_on_no_io() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["tree", "--offline", "-p", "albedo-engine", "-e", "normal", "--prefix", "none"]).current_dir(root());
    let output = command.output().expect("cargo starts");
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    assert!(tree.starts_with("albedo-engine "), "cargo tree answered:\n{tree}");
    none(
        "the engine has no dependency that does I/O; `cargo tree -p albedo-engine -e normal -i CRATE` says whose it is",
        &impure(&tree),
    );
}

fn impure(tree: &str) -> Vec<String> {
    let fits = |name: &str| {
        IMPURE.iter().any(|wanted| if wanted.ends_with('-') { name.starts_with(wanted) } else { name == *wanted })
    };
    let mut found: Vec<String> =
        tree.lines().filter_map(|line| line.split(' ').next()).filter(|name| fits(name)).map(str::to_owned).collect();
    found.sort();
    found.dedup();
    found
}

/// The files that match on `AwsOperation`.
const OPERATIONS: [&str; 3] =
    ["engine/src/plan/operation/describe.rs", "engine/src/plan/operation/text.rs", "src/cloud/operations.rs"];

#[test]
fn a_new_operation_does_not_compile_until_each_question_is_answered() {
    let mut broken = Vec::new();
    for folder in ["engine/src", "src"] {
        let files = sources(&root().join(folder));
        let files = files.iter().filter(|(file, _)| !is_test(file));
        broken.extend(files.flat_map(|(file, text)| operation_breaks(&format!("{folder}/{file}"), text)));
    }
    none(
        "`AwsOperation::describe` says what an operation does; only it, its text and its call match on all variants",
        &broken,
    );
}

fn operation_breaks(file: &str, text: &str) -> Vec<String> {
    let source = Source::read(text);
    let (lines, why) = match OPERATIONS.contains(&file) {
        true => (source.catch_alls(), "an answer for operations that are not named"),
        false => (source.matches_on("AwsOperation"), "matches on AwsOperation; ask describe()"),
    };
    lines.iter().map(|line| format!("{file}:{line}: {why}")).collect()
}

#[test]
fn what_answers_for_all_other_operations_is_found() {
    let [table, ..] = OPERATIONS;
    for text in [
        "match self { Self::DeleteRule { .. } => true, _ => false }",
        "match self { Self::DeleteRule { .. } => { true } other => f(other), }",
        "match self { _ if is_odd => false, Self::DeleteRule { .. } => true }",
        "matches!(self, Self::DeleteRule { .. })",
    ] {
        assert_eq!(operation_breaks(table, text).len(), 1, "{text}");
    }
    for text in [
        "match operation { AwsOperation::DeleteRule { rule } => f(rule) }",
        "if let AwsOperation::DeleteRule { rule } = operation { f(rule) }",
        "matches!(operation, Operation::Aws(AwsOperation::AddTags { tags, .. }))",
        "use plan::AwsOperation as Aws;",
        "impl AwsOperation { fn is_odd(&self) -> bool { true } }",
    ] {
        assert_eq!(operation_breaks("src/reconcile/odd.rs", text).len(), 1, "{text}");
    }
    assert_eq!(
        operation_breaks(table, "match self { Self::DeleteRule { rule } => Some(rule), Self::A | Self::B => None }"),
        [""; 0]
    );
    let fine = "let one = AwsOperation::DeleteRule { rule: arn }; f(AwsOperation::AddTags { tags, resource })";
    assert_eq!(operation_breaks("src/reconcile/odd.rs", fine), [""; 0]);
}

#[test]
fn files_are_small_open_with_a_sentence_and_have_names() {
    let broken: Vec<String> = sources(&root()).iter().flat_map(|(file, text)| file_breaks(file, text)).collect();
    none("a file has one subject, says it in its first line and is named after it", &broken);
}

fn file_breaks(file: &str, text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let source = Source::read(text);
    let lines = text.lines().count().saturating_sub(source.test_lines());
    if lines > LINES && !is_test(file) {
        broken.push(format!("{file}:{LINES}: {lines} lines without tests; {LINES} are the most"));
    }
    if !text.starts_with("//! ") {
        broken.push(format!("{file}:1: the first line is `//!` and what the file is about"));
    }
    let parts = file.trim_end_matches(".rs").split(['/', '_']);
    if let Some(part) = parts.into_iter().find(|part| NAMELESS.contains(part)) {
        broken.push(format!("{file}:1: `{part}` names nothing; name what is in it"));
    }
    for name in ["todo", "unimplemented"] {
        let lines = source.find(&[word(name), Token::Mark('!')], true);
        broken.extend(lines.iter().map(|line| format!("{file}:{line}: {name}!")));
    }
    for attribute in ["ignore", "path"] {
        let lines = source.find(&[Token::Mark('#'), Token::Mark('['), word(attribute)], true);
        broken.extend(lines.iter().map(|line| format!("{file}:{line}: #[{attribute}]")));
    }
    broken
}

#[test]
fn each_rule_about_files_finds_what_breaks_it() {
    assert_eq!(file_breaks("src/a.rs", "//! A.\n// todo!()\nconst S: &str = \"#[ignore]\";\n"), [""; 0]);
    let long = format!("//! A.\n{}", "const A: u8 = 1;\n".repeat(LINES));
    assert_eq!(file_breaks("src/tests/a.rs", &long), [""; 0]);
    assert_eq!(file_breaks("src/a.rs", &format!("//! A.\n#[cfg(test)]\nmod tests {{\n{long}}}\n")), [""; 0]);
    for (file, text) in [
        ("src/a.rs", long.as_str()),
        ("src/a.rs", ""),
        ("src/a.rs", "//! \u{41}.\nfn f() { todo!() }"),
        ("src/a.rs", "//! A.\n#[cfg(test)]\nmod tests {\n    #[test]\n    #[ignore = \"slow\"]\n    fn f() {}\n}"),
        ("src/a.rs", "//! A.\n#[path = \"b.rs\"]\nmod b;"),
        ("src/a.rs", "//! A.\nfn f() { unimplemented!(\"later\") }"),
        ("src/lock_manager.rs", "//! A.\n"),
        ("src/common/a.rs", "//! A.\n"),
        ("tests/it/utils.rs", "//! A.\n"),
    ] {
        assert_eq!(file_breaks(file, text).len(), 1, "{file}: {text}");
    }
    assert_eq!(
        impure("albedo-engine v0.1.0 (engine)\ntokio v1.54.1\nhyper-util v0.1\naws-types v1\ntokio v1.54.1 (*)\n"),
        ["aws-types", "tokio"]
    );
}
