//! What somebody meant who wrote a key, a name or a value that doesn't exist.

mod confusions;

use std::fmt;

use serde::Serialize;

use self::confusions::CONFUSIONS;
use super::PREFIX;
use super::catalogue::{row, rows};
use super::row::SettingRow;
use super::similar::allowance;

/// The real key for a wrong one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Nearest {
    /// The key without its prefix; `<…>` stands for what only the user knows. Absent if no key does what was meant.
    pub key: Option<String>,
    /// What leads from one to the other.
    pub why: Why,
}

/// How a wrong key relates to the real one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind", content = "detail")]
pub enum Why {
    /// Capitals, as in a field's name
    Case,
    /// Underscores, dots, hyphens or spaces in the wrong places
    Separators,
    /// A letter s too many or too few
    Plural,
    /// A family's key without the user's part, or without its dot
    Family,
    /// A prefix that keys of other objects have
    Prefix,
    /// So many letters differ
    Spelling(usize),
    /// Another controller's word, or another place: what to do instead
    Elsewhere(&'static str),
}

impl fmt::Display for Nearest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.key, self.why) {
            (Some(key), Why::Elsewhere(say)) => write!(f, "use `{key}`: {say}"),
            (None, Why::Elsewhere(say)) => f.write_str(say),
            (Some(key), Why::Case) => write!(f, "did you mean `{key}`? keys are lower case with hyphens"),
            (Some(key), Why::Family) => write!(f, "did you mean `{key}`? a dot and a name belong to it"),
            (Some(key), _) => write!(f, "did you mean `{key}`?"),
            (None, _) => f.write_str("no such key"),
        }
    }
}

/// Finds the real key for a suffix that isn't in the catalogue. `None` if it is, or if nothing resembles it.
#[must_use]
pub fn nearest(suffix: &str) -> Option<Nearest> {
    // Keys of more than 63 characters don't pass the API server; the bound keeps hostile ones cheap.
    if row(suffix).is_some() || suffix.len() > 128 {
        return None;
    }
    // A renderer's link, pasted along with the key, comes after a space.
    let written = suffix.split_whitespace().next()?;
    let plain = kebab(written);
    let found = in_family(written, &plain)
        .or_else(|| confusion(&plain))
        .or_else(|| same_letters(written, &plain))
        .or_else(|| without_prefix(&plain))
        .or_else(|| by_spelling(&plain));
    found.map(|(key, why)| Nearest { key, why })
}

type Found = Option<(Option<String>, Why)>;

/// Lower case with hyphens: `listenPorts`, `listen_ports` and `listen.ports` are all `listen-ports`.
fn kebab(text: &str) -> String {
    let mut plain = String::with_capacity(text.len() + 4);
    let mut previous = '-';
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if !c.is_alphanumeric() {
            if previous != '-' {
                plain.push('-');
            }
            previous = '-';
            continue;
        }
        let word_starts = c.is_uppercase()
            && (previous.is_lowercase()
                || previous.is_numeric()
                || (previous.is_uppercase() && chars.peek().is_some_and(|next| next.is_lowercase())));
        if word_starts {
            plain.push('-');
        }
        plain.extend(c.to_lowercase());
        previous = c;
    }
    let trimmed = plain.trim_end_matches('-');
    trimmed.replace("health-check", "healthcheck").replace("time-out", "timeout")
}

fn singular(plain: &str) -> String {
    plain.split('-').map(|word| word.trim_end_matches('s')).collect::<Vec<_>>().join("-")
}

fn families() -> impl Iterator<Item = &'static SettingRow> {
    rows().filter(|row| row.family)
}

/// `action.x`, `Actions.x`, `actions-x`, and a family's bare name.
fn in_family(written: &str, plain: &str) -> Found {
    let (head, tail) = written.split_once('.').unwrap_or((written, ""));
    let (head, tail) = (singular(&kebab(head)), tail.trim_matches('.'));
    for family in families() {
        let name = family.key.trim_end_matches('.');
        let one = singular(name);
        let near = strsim::damerau_levenshtein(&head, &one) <= allowance(&one);
        if (near && !tail.is_empty()) || head == one {
            let tail = if tail.is_empty() { family.placeholder } else { tail };
            return Some((Some(format!("{}{tail}", family.key)), Why::Family));
        }
        let dashed = [name, one.as_str()].into_iter().find_map(|name| plain.strip_prefix(name)?.strip_prefix('-'));
        if let Some(rest) = dashed {
            // The user's part keeps its capitals: a listener is `HTTPS-443`.
            let kept = written.get(written.len().saturating_sub(rest.len())..).filter(|kept| kebab(kept) == rest);
            return Some((Some(format!("{}{}", family.key, kept.unwrap_or(rest))), Why::Family));
        }
    }
    None
}

fn confusion(plain: &str) -> Found {
    let matches = |wrong: &str| match wrong.strip_suffix('*') {
        Some(start) => plain.starts_with(start),
        None => plain == wrong,
    };
    let found = CONFUSIONS.iter().find(|confusion| confusion.wrong.iter().any(|wrong| matches(wrong)))?;
    Some((found.key.map(str::to_owned), Why::Elsewhere(found.say)))
}

/// Equal but for capitals, separators and plurals.
fn same_letters(written: &str, plain: &str) -> Found {
    let singles = singular(plain);
    let row = rows().filter(|row| !row.family).find(|row| singular(&kebab(row.key)) == singles)?;
    let why = if kebab(row.key) != plain {
        Why::Plural
    } else if written.to_lowercase() == written {
        Why::Separators
    } else {
        Why::Case
    };
    Some((Some(row.key.to_owned()), why))
}

/// Keys of Services and of other tools, whose end is one of ours.
fn without_prefix(plain: &str) -> Found {
    let rest =
        ["aws-load-balancer-", "load-balancer-", "alb-", "aws-"].iter().find_map(|start| plain.strip_prefix(start))?;
    match row(rest) {
        Some(row) => Some((Some(row.key.to_owned()), Why::Prefix)),
        None => confusion(rest),
    }
}

fn by_spelling(plain: &str) -> Found {
    let distance = |row: &SettingRow| strsim::damerau_levenshtein(&kebab(row.key), plain);
    let (distance, row) = rows().filter(|row| !row.family).map(|row| (distance(row), row)).min_by_key(|(d, _)| *d)?;
    let allowed = allowance(row.key).min(allowance(plain));
    (distance <= allowed).then(|| (Some(row.key.to_owned()), Why::Spelling(distance)))
}

/// The suffix of a whole key whose domain is our prefix with at most two letters wrong, if the suffix is one of ours.
#[must_use]
pub fn misspelt_prefix(key: &str) -> Option<&str> {
    let (domain, suffix) = key.split_once('/')?;
    let ours = PREFIX.trim_end_matches('/');
    if domain == ours || domain.len() > 2 * ours.len() || row(suffix).is_none() {
        return None;
    }
    (strsim::damerau_levenshtein(&domain.to_lowercase(), ours) <= 2).then_some(suffix)
}

#[cfg(test)]
mod tests;
