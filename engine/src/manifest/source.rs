//! A file as text, split into documents like kubectl does.

use std::ops::Range;

use super::place::{Lines, Place};

/// The largest file that is read, in bytes.
pub const LARGEST: usize = 16 * 1024 * 1024;

/// A file by name, with its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name for messages.
    pub name: String,
    /// Its text; empty if it cannot be read.
    pub text: String,
    /// Whether the user named it, so that it must contain manifests; a file that was found in a folder need not.
    pub named: bool,
    /// Why it cannot be read, if it cannot.
    pub trouble: Option<Trouble>,
    lines: Lines,
}

/// Why a file is not text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub fix: String,
    /// The place, if there is one.
    pub place: Option<Place>,
}

impl Source {
    /// The bytes of a file as text: UTF-8, with or without a byte order mark.
    #[must_use]
    pub fn new(name: impl Into<String>, bytes: Vec<u8>, named: bool) -> Self {
        let name = name.into();
        let (text, trouble) = match read(bytes) {
            Ok(text) => (text, None),
            Err(trouble) => (String::new(), Some(trouble)),
        };
        let lines = Lines::of(&text);
        Self { name, text, named, trouble, lines }
    }

    /// A file that the system cannot read.
    #[must_use]
    pub fn unreadable(name: impl Into<String>, message: impl Into<String>) -> Self {
        let trouble = Trouble { message: message.into(), fix: String::new(), place: None };
        Self { name: name.into(), text: String::new(), named: true, trouble: Some(trouble), lines: Lines::of("") }
    }

    /// The lines and columns of some of its bytes.
    pub(super) fn place(&self, bytes: Range<usize>) -> Place {
        self.lines.place(&self.text, bytes)
    }
}

fn read(bytes: Vec<u8>) -> Result<String, Trouble> {
    let trouble = |message: String, fix: &str, place| Err(Trouble { message, fix: fix.to_owned(), place });
    if bytes.len() > LARGEST {
        return trouble(format!("is larger than {} MiB", LARGEST / 1024 / 1024), "check the manifests in parts", None);
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return trouble("is UTF-16".to_owned(), "save it as UTF-8", None);
    }
    if bytes.contains(&0) {
        return trouble("is binary: it has bytes that are zero".to_owned(), "name the manifests themselves", None);
    }
    let text = String::from_utf8(bytes).or_else(|error| {
        let at = error.utf8_error().valid_up_to();
        let byte = error.as_bytes().get(at).copied().unwrap_or_default();
        // The text ends before this byte; only its place is needed.
        let before = String::from_utf8_lossy(error.as_bytes().get(..at).unwrap_or_default()).into_owned();
        let place = Lines::of(&before).place(&before, at..at);
        trouble(format!("is not UTF-8: byte 0x{byte:02x} does not begin a character"), "save it as UTF-8", Some(place))
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// A document of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Document {
    /// Its bytes in the file.
    pub(super) bytes: Range<usize>,
    /// The Helm template, from Helm's comment.
    pub(super) template: Option<String>,
}

/// Splits at lines that begin with `---`, like kubectl, so that one broken document does not affect the others.
pub(super) fn documents(text: &str) -> Vec<Document> {
    let mut documents = Vec::new();
    let (mut start, mut at, mut blank) = (0, 0, true);
    for line in text.split_inclusive('\n') {
        let marker =
            line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        if marker && !blank {
            documents.push(document(text, start..at));
            start = at;
        }
        // Comments and directives before the first marker belong to the document after it.
        let content = line.trim();
        let silent = content.is_empty() || content.starts_with('#') || line.starts_with('%') || content == "---";
        blank = silent && (blank || marker);
        at += line.len();
    }
    if !blank {
        documents.push(document(text, start..at));
    }
    documents
}

fn document(text: &str, bytes: Range<usize>) -> Document {
    let lines = text.get(bytes.clone()).unwrap_or_default().lines().map(str::trim);
    let template = lines
        .take_while(|line| line.is_empty() || line.starts_with(['#', '%']) || line.starts_with("---"))
        .find_map(|line| line.strip_prefix("# Source: ").map(str::to_owned));
    Document { bytes, template }
}
