//! `actions.<name>`: what a rule does, as JSON.

use serde::Serialize;

use super::decode::{self, Decode, Path, mismatch, object};
use super::json::{Node, Value};
use super::nearest::did_you_mean;
use super::parse::{ParseError, go_int32};

/// The values of an [`Action`]'s type.
pub const TYPES: [&str; 3] = ["fixed-response", "forward", "redirect"];

/// One action as written; nothing is checked or filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// `fixed-response`, `forward` or `redirect`
    pub r#type: String,
    /// Short form of a forward to one target group
    #[serde(rename = "targetGroupARN", skip_serializing_if = "Option::is_none")]
    pub target_group_arn: Option<String>,
    /// Short form of a forward to one target group, by name
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_group_name: Option<String>,
    /// For `fixed-response`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed_response_config: Option<FixedResponseConfig>,
    /// For `redirect`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_config: Option<RedirectConfig>,
    /// For `forward`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward_config: Option<ForwardConfig>,
}
object!(Action as "Action" {
    "type" => r#type,
    "targetGroupARN" => target_group_arn,
    "targetGroupName" => target_group_name,
    "fixedResponseConfig" => fixed_response_config,
    "redirectConfig" => redirect_config,
    "forwardConfig" => forward_config,
});

/// An answer that the load balancer gives itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FixedResponseConfig {
    /// MIME type of the body
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The body
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_body: Option<String>,
    /// HTTP status, a string of three digits
    pub status_code: String,
}
object!(FixedResponseConfig as "FixedResponseActionConfig" {
    "contentType" => content_type,
    "messageBody" => message_body,
    "statusCode" => status_code,
});

/// Where a client is sent to; an absent part stays as it was in the request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RedirectConfig {
    /// Host, may contain `#{host}`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Path with its leading slash, may contain `#{host}`, `#{path}` and `#{port}`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Port, or `#{port}`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// `HTTP`, `HTTPS` or `#{protocol}`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// Query without its question mark, may contain `#{query}` and the others
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// `HTTP_301` or `HTTP_302`
    pub status_code: String,
}
object!(RedirectConfig as "RedirectActionConfig" {
    "host" => host,
    "path" => path,
    "port" => port,
    "protocol" => protocol,
    "query" => query,
    "statusCode" => status_code,
});

/// Target groups and how requests are shared among them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ForwardConfig {
    /// The targets
    pub target_groups: Vec<TargetGroupTuple>,
    /// Whether a client stays with the group it first met
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_group_stickiness_config: Option<TargetGroupStickinessConfig>,
}
object!(ForwardConfig as "ForwardActionConfig" {
    "targetGroups" => target_groups,
    "targetGroupStickinessConfig" => target_group_stickiness_config,
});

/// One target group: an existing one by ARN or name, or the one made for a Service's port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetGroupTuple {
    /// An existing target group; wins over the name
    #[serde(rename = "targetGroupARN", skip_serializing_if = "Option::is_none")]
    pub target_group_arn: Option<String>,
    /// An existing target group's name
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_group_name: Option<String>,
    /// A Service in the Ingress' namespace
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    /// The Service's port, by number or name
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_port: Option<ServicePort>,
    /// Share of the requests, 0 to 999, relative to the other groups' weights
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<i32>,
}
object!(TargetGroupTuple as "TargetGroupTuple" {
    "targetGroupARN" => target_group_arn,
    "targetGroupName" => target_group_name,
    "serviceName" => service_name,
    "servicePort" => service_port,
    "weight" => weight,
});

/// Stickiness among target groups, which isn't the stickiness among one group's targets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetGroupStickinessConfig {
    /// On or off
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Seconds, 1 to 604,800 (a week)
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<i32>,
}
object!(TargetGroupStickinessConfig as "TargetGroupStickinessConfig" {
    "enabled" => enabled,
    "durationSeconds" => duration_seconds,
});

/// Kubernetes' int-or-string.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum ServicePort {
    /// A port's number
    Number(i32),
    /// A port's name
    Name(String),
}

impl ServicePort {
    /// A name that is a number becomes the number, as Kubernetes' `intstr.Parse` has it.
    #[must_use]
    pub fn normalised(self) -> Self {
        match self {
            Self::Name(name) => go_int32(&name).map_or(Self::Name(name), Self::Number),
            Self::Number(_) => self,
        }
    }
}

impl Default for ServicePort {
    fn default() -> Self {
        Self::Number(0)
    }
}

impl Decode for ServicePort {
    fn go_type() -> String {
        i32::go_type()
    }

    fn decode(&mut self, node: &Node, at: &Path<'_>) -> Result<(), ParseError> {
        *self = match &node.value {
            Value::Null => return Ok(()),
            Value::String(name) => Self::Name(name.clone()),
            Value::Number(number) => match number.parse() {
                Ok(number) => Self::Number(number),
                Err(_) => return Err(mismatch::<Self>(&format!("number {number}"), at)),
            },
            other => return Err(mismatch::<Self>(other.kind(), at)),
        };
        Ok(())
    }
}

impl Action {
    /// Reads the annotation.
    ///
    /// # Errors
    /// On malformed JSON and values of the wrong type. The content is [`Action::validate`]'s matter.
    pub fn parse(raw: &str) -> Result<Self, ParseError> {
        decode::decode(raw)
    }

    /// Everything for which LBC refuses the action; its own complaint comes first.
    #[must_use]
    pub fn validate(&self) -> Vec<ParseError> {
        match self.r#type.as_str() {
            "fixed-response" => match &self.fixed_response_config {
                None => vec![ParseError::new("missing FixedResponseConfig")],
                Some(config) => missing_status(&config.status_code, "fixedResponseConfig", "FixedResponseConfig"),
            },
            "redirect" => match &self.redirect_config {
                None => vec![ParseError::new("missing RedirectConfig")],
                Some(config) => missing_status(&config.status_code, "redirectConfig", "RedirectConfig"),
            },
            "forward" => self.validate_forward(),
            other => {
                let near = did_you_mean(other, TYPES);
                vec![ParseError::at_json(format!("unknown action type: {other}{near}"), "/type")]
            }
        }
    }

    fn validate_forward(&self) -> Vec<ParseError> {
        let short = self.target_group_arn.is_some() || self.target_group_name.is_some();
        match (&self.forward_config, short) {
            (None, true) => Vec::new(),
            (None, false) => vec![ParseError::new("missing ForwardConfig or TargetGroupARN/TargetGroupName")],
            (Some(_), true) => {
                vec![ParseError::new("either ForwardConfig or TargetGroupARN/TargetGroupName can be specified")]
            }
            (Some(config), false) => config.validate(),
        }
    }

    /// The action in the one form that building needs: a short forward becomes a [`ForwardConfig`] with one target
    /// group, and a port's name that is a number becomes that number. Call it on what passed [`Action::validate`].
    #[must_use]
    pub fn normalised(mut self) -> Self {
        if self.r#type != "forward" {
            return self;
        }
        let (arn, name) = (self.target_group_arn.take(), self.target_group_name.take());
        if arn.is_some() || name.is_some() {
            self.forward_config = Some(ForwardConfig {
                target_groups: vec![TargetGroupTuple {
                    target_group_arn: arn,
                    target_group_name: name,
                    service_name: None,
                    service_port: None,
                    weight: None,
                }],
                target_group_stickiness_config: None,
            });
        }
        for tuple in self.forward_config.iter_mut().flat_map(|config| &mut config.target_groups) {
            tuple.service_port = tuple.service_port.take().map(ServicePort::normalised);
        }
        self
    }
}

fn missing_status(status_code: &str, field: &str, config: &str) -> Vec<ParseError> {
    if status_code.is_empty() {
        let message = format!("invalid {config}: statusCode must be set");
        return vec![ParseError::at_json(message, format!("/{field}/statusCode"))];
    }
    Vec::new()
}

impl ForwardConfig {
    fn validate(&self) -> Vec<ParseError> {
        let mut errors = Vec::new();
        for (index, tuple) in self.target_groups.iter().enumerate() {
            if let Some(cause) = tuple.fault() {
                let message = format!("invalid ForwardConfig: invalid TargetGroupTuple: {cause}");
                errors.push(ParseError::at_json(message, format!("/forwardConfig/targetGroups/{index}")));
            }
        }
        if self.target_groups.len() > 1 {
            for (index, tuple) in self.target_groups.iter().enumerate() {
                if tuple.weight.is_none() {
                    let message = "invalid ForwardConfig: weight must be set when route to multiple target groups";
                    let pointer = format!("/forwardConfig/targetGroups/{index}/weight");
                    errors.push(ParseError::at_json(message, pointer));
                }
            }
        }
        errors
    }
}

impl TargetGroupTuple {
    fn fault(&self) -> Option<&'static str> {
        let existing = self.target_group_arn.is_some() || self.target_group_name.is_some();
        match (existing, &self.service_name, &self.service_port) {
            (false, None, _) => Some("one of serviceName, targetGroupARN and targetGroupName must be set"),
            (true, Some(_), _) => Some("serviceName excludes targetGroupARN and targetGroupName"),
            (false, Some(_), None) => Some("missing servicePort"),
            (true, None, _) | (false, Some(_), Some(_)) => None,
        }
    }
}

#[cfg(test)]
mod tests;
