//! Rules of a member: one for each path, conditions from host, path and annotations.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::networking::v1::{HTTPIngressPath, IngressBackend};

use super::{Compiler, Origin, RuleSpec};
use crate::annotation::catalogue::{CONDITIONS, TRANSFORMS, USE_REGEX_PATH_MATCH};
use crate::annotation::{self, PREFIX, When, condition_limits, parse, rows};
use crate::facts::Quota;
use crate::finding::{Code, Effect};
use crate::stack::{Action, Condition, Patterns, Transform};

/// Bytes of annotations that the rules of one Ingress may repeat: each path takes a copy of what its backend's annotations
/// say, and a small manifest could otherwise ask for any amount of memory.
const REPEATED: usize = 16 << 20;

/// What the annotations of one backend add to every path that leads to it.
#[derive(Debug, Clone, Default)]
struct Extras {
    conditions: Vec<Condition>,
    transforms: Arc<[Transform]>,
}

/// A routing action and the authentication before it, as actions on HTTP and on HTTPS listeners.
fn on_listeners((action, authentication): (Action, Option<Action>)) -> (Arc<[Action]>, Arc<[Action]>) {
    match authentication {
        None => {
            let actions: Arc<[Action]> = Arc::new([action]);
            (actions.clone(), actions)
        }
        Some(authentication) => (Arc::new([action.clone()]), Arc::new([authentication, action])),
    }
}

impl Compiler<'_> {
    pub(super) fn rules(&mut self) -> (Vec<RuleSpec>, Option<RuleSpec>) {
        // Of other paths nobody reads it, so that it does no harm there; who wrote what cannot be read means expressions.
        let regex_paths = self.has_paths_for_regex()
            && self.resolve_on(&USE_REGEX_PATH_MATCH, None).map_or(true, |is| is.is_some_and(|is| is.value));
        let spec = self.spec.clone();
        let mut rules = Vec::new();
        let mut extras: BTreeMap<String, Arc<Extras>> = BTreeMap::new();
        let mut repeated = 0;
        for (number, rule) in spec.rules.iter().flatten().enumerate() {
            let Some(http) = &rule.http else {
                let message = "nothing is built of a rule without http.paths";
                self.reader.report(Code::UnreachedRule, format!("spec.rules[{number}]"), message).fix =
                    "write http.paths with a backend, or remove the rule: spec.defaultBackend answers then".to_owned();
                continue;
            };
            let host = rule.host.as_deref().filter(|host| !host.is_empty());
            if let Some(host) = host {
                self.check_host(&format!("spec.rules[{number}].host"), host);
            }
            for (index, path) in sorted(&http.paths) {
                let at = format!("spec.rules[{number}].http.paths[{index}]");
                let service = path.backend.service.as_ref().map(|service| service.name.clone()).unwrap_or_default();
                repeated += self.annotated(&service);
                if repeated > REPEATED {
                    self.reader
                        .report(Code::RuleTooLarge, at, "the rules so far repeat more than 16 MiB of annotations")
                        .fix = "write fewer paths or shorter conditions, actions and transforms".to_owned();
                    return (rules, None);
                }
                let extras = match extras.get(&service) {
                    Some(extras) => extras.clone(),
                    None => extras.entry(service.clone()).or_insert(Arc::new(self.extras(&service))).clone(),
                };
                rules.extend(self.rule(&at, host, path, regex_paths, &extras));
            }
        }
        let default = spec.default_backend.as_ref().and_then(|backend| self.default_backend(backend));
        (rules, default)
    }

    fn default_backend(&mut self, backend: &IngressBackend) -> Option<RuleSpec> {
        const AT: &str = "spec.defaultBackend";
        let (actions, secure_actions) = on_listeners(self.backend(backend, AT)?);
        Some(RuleSpec {
            origin: self.origin(AT),
            conditions: Arc::default(),
            actions,
            secure_actions,
            transforms: Arc::default(),
        })
    }

    fn origin(&self, at: &str) -> Arc<Origin> {
        Arc::new(Origin { key: self.key.clone(), path: at.to_owned() })
    }

    /// Bytes of what annotations add to each rule of a backend.
    fn annotated(&self, service: &str) -> usize {
        let families = rows().filter(|row| matches!(row.when, When::Backend | When::BackendAsks));
        families.filter_map(|row| self.reader.raw(&format!("{}{service}", row.key))).map(str::len).sum()
    }

    fn rule(
        &mut self,
        at: &str,
        host: Option<&str>,
        path: &HTTPIngressPath,
        regex_paths: bool,
        extras: &Extras,
    ) -> Option<RuleSpec> {
        let service = path.backend.service.as_ref().map(|service| service.name.clone()).unwrap_or_default();
        let patterns = self.path_patterns(at, path, regex_paths);
        self.check_pattern(at, path, &patterns);
        let conditions = self.conditions(at, host, patterns, &extras.conditions, &service);
        self.check_size(at, &conditions);
        let (actions, secure_actions) = on_listeners(self.backend(&path.backend, &format!("{at}.backend"))?);
        Some(RuleSpec {
            origin: self.origin(at),
            conditions: conditions.into(),
            actions,
            secure_actions,
            transforms: extras.transforms.clone(),
        })
    }

    /// What AWS refuses of a rule's conditions together:
    /// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html>.
    fn check_size(&mut self, at: &str, conditions: &[Condition]) {
        let known = self.context.facts.account_limits.as_ref();
        let known = known.and_then(|limits| u64::try_from(*limits.value.get(Quota::ConditionValues.name())?).ok());
        let most = known.unwrap_or_default().max(Quota::ConditionValues.default());
        let values: usize = conditions.iter().map(Condition::size).sum();
        if values as u64 > most {
            let message = format!("the rule has {values} condition values; AWS takes {most}");
            self.reader.report(Code::RuleTooLarge, at, message).value = Some(values.to_string());
        }
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for row in conditions.iter().filter_map(Condition::row).filter(|row| row.once) {
            *counts.entry(row.name).or_default() += 1;
        }
        for (field, count) in counts {
            if count > 1 {
                let message = format!("the rule has {count} {field} conditions; AWS takes one");
                let finding = self.reader.report(Code::RuleTooLarge, at, message);
                finding.value = Some(count.to_string());
                finding.fix = format!("put all values into one {field} condition");
            }
        }
    }

    fn extras(&mut self, service: &str) -> Extras {
        Extras {
            conditions: self.resolve_one(&CONDITIONS, service).unwrap_or_default(),
            transforms: self.resolve_one(&TRANSFORMS, service).unwrap_or_default().into(),
        }
    }

    /// The path as ALB patterns: <https://kubernetes.io/docs/concepts/services-networking/ingress/#path-types>.
    fn path_patterns(&mut self, at: &str, path: &HTTPIngressPath, regex: bool) -> Patterns {
        let Some(text) = path.path.as_deref().filter(|path| !path.is_empty()) else { return Patterns::default() };
        let wild = text.contains(['*', '?']);
        let values = |values: Vec<String>| Patterns { values, regex_values: Vec::new() };
        match path.path_type.as_str() {
            "Exact" => {
                if wild {
                    self.wildcard(at, text, "exact");
                }
                values(vec![text.to_owned()])
            }
            "Prefix" => {
                if wild {
                    self.wildcard(at, text, "prefix");
                }
                if text == "/" {
                    return values(vec!["/*".to_owned()]);
                }
                let stem = text.strip_suffix('/').unwrap_or(text);
                values(vec![stem.to_owned(), format!("{stem}/*")])
            }
            "ImplementationSpecific" | "" if regex => {
                Patterns { values: Vec::new(), regex_values: vec![text.chars().skip(1).collect()] }
            }
            "ImplementationSpecific" | "" => values(vec![text.to_owned()]),
            other => {
                let message = format!("unknown path type {other:?}");
                self.reader.report(Code::InvalidPath, format!("{at}.pathType"), message);
                Patterns::default()
            }
        }
    }

    /// What AWS refuses of a host. It has the last word.
    fn check_host(&mut self, at: &str, host: &str) {
        let Some(error) = condition_limits::host(host) else { return };
        let code = match error.unfamiliar {
            true => Code::UnfamiliarValue,
            false if host.chars().count() > condition_limits::LONGEST => Code::RuleTooLarge,
            false => Code::InvalidHost,
        };
        let finding = self.reader.report(code, at, error.message);
        finding.effect = Effect::Nothing;
        finding.value = Some(parse::shown(host));
        if let Some(help) = error.help {
            finding.fix = help;
        }
    }

    /// What AWS refuses of a path (API reference: `PathPatternConditionConfig`). It has the last word.
    fn check_pattern(&mut self, at: &str, path: &HTTPIngressPath, patterns: &Patterns) {
        const LONGEST: usize = 128;
        let text = path.path.as_deref().unwrap_or_default();
        // Wildcards that do not belong there are told of already.
        let wild = matches!(path.path_type.as_str(), "Exact" | "Prefix") && text.contains(['*', '?']);
        if let Some(error) = condition_limits::path(text).filter(|_| !wild && patterns.regex_values.is_empty()) {
            let code = if error.unfamiliar { Code::UnfamiliarValue } else { Code::InvalidPath };
            let finding = self.reader.report(code, format!("{at}.path"), error.message);
            finding.effect = Effect::Nothing;
            finding.value = Some(text.to_owned());
            finding.fix = "write the path with * and ? alone".to_owned();
        }
        let fault = patterns.regex_values.iter().find_map(|regex| annotation::regex::fault(regex));
        let fault = fault.map(|cause| format!("regular expression {text}: {cause}"));
        let longest = patterns.values.iter().chain(&patterns.regex_values).map(|value| value.chars().count()).max();
        let long = longest.filter(|length| *length > LONGEST);
        let long = long.map(|length| format!("the path's condition has {length} characters, AWS takes {LONGEST}"));
        if let Some(message) = fault.or(long) {
            let finding = self.reader.report(Code::InvalidPath, format!("{at}.path"), message);
            finding.effect = Effect::Nothing;
            finding.fix = "shorten or correct the path".to_owned();
        }
    }

    fn wildcard(&mut self, at: &str, path: &str, kind: &str) {
        let message = format!("{kind} path shouldn't contain wildcards: {path}");
        let stem = path.trim_end_matches(['*', '?']).trim_end_matches('/');
        let stem = if stem.is_empty() || stem.contains(['*', '?']) { "/" } else { stem };
        let finding = self.reader.report(Code::InvalidPath, format!("{at}.path"), message);
        finding.value = Some(path.to_owned());
        finding.fix =
            format!("write path: {stem} with pathType: Prefix, or path: {path} with pathType: ImplementationSpecific");
    }

    fn conditions(
        &mut self,
        at: &str,
        host: Option<&str>,
        mut paths: Patterns,
        given: &[Condition],
        service: &str,
    ) -> Vec<Condition> {
        let mut hosts = Patterns { values: host.map(str::to_owned).into_iter().collect(), regex_values: Vec::new() };
        let mut conditions = Vec::new();
        for condition in given {
            let (all, more) = match condition {
                Condition::HostHeader(more) => (&mut hosts, more),
                Condition::PathPattern(more) => (&mut paths, more),
                other => {
                    conditions.push(other.clone());
                    continue;
                }
            };
            all.values.extend_from_slice(&more.values);
            all.regex_values.extend_from_slice(&more.regex_values);
        }
        for (kind, patterns) in [("host", &hosts), ("path", &paths)] {
            if !patterns.values.is_empty() && !patterns.regex_values.is_empty() {
                let message = format!(
                    "{kind} condition must specify exactly one of Values and RegexValues, got both Values [{}] and RegexValues [{}]",
                    patterns.values.join(" "),
                    patterns.regex_values.join(" "),
                );
                let path = format!("metadata.annotations[{PREFIX}conditions.{service}]");
                self.reader.report(Code::InvalidCondition, path, message).fix =
                    format!("leave the {kind} of {at} out, or write it as a regular expression too");
            }
        }
        if !hosts.values.is_empty() || !hosts.regex_values.is_empty() {
            conditions.push(Condition::HostHeader(hosts));
        }
        if !paths.values.is_empty() || !paths.regex_values.is_empty() {
            conditions.push(Condition::PathPattern(paths));
        }
        if conditions.is_empty() {
            let all = Patterns { values: vec!["/*".to_owned()], regex_values: Vec::new() };
            conditions.push(Condition::PathPattern(all));
        }
        self.without_doubles(&mut conditions, service);
        conditions
    }
}

/// Exact paths first, then prefixes, longer ones before shorter ones, then the rest; otherwise as written.
fn sorted(paths: &[HTTPIngressPath]) -> Vec<(usize, &HTTPIngressPath)> {
    let mut sorted: Vec<(usize, &HTTPIngressPath)> = paths.iter().enumerate().collect();
    sorted.sort_by_key(|(_, path)| match path.path_type.as_str() {
        "Exact" => (0, 0),
        "Prefix" => (1, usize::MAX - path.path.as_deref().unwrap_or_default().len()),
        _ => (2, 0),
    });
    sorted
}
