//! `actions.<name>`: what a rule does, as JSON.

use super::action_limits;
use super::decode::{self, Decoded, FromJson, Members, Spot, members, object};
use super::parse::ParseError;
use super::read::{Read, Shape};
use super::similar::did_you_mean;
use super::value::JsonValue;
use crate::stack::{Action, FixedResponse, Forward, Redirect, ServicePort, Stickiness, TargetGroupTuple};

/// A target group as an annotation refers to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForwardTarget {
    /// An existing one by its ARN.
    Arn(String),
    /// An existing one by its name.
    Name(String),
    /// The one that is made for a port of a Service in the Ingress's namespace.
    Service {
        /// The Service.
        name: String,
        /// Its port.
        port: ServicePort,
    },
}

/// An action as an annotation writes it.
pub type Written = Action<ForwardTarget>;

/// The target group of a forward, or why LBC refuses it.
type Named = Result<ForwardTarget, Fault>;
/// A cause and the fix.
type Fault = (&'static str, &'static str);

/// This kind of JSON.
pub static SHAPE: Shape = Shape {
    takes: "an object with type and the configuration that belongs to it",
    read: |raw| Read::typed(read(raw)),
    multiline: Some("messageBody"),
};

impl JsonValue for Written {}

/// A type of action: one row a type.
struct Row {
    kind: &'static str,
    /// Builds the action and reports what is wrong with it.
    check: fn(&Members<'_>, Configs) -> Option<Written>,
}

const ROWS: [Row; 3] = [
    Row { kind: "fixed-response", check: |of, configs| fixed_response(of, configs.fixed_response) },
    Row { kind: "forward", check: |of, configs| forward(of, configs.forward, configs.short) },
    Row { kind: "redirect", check: |of, configs| redirect(of, configs.redirect) },
];

/// The configurations of all types: LBC reads all of them and uses the type's own.
struct Configs {
    fixed_response: Option<FixedResponse>,
    redirect: Option<Redirect>,
    forward: Option<Forward<Named>>,
    /// The short form of a forward to one target group, ARN and name.
    short: (Option<String>, Option<String>),
}

object!(FixedResponse { "contentType" => content_type, "messageBody" => message_body, "statusCode" => status_code });
object!(Redirect {
    "host" => host,
    "path" => path,
    "port" => port,
    "protocol" => protocol,
    "query" => query,
    "statusCode" => status_code,
});
object!(Stickiness { "enabled" => enabled, "durationSeconds" => duration_seconds });

impl FromJson for Forward<Named> {
    fn from_json(given: &[Spot<'_>]) -> Self {
        members(given, |of| Self {
            target_groups: of.get("targetGroups"),
            stickiness: of.get("targetGroupStickinessConfig"),
        })
    }
}

impl FromJson for TargetGroupTuple<Named> {
    fn from_json(given: &[Spot<'_>]) -> Self {
        members(given, |of| {
            let existing = existing(of.get("targetGroupARN"), of.get("targetGroupName"));
            let (service, port) = (of.get("serviceName"), of.get("servicePort"));
            let target_group = match (existing, service, port) {
                (None, None, _) => Err((
                    "one of serviceName, targetGroupARN and targetGroupName must be set",
                    "name a Service with serviceName and servicePort, or a target group with targetGroupARN",
                )),
                (Some(_), Some(_), _) => Err((
                    "serviceName excludes targetGroupARN and targetGroupName",
                    "leave serviceName out, or targetGroupARN and targetGroupName",
                )),
                (None, Some(_), None) => Err(("missing servicePort", "write servicePort: the port's number or name")),
                (Some(existing), None, _) => Ok(existing),
                (None, Some(name), Some(port)) => Ok(ForwardTarget::Service { name, port }),
            };
            Self { target_group, weight: of.get("weight") }
        })
    }
}

/// The ARN wins over the name.
fn existing(arn: Option<String>, name: Option<String>) -> Option<ForwardTarget> {
    arn.map(ForwardTarget::Arn).or_else(|| name.map(ForwardTarget::Name))
}

/// Reads the annotation.
#[must_use]
pub fn read(raw: &str) -> Decoded<Written> {
    decode::read(raw, |given| members(given, action))
}

fn action(of: &Members<'_>) -> Option<Written> {
    let kind: String = of.get("type");
    let configs = Configs {
        short: (of.get("targetGroupARN"), of.get("targetGroupName")),
        fixed_response: of.get("fixedResponseConfig"),
        redirect: of.get("redirectConfig"),
        forward: of.get("forwardConfig"),
    };
    if let Some(row) = ROWS.iter().find(|row| row.kind == kind) {
        return (row.check)(of, configs);
    }
    let kinds = ROWS.map(|row| row.kind);
    let error = ParseError::new(format!("unknown action type: {kind}{}", did_you_mean(&kind, kinds)));
    of.refuse("/type", error.help(format!("write one of {}", kinds.join(", "))));
    None
}

fn fixed_response(of: &Members<'_>, config: Option<FixedResponse>) -> Option<Written> {
    let Some(config) = config else {
        return missing(of, "FixedResponseConfig", "fixedResponseConfig with a statusCode");
    };
    status(of, &config.status_code, "FixedResponseConfig", "write a status such as \"404\"");
    action_limits::fixed_response(&config, of);
    Some(Action::FixedResponse(config))
}

fn redirect(of: &Members<'_>, config: Option<Redirect>) -> Option<Written> {
    let Some(config) = config else { return missing(of, "RedirectConfig", "redirectConfig with a statusCode") };
    status(of, &config.status_code, "RedirectConfig", "write HTTP_301 or HTTP_302");
    action_limits::redirect(&config, of);
    Some(Action::Redirect(config))
}

fn missing(of: &Members<'_>, what: &str, add: &str) -> Option<Written> {
    of.refuse("", ParseError::new(format!("missing {what}")).help(format!("add {add}")));
    None
}

fn status(of: &Members<'_>, status_code: &str, config: &str, help: &str) {
    if status_code.is_empty() {
        let (first, rest) = config.split_at(1);
        let error = ParseError::new(format!("invalid {config}: statusCode must be set"));
        of.refuse(&format!("/{}{rest}/statusCode", first.to_ascii_lowercase()), error.help(help));
    }
}

fn forward(
    of: &Members<'_>,
    config: Option<Forward<Named>>,
    (arn, name): (Option<String>, Option<String>),
) -> Option<Written> {
    if let Some(arn) = &arn {
        action_limits::target_group_arn(arn, || "/targetGroupARN".to_owned(), of);
    }
    let config = match (config, existing(arn, name)) {
        (None, Some(one)) => {
            let target_groups = vec![TargetGroupTuple { target_group: one, weight: None }];
            return Some(Action::Forward(Forward { target_groups, stickiness: None }));
        }
        (None, None) => {
            return missing(of, "ForwardConfig or TargetGroupARN/TargetGroupName", "forwardConfig with targetGroups");
        }
        (Some(_), Some(_)) => {
            let error = ParseError::new("either ForwardConfig or TargetGroupARN/TargetGroupName can be specified");
            of.refuse("", error.help("leave out forwardConfig, or targetGroupARN and targetGroupName"));
            return None;
        }
        (Some(config), None) => config,
    };
    let at = |index: usize| format!("/forwardConfig/targetGroups/{index}");
    for (index, tuple) in config.target_groups.iter().enumerate() {
        match &tuple.target_group {
            Err((cause, help)) => {
                let message = format!("invalid ForwardConfig: invalid TargetGroupTuple: {cause}");
                of.refuse(&at(index), ParseError::new(message).help(*help));
            }
            Ok(ForwardTarget::Arn(arn)) => {
                action_limits::target_group_arn(arn, || at(index) + "/targetGroupARN", of);
            }
            Ok(ForwardTarget::Name(_) | ForwardTarget::Service { .. }) => {}
        }
    }
    let several = config.target_groups.len() > 1;
    for (index, tuple) in config.target_groups.iter().enumerate() {
        if several && tuple.weight.is_none() {
            let message = "invalid ForwardConfig: weight must be set when route to multiple target groups";
            of.refuse(&(at(index) + "/weight"), ParseError::new(message).help("write a weight from 0 to 999"));
        }
    }
    action_limits::forward(&config, of);
    Some(Action::Forward(config.filter_map(Result::ok)))
}

#[cfg(test)]
mod tests;
