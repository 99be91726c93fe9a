//! `albedo check`: the findings of admission on manifests, with their places in the files. Pure: text in, reports out.

mod github;
mod json;
mod sarif;
mod text;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::admit::{self, Context};
use crate::clean::clean;
use crate::finding::{Code, Effect, Finding, ObjectRef, ago};
use crate::manifest::{Fault, FaultKind, Manifests, Part, Place, Source};
use crate::world::Kind;

pub use text::Look;

/// The level of a remark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It would be refused.
    Error,
    /// It would be admitted with a warning.
    Warning,
}

impl Level {
    /// Its name, the same in all outputs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// The rule of a remark: the code of a finding, or a kind of fault of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A finding.
    Code(Code),
    /// A fault of the input.
    Fault(FaultKind),
}

impl Rule {
    /// `ALB001`, or the name of the fault.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Code(code) => code.row().id,
            Self::Fault(kind) => kind.id(),
        }
    }

    /// The title.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Code(code) => code.row().title,
            Self::Fault(kind) => kind.title(),
        }
    }
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Remark {
    /// Its level.
    pub level: Level,
    /// Its rule.
    pub rule: Rule,
    /// The object, if known.
    pub subject: Option<ObjectRef>,
    /// The Helm template that the object comes from.
    pub template: Option<String>,
    /// Other objects that are concerned.
    pub related: Vec<ObjectRef>,
    /// Number of the source; `None` if the object is in no file.
    pub source: Option<usize>,
    /// The place in the source.
    pub place: Option<Place>,
    /// The field.
    pub path: String,
    /// JSON pointer into the annotation's value, or empty.
    pub pointer: String,
    /// The value.
    pub value: Option<String>,
    /// The values that would be accepted.
    pub allowed: Vec<String>,
    /// What is wrong.
    pub message: String,
    /// How to fix it.
    pub fix: String,
    /// Its effect on AWS; unknown for a fault of the input.
    pub effect: Option<Effect>,
}

/// The outcome of a check.
#[derive(Debug)]
pub struct Report<'a> {
    /// The files.
    pub sources: &'a [Source],
    /// All remarks, by file and line.
    pub remarks: Vec<Remark>,
    /// The number of checked Ingresses.
    pub ingresses: usize,
    /// Files of folders that hold no manifest.
    pub passed_over: usize,
}

/// Checks manifests. `strict`: warnings are errors.
#[must_use]
pub fn check<'a>(manifests: &'a Manifests, context: Context<'_>, strict: bool) -> Report<'a> {
    let mut remarks: Vec<Remark> = manifests.faults.iter().map(|fault| of_fault(fault, manifests)).collect();
    for finding in admit::survey(context) {
        remarks.push(of_finding(finding, manifests, context));
    }
    for remark in remarks.iter_mut().filter(|_| strict) {
        remark.level = Level::Error;
    }
    remarks.sort_by_cached_key(|remark| {
        let place = remark.place.as_ref().map(|place| place.bytes.start);
        (remark.source, place, remark.rule, remark.subject.clone(), remark.path.clone(), remark.message.clone())
    });
    Report {
        sources: &manifests.sources,
        remarks,
        ingresses: manifests
            .ingresses()
            .into_iter()
            .chain(manifests.world.keys(Kind::Ingress))
            .collect::<BTreeSet<_>>()
            .len(),
        passed_over: manifests.passed_over,
    }
}

fn of_fault(fault: &Fault, manifests: &Manifests) -> Remark {
    Remark {
        level: if fault.kind.stops() { Level::Error } else { Level::Warning },
        rule: Rule::Fault(fault.kind),
        template: fault.subject.as_ref().and_then(|subject| manifests.template(subject)).map(str::to_owned),
        subject: fault.subject.clone(),
        related: Vec::new(),
        source: Some(fault.source),
        place: fault.place.clone(),
        path: fault.path.clone(),
        pointer: String::new(),
        value: None,
        allowed: Vec::new(),
        message: fault.message.clone(),
        fix: fault.fix.clone(),
        effect: None,
    }
}

fn of_finding(finding: Finding, manifests: &Manifests, context: Context<'_>) -> Remark {
    let part = match (&finding.place, &finding.value) {
        _ if finding.code == Code::UnknownAnnotation => Part::Key,
        (Some(place), _) => Part::Bytes(place.offset, place.length),
        (None, Some(value)) => Part::Words(value),
        (None, None) => Part::Value,
    };
    let (source, place) = manifests.locate(&finding.subject, &finding.path.0, part).unzip();
    Remark {
        level: if context.policy.denies(&finding, false) { Level::Error } else { Level::Warning },
        rule: Rule::Code(finding.code),
        template: manifests.template(&finding.subject).map(str::to_owned),
        source,
        place: place.flatten(),
        path: finding.path.0,
        pointer: finding.place.map(|place| place.pointer).unwrap_or_default(),
        subject: Some(finding.subject),
        related: finding.related,
        value: finding.value,
        allowed: finding.allowed,
        message: match finding.age {
            Some(age) => format!("{} (seen in AWS {})", finding.message, ago(age)),
            None => finding.message,
        },
        fix: finding.fix,
        effect: Some(finding.effect),
    }
}

impl Report<'_> {
    /// How many remarks are errors.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.remarks.iter().filter(|remark| remark.level == Level::Error).count()
    }

    /// As text for people.
    #[must_use]
    pub fn text(&self, look: Look) -> String {
        text::text(self, look)
    }

    /// As JSON for programs.
    #[must_use]
    pub fn json(&self) -> String {
        clean(&json::json(self)).into_owned()
    }

    /// SARIF 2.1.0: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>.
    #[must_use]
    pub fn sarif(&self) -> String {
        clean(&sarif::sarif(self)).into_owned()
    }

    /// Commands that GitHub Actions shows in a pull request.
    #[must_use]
    pub fn github(&self) -> String {
        github::github(self)
    }

    /// The last line: what was checked, and the result.
    #[must_use]
    pub fn summary(&self) -> String {
        let count = |number: usize, one: &str| match number {
            1 => format!("1 {one}"),
            _ => format!("{number} {one}{}", if one.ends_with('s') { "es" } else { "s" }),
        };
        let warnings = self.remarks.len() - self.errors();
        let mut line = format!(
            "{}, {}, {}",
            count(self.ingresses, "Ingress"),
            count(self.errors(), "error"),
            count(warnings, "warning")
        );
        if self.passed_over > 0 {
            line.push_str(&format!("; {} without manifests skipped", count(self.passed_over, "file")));
        }
        line
    }

    /// The name of the file of a remark.
    fn file(&self, remark: &Remark) -> Option<&str> {
        Some(self.sources.get(remark.source?)?.name.as_str())
    }
}
