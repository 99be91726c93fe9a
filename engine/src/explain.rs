//! Explanations of annotations, attributes and finding codes as text, for the terminal and for the docs.

mod pages;
mod words;

use crate::annotation::attributes::{Attribute, Owner};
use crate::annotation::{Grammar, PREFIX, SettingRow, every_row, nearest, nearest_of, row};
use crate::finding::{CODES, Certainty, Code, CodeRow, Effect, Tier};

pub use pages::{annotations_page, findings_page};

/// What a word means.
#[derive(Debug, Clone, Copy)]
pub enum Topic {
    /// An annotation, or a family of them.
    Annotation(&'static SettingRow),
    /// An attribute of something.
    Attribute(Owner, &'static Attribute),
    /// A finding code.
    Code(&'static CodeRow),
}

/// All meanings of a word: a key with or without its prefix, the key of an attribute, a code.
#[must_use]
pub fn topics(word: &str) -> Vec<Topic> {
    if let Some(code) = Code::parse(word) {
        return vec![Topic::Code(code.row())];
    }
    let suffix = word.strip_prefix(PREFIX).unwrap_or(word);
    let whole = || every_row().find(|row| row.full_key().trim_end_matches('.') == word.trim_end_matches('.'));
    let bare = || every_row().find(|row| row.key.trim_end_matches('.') == suffix.trim_end_matches('.'));
    if let Some(row) = row(suffix).or_else(whole).or_else(bare) {
        return vec![Topic::Annotation(row)];
    }
    let of = |owner: Owner| owner.attributes().iter().find(|attribute| attribute.key == word);
    Owner::ALL.into_iter().filter_map(|owner| Some(Topic::Attribute(owner, of(owner)?))).collect()
}

/// A suggestion for an unknown word.
#[must_use]
pub fn meant(word: &str) -> Option<String> {
    if word.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("alb"))
        && word.bytes().any(|byte| byte.is_ascii_digit())
    {
        let near = nearest_of(word, CODES.iter().map(|row| row.id));
        return near.map(|near| format!("did you mean `{near}`?"));
    }
    let attributes = Owner::ALL.into_iter().flat_map(|owner| owner.attributes().iter().map(|attribute| attribute.key));
    let near = nearest(word.strip_prefix(PREFIX).unwrap_or(word)).map(|near| near.to_string());
    near.or_else(|| nearest_of(word, attributes).map(|near| format!("did you mean `{near}`?")))
}

/// All topics, one on each line.
#[must_use]
pub fn list() -> String {
    let mut text = format!("annotations (after {PREFIX} where no domain is named):\n");
    for row in every_row() {
        let key = if row.prefix == PREFIX { row.key.to_owned() } else { row.full_key() };
        text.push_str(&format!("  {:<52} {}\n", key + row.placeholder, words::first_sentence(row.doc)));
    }
    text.push_str("\nfindings:\n");
    for row in CODES {
        text.push_str(&format!("  {}  {}\n", row.id, row.title));
    }
    text
}

impl Topic {
    /// The explanation, for a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Annotation(row) => annotation(row),
            Self::Attribute(owner, attribute) => attribute_text(*owner, attribute),
            Self::Code(row) => code(row),
        }
    }
}

fn annotation(row: &SettingRow) -> String {
    let mut text = format!("{}{}\n\n{}\n\n", row.full_key(), row.placeholder, row.doc);
    for (name, value) in words::facts(row) {
        text.push_str(&format!("  {name:<16} {value}\n"));
    }
    if !row.example.is_empty() {
        let key = row.full_key() + row.example_name;
        text.push_str(&format!(
            "\nExample:\n\n  metadata:\n    annotations:\n      {key}: {}\n",
            words::yaml(row.example)
        ));
    }
    if let Grammar::Attributes(owner) = row.grammar {
        text.push_str("\nAttributes:\n\n");
        for attribute in owner.attributes() {
            text.push_str(&format!("  {:<78} {}\n", attribute.key, attribute.takes));
        }
    }
    text
}

fn attribute_text(owner: Owner, attribute: &Attribute) -> String {
    let key = owner.annotation();
    format!(
        "{}\n\nAn attribute of {}, set by {PREFIX}{key}.\n\n  takes            {}\n",
        attribute.key,
        owner.name(),
        attribute.takes
    )
}

fn code(row: &CodeRow) -> String {
    let mut text = format!("{}: {}\n\n{}\n\n", row.id, row.title, row.explanation);
    text.push_str(&format!("  fix             {}\n", row.fix));
    text.push_str(&format!("  admission        {}\n", verdict(row)));
    text.push_str(&format!("  in AWS           {}\n", effect(row.effect)));
    text.push_str(&format!(
        "\nAccepted:\n\n{}\n\nRefused, or warned of:\n\n{}\n",
        example(row.accepts),
        example(row.refuses)
    ));
    text
}

fn verdict(row: &CodeRow) -> &'static str {
    match (row.tier, row.certainty) {
        (_, Certainty::Advice) => "a warning",
        (Tier::Aws, _) => "refused while the fact is fresh, else a warning with its age",
        (Tier::Static | Tier::Cluster, Certainty::Certain) => "refused",
        (Tier::Consequence, Certainty::Certain) => "refused until it is acknowledged by annotation",
        (Tier::Static | Tier::Cluster | Tier::Consequence, Certainty::Absence) => {
            "a warning; refused when admission is strict"
        }
    }
}

fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Nothing => "no effect on an object that is stored already",
        Effect::PartKept => "AWS keeps what it has for this part; the rest of the group is updated",
        Effect::MemberQuarantined => {
            "the Ingress is left out of its group, or kept at its last good input; the other members are updated"
        }
        Effect::GroupBlocked => "nothing of the group changes until this is fixed",
    }
}

/// An example of a code, indented.
fn example(example: &str) -> String {
    let written = example.replace("{p}", PREFIX);
    let written = if written == "{}" { "# a plain Ingress".to_owned() } else { written };
    written.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found() {
        for (word, starts) in [
            ("scheme", "alb.ingress.kubernetes.io/scheme\n"),
            ("alb.ingress.kubernetes.io/scheme", "alb.ingress.kubernetes.io/scheme\n"),
            ("actions.web", "alb.ingress.kubernetes.io/actions.<service>\n"),
            ("actions", "alb.ingress.kubernetes.io/actions.<service>\n"),
            ("kubernetes.io/ingress.class", "kubernetes.io/ingress.class\n"),
            ("alb005", "ALB005: not a certificate's ARN\n"),
            (
                "idle_timeout.timeout_seconds",
                "idle_timeout.timeout_seconds\n\nAn attribute of an Application Load Balancer",
            ),
        ] {
            let text = topics(word).first().map(Topic::text).unwrap_or_default();
            assert!(text.starts_with(starts), "{word}: {text}");
        }
        assert_eq!(topics("load_balancing.cross_zone.enabled").len(), 3);
        assert!(topics("nothing-of-the-kind").is_empty());
    }

    #[test]
    fn unknown_words_have_a_nearest() {
        for (word, expected) in [
            ("listenPorts", Some("did you mean `listen-ports`? keys are lower case with hyphens")),
            ("ALB0O5", Some("did you mean `ALB005`?")),
            ("stickiness.enable", Some("use `target-group-attributes`")),
            ("xyzzy", None),
        ] {
            let meant = meant(word);
            assert_eq!(
                meant.as_deref().map(|meant| expected.is_some_and(|start| meant.starts_with(start))),
                expected.map(|_| true),
                "{word}: {meant:?}"
            );
        }
    }

    #[test]
    fn the_list_has_all() {
        let list = list();
        assert!(every_row().all(|row| list.contains(row.key)));
        assert!(CODES.iter().all(|row| list.contains(row.id)));
    }
}
