//! Ingresses as people write them: what is said of each is reviewed and kept. Runs where the corpus is.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::{read, report};

/// The corpus beside the project, or where `ALBEDO_CORPUS` says.
fn folder() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    std::env::var_os("ALBEDO_CORPUS").map_or(beside, PathBuf::from)
}

/// Past what the harness holds back of a test that goes well.
fn tell(line: &str) {
    writeln!(std::io::stdout(), "{line}").expect("somebody listens");
}

#[test]
fn of_every_file_the_same_is_said() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/corpus.tsv");
    let folder = folder();
    let Ok(entries) = std::fs::read_dir(&folder) else {
        tell(&format!("SKIPPED: there is no corpus at {} (or ALBEDO_CORPUS)", folder.display()));
        return;
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    let mut lines =
        "# file, place, level, code, field, what is said; `-` for a file of which nothing is said\n".to_owned();
    let mut clean = 0;
    for path in &paths {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let manifests = read(&[(name.as_str(), &std::fs::read(path).expect("a file"))]);
        let report = report(&manifests);
        let missing = |remark: &&albedo_engine::check::Remark| remark.rule.id() != "ALB101";
        let said: Vec<String> = report
            .remarks
            .iter()
            // Of one file alone the Services are missing in most.
            .filter(missing)
            .map(|remark| {
                let place =
                    remark.place.as_ref().map_or("-".to_owned(), |place| format!("{}:{}", place.line, place.column));
                let (level, rule) = (remark.level.word(), remark.rule.id());
                let message = format!("{}; {}", remark.message, remark.fix).replace(['\n', '\t', '\r'], " ");
                format!("{name}\t{place}\t{level}\t{rule}\t{}\t{message}\n", remark.path)
            })
            .collect();
        clean += usize::from(said.is_empty());
        lines += &if said.is_empty() { format!("{name}\t-\n") } else { said.concat() };
    }
    tell(&format!("{} files of the corpus, {clean} of them without a word", paths.len()));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&kept, lines).expect("corpus.tsv");
        return;
    }
    let before = std::fs::read_to_string(&kept).expect("corpus.tsv");
    let differ = |a: &str, b: &str| {
        a.lines()
            .filter(|line| !b.lines().any(|other| other == *line))
            .map(|line| line.to_owned() + "\n")
            .collect::<String>()
    };
    assert!(before == lines, "said no more:\n{}said now:\n{}", differ(&before, &lines), differ(&lines, &before));
}
