//! Reads annotations of one object and keeps what is wrong with them.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::bounds::FINDINGS;
use crate::annotation::parse::{self, ParseError};
use crate::annotation::{DEFAULTED, PREFIX, Pointer, SettingRow, Value, place, row};
use crate::finding::{Code, Effect, FieldPath, Finding, ObjectRef, Place};
use crate::kinds::Key;
use k8s_openapi::api::core::v1::Service;

/// Most bytes of a value or message that a finding keeps: it quotes what somebody wrote, of any length, for each of many faults.
const QUOTED: usize = 4096;
/// Bytes of values that are read again for the places of faults in them.
const READ_AGAIN: usize = 1 << 20;

/// A value is there and cannot be read, as was told.
#[derive(Debug, Clone, Copy)]
pub struct Unreadable;

/// How faults of a value are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultReporting {
    /// Not at all: nothing uses the value.
    Skip,
    /// Only that it cannot be read, which changes nothing in AWS.
    UnreadableOnly,
    /// All of them; they change nothing in AWS.
    WithoutEffect,
    /// All of them.
    Full,
}

/// Annotations under our prefix of one Ingress, and the findings on them.
#[derive(Debug)]
pub struct Reader<'a> {
    subject: ObjectRef,
    annotations: Option<&'a BTreeMap<String, String>>,
    /// Those under our prefix, by what follows it.
    own: BTreeMap<&'a str, &'a str>,
    /// Suffixes that count as absent: what admission wrote into an Ingress of its own is no opinion in a group that it
    /// joined later.
    no_opinion: Vec<&'a str>,
    /// Keys of attributes that the operator knows beside those of the tables.
    extra_attributes: &'a [String],
    /// What is wrong so far.
    pub findings: Vec<Finding>,
    /// Indices into `findings` by a hash of code, path and message: with thousands of faults, each would be compared with all before it.
    indices: BTreeMap<u64, Vec<usize>>,
    /// The last finding above the bound, until its effect is known.
    surplus: Option<Finding>,
    /// Bytes that were read again for places.
    read_again: usize,
    /// Values that were read, by a hash of their key and text, and how their faults were told.
    taken: BTreeMap<u64, (FaultReporting, Result<Option<Value>, Unreadable>)>,
}

impl<'a> Reader<'a> {
    /// A reader of an object's annotations.
    #[must_use]
    pub fn new(
        subject: ObjectRef,
        annotations: Option<&'a BTreeMap<String, String>>,
        in_group: bool,
        extra_attributes: &'a [String],
    ) -> Self {
        let written = annotations.and_then(|map| map.get(DEFAULTED)).filter(|_| in_group);
        let is_shared = |suffix: &&str| row(suffix).is_some_and(|row| row.merge.is_shared());
        let no_opinion = written.into_iter().flat_map(|list| list.split(',')).filter(is_shared).collect();
        let own = annotations.into_iter().flatten();
        let own = own.filter_map(|(key, value)| Some((key.strip_prefix(PREFIX)?, value.as_str())));
        Self {
            subject,
            annotations,
            own: own.collect(),
            no_opinion,
            extra_attributes,
            findings: Vec::new(),
            indices: BTreeMap::new(),
            surplus: None,
            read_again: 0,
            taken: BTreeMap::new(),
        }
    }

    /// Suffixes of all keys under our prefix, with their values.
    pub fn suffixes(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.annotations
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.strip_prefix(PREFIX)?, value.as_str())))
    }

    /// All keys, of whatever domain.
    pub fn keys(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.annotations.into_iter().flatten().map(|(key, _)| key.as_str())
    }

    /// The value of a key of whatever domain.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&'a str> {
        self.annotations?.get(key).map(String::as_str)
    }

    /// The raw value of an annotation.
    #[must_use]
    pub fn raw(&self, suffix: &str) -> Option<&'a str> {
        self.own.get(suffix).copied().filter(|_| !self.no_opinion.contains(&suffix))
    }

    /// Whether admission wrote the annotation, and nobody else has an opinion on it.
    #[must_use]
    pub fn is_default(&self, suffix: &str) -> bool {
        let written = self.annotations.and_then(|map| map.get(DEFAULTED));
        written.is_some_and(|list| list.split(',').any(|key| key == suffix))
    }

    /// Keeps a finding on a field of the object.
    pub fn report(&mut self, code: Code, path: impl Into<String>, message: impl Into<String>) -> &mut Finding {
        self.push(Finding::new(code, self.subject.clone(), FieldPath::at(path), message))
    }

    /// Keeps a finding on an annotation. A value that is one item of it, or the key of one, is found in it.
    pub fn refuse(&mut self, code: Code, suffix: &str, value: &str, message: impl Into<String>) -> &mut Finding {
        let path = FieldPath::annotation(&format!("{PREFIX}{suffix}"));
        let place = self.raw(suffix).and_then(|raw| self.place(raw, &item_place(raw, value)?));
        self.push(Finding::new(code, self.subject.clone(), path, message).value(value).place(place))
    }

    /// Keeps a finding, unless it is there already, and gives it back to be completed. Above `FINDINGS` only one more is kept, the
    /// first that keeps the Ingress out.
    #[expect(clippy::indexing_slicing, reason = "the index is of an item just found or pushed")]
    pub fn push(&mut self, mut finding: Finding) -> &mut Finding {
        shorten(&mut finding);
        let mut hasher = DefaultHasher::new();
        (finding.code, &finding.path, &finding.message).hash(&mut hasher);
        let hash = hasher.finish();
        let known = self.indices.get(&hash).into_iter().flatten().copied().find(|index| {
            self.findings.get(*index).is_some_and(|f| {
                f.code == finding.code
                    && f.path == finding.path
                    && f.value == finding.value
                    && f.message == finding.message
            })
        });
        if let Some(index) = known {
            return &mut self.findings[index];
        }
        if self.findings.len() >= FINDINGS {
            self.keep_surplus();
            return self.surplus.insert(finding);
        }
        self.findings.push(finding);
        let index = self.findings.len() - 1;
        self.indices.entry(hash).or_default().push(index);
        &mut self.findings[index]
    }

    /// Keeps the finding above the bound if it keeps the Ingress out and is the first to do so there.
    fn keep_surplus(&mut self) {
        if let Some(finding) = self.surplus.take().filter(|finding| finding.effect.keeps_out())
            && self.findings.len() == FINDINGS
        {
            self.findings.push(finding);
        }
    }

    /// All findings.
    #[must_use]
    pub fn finish(mut self) -> Vec<Finding> {
        self.keep_surplus();
        self.findings
    }

    /// Where in a value a fault is. To find it the value is read once more, so it is told only while the budget lasts.
    fn place(&mut self, raw: &str, at: &Pointer) -> Option<Place> {
        self.read_again += raw.len();
        (self.read_again <= READ_AGAIN).then(|| place(raw, at))
    }

    /// Keeps a fault in a value; `effect`: instead of the code's. Of equal faults the graver effect counts.
    pub fn fault(&mut self, suffix: &str, raw: &str, code: Code, error: ParseError, effect: Option<Effect>) {
        let place = error.at.as_ref().and_then(|at| self.place(raw, at));
        let found = place.as_ref().filter(|place| place.length > 1);
        let stretch = found.and_then(|place| raw.get(place.offset..place.offset + place.length)).unwrap_or(raw);
        let confidential = row(suffix).is_some_and(|row| row.confidential);
        let path = FieldPath::annotation(&format!("{PREFIX}{suffix}"));
        let mut finding = Finding::new(code, self.subject.clone(), path, plain(error.message)).place(place);
        finding = finding.help(error.help).allowed(error.allowed.iter().copied());
        if !confidential {
            finding = finding.value(stretch);
        }
        if let Some(effect) = effect {
            finding = finding.effect(effect);
        }
        let effect = finding.effect;
        let finding = self.push(finding);
        finding.effect = finding.effect.max(effect);
        if let Some(port) = suffix.strip_prefix("actions.").and_then(|_| raw.trim().parse::<u16>().ok()) {
            finding.fix = format!(
                "a JSON action object belongs there; to redirect HTTP to HTTPS write {PREFIX}ssl-redirect: \"{port}\""
            );
        }
    }

    /// Reads a value by its row and keeps all that is wrong with it, once.
    ///
    /// # Errors
    /// When nothing can be built of it.
    pub fn read_setting(
        &mut self,
        row: &SettingRow,
        suffix: &str,
        raw: &str,
        reporting: FaultReporting,
    ) -> Result<Option<Value>, Unreadable> {
        let mut hasher = DefaultHasher::new();
        (suffix, raw).hash(&mut hasher);
        let hash = hasher.finish();
        if let Some((_, value)) = self.taken.get(&hash).filter(|(told, _)| *told >= reporting) {
            return value.clone();
        }
        let mut read = row.read(raw, self.extra_attributes);
        let is_unreadable = read.is_unreadable();
        let faults = std::mem::take(&mut read.faults);
        let value = if is_unreadable { Err(Unreadable) } else { Ok(read.value()) };
        self.taken.insert(hash, (reporting, value.clone()));
        for fault in faults {
            self.report_fault(row, suffix, raw, fault, reporting);
        }
        value
    }

    /// Whether a value was read and its faults were told.
    #[must_use]
    pub fn is_read(&self, suffix: &str, raw: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        (suffix, raw).hash(&mut hasher);
        self.taken.contains_key(&hasher.finish())
    }

    fn report_fault(
        &mut self,
        row: &SettingRow,
        suffix: &str,
        raw: &str,
        error: ParseError,
        reporting: FaultReporting,
    ) {
        let fatal = error.is_fatal();
        match reporting {
            FaultReporting::Skip => return,
            FaultReporting::UnreadableOnly if !fatal => return,
            _ if !fatal && self.findings.len() >= FINDINGS => return,
            _ => {}
        }
        let doubt = error.unfamiliar.then_some(Code::UnfamiliarValue);
        let code = error.code.or(doubt).unwrap_or(row.code);
        let counts = fatal && reporting == FaultReporting::Full;
        self.fault(suffix, raw, code, error, (!counts).then_some(Effect::Nothing));
    }

    /// Findings since the first so many that are about annotations which a Service has: it is the Service that has to be
    /// fixed, for this Ingress.
    pub fn blame(&mut self, since: usize, service: &Service, ingress: &Key) {
        let Some(annotations) = &service.metadata.annotations else { return };
        let key = Key::of(&service.metadata);
        let subject = ObjectRef::new("Service", &key.namespace, &key.name);
        for finding in self.findings.iter_mut().skip(since) {
            if finding.path.annotation_key().is_some_and(|key| annotations.contains_key(key)) {
                finding.subject = subject.clone();
                finding.related.push(ingress.ingress());
            }
        }
    }

    /// A list; an empty one counts as absent.
    #[must_use]
    pub fn list(&self, suffix: &str) -> Option<Vec<String>> {
        Some(parse::string_list(self.raw(suffix)?)).filter(|list| !list.is_empty())
    }

    /// A tag key that belongs to somebody else.
    pub fn external_tag(&mut self, key: &str) {
        let message = format!("external managed tag key {key} cannot be specified");
        let fix = format!("leave {key} to what manages it (--external-managed-tags)");
        self.refuse(Code::InvalidTags, "tags", key, message).fix = fix;
    }
}

/// A value or message with no more than [`QUOTED`] bytes.
fn shorten(finding: &mut Finding) {
    for text in std::iter::once(&mut finding.message).chain(&mut finding.value) {
        if text.len() > QUOTED {
            text.truncate(text.floor_char_boundary(QUOTED));
            text.push('…');
        }
    }
}

/// Where in an annotation a list's item, or a map's item by its key, stands; `None` for all of it.
fn item_place(raw: &str, value: &str) -> Option<Pointer> {
    if raw == value || value.is_empty() {
        return None;
    }
    let item = parse::items(raw).find(|item| item.text == value).map(|item| item.place());
    item.or_else(|| parse::pairs(raw).ok()?.into_iter().find(|pair| pair.key == value).map(|pair| pair.place))
}

/// A number or a bool that cannot be read in words that need no knowledge of Go.
fn plain(message: String) -> String {
    for (function, wanted) in
        [("strconv.ParseInt: parsing ", "no whole number"), ("strconv.ParseBool: parsing ", "neither true nor false")]
    {
        if let Some((value, cause)) = message.strip_prefix(function).and_then(|rest| rest.rsplit_once(": ")) {
            let wanted = if cause == "value out of range" { "too large or too small a number" } else { wanted };
            return format!("{value} is {wanted}");
        }
    }
    message
}
