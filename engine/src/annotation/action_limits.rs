//! What the `ELBv2` API refuses in an action though LBC lets it pass (API reference: `CreateRule`).

use super::action::{Action, FixedResponseConfig, ForwardConfig, RedirectConfig};
use super::arn;
use super::nearest::did_you_mean;
use super::parse::ParseError;

const CONTENT_TYPES: [&str; 5] = ["text/plain", "text/css", "text/html", "application/javascript", "application/json"];

impl Action {
    /// Everything in the action that AWS would refuse. Only the part that belongs to the type counts.
    #[must_use]
    pub fn limits(&self) -> Vec<ParseError> {
        let mut found = Vec::new();
        match self.r#type.as_str() {
            "fixed-response" => self.fixed_response_config.iter().for_each(|config| fixed_response(config, &mut found)),
            "redirect" => self.redirect_config.iter().for_each(|config| redirect(config, &mut found)),
            "forward" => {
                self.forward_config.iter().for_each(|config| forward(config, &mut found));
                self.target_group_arn.iter().for_each(|arn| target_group_arn(arn, "/targetGroupARN", &mut found));
            }
            _ => {}
        }
        found
    }
}

fn fixed_response(config: &FixedResponseConfig, found: &mut Vec<ParseError>) {
    let at = |field: &str| format!("/fixedResponseConfig/{field}");
    let code = &config.status_code;
    let is_status =
        code.len() == 3 && code.starts_with(['2', '4', '5']) && code.bytes().all(|byte| byte.is_ascii_digit());
    if !code.is_empty() && !is_status {
        let message = format!("statusCode `{code}` must be a 2xx, 4xx or 5xx status of three digits");
        found.push(ParseError::at_json(message, at("statusCode")));
    }
    if let Some(content_type) = &config.content_type
        && !CONTENT_TYPES.contains(&content_type.as_str())
    {
        let message = format!("contentType `{content_type}` must be one of {}", CONTENT_TYPES.join(", "));
        found.push(ParseError::at_json(message, at("contentType")));
    }
    if let Some(body) = &config.message_body {
        at_most(body, 1024, "messageBody", &at("messageBody"), found);
    }
}

fn redirect(config: &RedirectConfig, found: &mut Vec<ParseError>) {
    let at = |field: &str| format!("/redirectConfig/{field}");
    if !config.status_code.is_empty() && !["HTTP_301", "HTTP_302"].contains(&config.status_code.as_str()) {
        let message = format!("statusCode `{}` must be HTTP_301 or HTTP_302", config.status_code);
        found.push(ParseError::at_json(message, at("statusCode")));
    }
    if let Some(protocol) = &config.protocol
        && !["HTTP", "HTTPS", "#{protocol}"].contains(&protocol.as_str())
    {
        let message = format!("protocol `{protocol}` must be HTTP, HTTPS or #{{protocol}}");
        found.push(ParseError::at_json(message, at("protocol")));
    }
    if let Some(port) = &config.port
        && port != "#{port}"
        && !port.parse::<u16>().is_ok_and(|number| number > 0)
    {
        let message = format!("port `{port}` must be a number from 1 to 65535 or #{{port}}");
        found.push(ParseError::at_json(message, at("port")));
    }
    placeholders(config, &at, found);
    if let Some(path) = &config.path {
        if !path.starts_with('/') {
            let message = format!("path `{path}` must start with `/`; did you mean `/{path}`?");
            found.push(ParseError::at_json(message, at("path")));
        }
        at_most(path, 128, "path", &at("path"), found);
    }
    if let Some(host) = &config.host {
        if host.is_empty() {
            found.push(ParseError::at_json("host must not be empty; leave it out to keep the request's", at("host")));
        }
        at_most(host, 128, "host", &at("host"), found);
    }
    if let Some(query) = &config.query {
        if query.starts_with('?') {
            let message = format!("query `{query}` must not start with `?`, AWS adds it");
            found.push(ParseError::at_json(message, at("query")));
        }
        at_most(query, 128, "query", &at("query"), found);
    }
}

/// Keywords that a field can reuse of the request (API reference: `RedirectActionConfig`). What looks like one and isn't
/// would be sent to clients as it is.
fn placeholders(config: &RedirectConfig, at: &dyn Fn(&str) -> String, found: &mut Vec<ParseError>) {
    const ALL: [&str; 5] = ["#{protocol}", "#{host}", "#{port}", "#{path}", "#{query}"];
    let fields: [(&str, Option<&String>, &[&str]); 3] = [
        ("host", config.host.as_ref(), &["#{host}"]),
        ("path", config.path.as_ref(), &["#{host}", "#{path}", "#{port}"]),
        ("query", config.query.as_ref(), &ALL),
    ];
    for (field, text, known) in fields {
        for (start, _) in text.map(|text| text.match_indices("#{")).into_iter().flatten() {
            let rest = text.and_then(|text| text.get(start..)).unwrap_or_default();
            let placeholder = rest.find('}').and_then(|end| rest.get(..=end)).unwrap_or(rest);
            if !known.contains(&placeholder) {
                let near = did_you_mean(placeholder, known.iter().copied());
                let message = format!("{field} has the keyword `{placeholder}`, it takes {}{near}", known.join(", "));
                found.push(ParseError::at_json(message, at(field)).doubt());
            }
        }
    }
}

fn forward(config: &ForwardConfig, found: &mut Vec<ParseError>) {
    let count = config.target_groups.len();
    if !(1..=5).contains(&count) {
        let message = format!("targetGroups has {count} entries, an action takes 1 to 5");
        found.push(ParseError::at_json(message, "/forwardConfig/targetGroups"));
    }
    for (index, tuple) in config.target_groups.iter().enumerate() {
        if let Some(arn) = &tuple.target_group_arn {
            target_group_arn(arn, &format!("/forwardConfig/targetGroups/{index}/targetGroupARN"), found);
        }
        if let Some(weight) = tuple.weight.filter(|weight| !(0..=999).contains(weight)) {
            let message = format!("weight {weight} must be within [0, 999]");
            found.push(ParseError::at_json(message, format!("/forwardConfig/targetGroups/{index}/weight")));
        }
    }
    let Some(stickiness) = &config.target_group_stickiness_config else {
        return;
    };
    let pointer = "/forwardConfig/targetGroupStickinessConfig/durationSeconds";
    match (stickiness.enabled, stickiness.duration_seconds) {
        (Some(true), None) => {
            found.push(ParseError::at_json("durationSeconds must be set when stickiness is enabled", pointer));
        }
        (_, Some(seconds)) if !(1..=604_800).contains(&seconds) => {
            let message = format!("durationSeconds {seconds} must be within [1, 604800]");
            found.push(ParseError::at_json(message, pointer));
        }
        _ => {}
    }
}

fn target_group_arn(text: &str, pointer: &str, found: &mut Vec<ParseError>) {
    if let Err(error) = arn::Kind::TargetGroup.parse(text) {
        found.push(ParseError::at_json(error.message, pointer));
    }
}

/// AWS counts characters, not bytes.
fn at_most(text: &str, limit: usize, field: &str, pointer: &str, found: &mut Vec<ParseError>) {
    let length = text.chars().count();
    if length > limit {
        found.push(ParseError::at_json(format!("{field} has {length} characters, AWS takes {limit}"), pointer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(raw: &str) -> Vec<String> {
        let action = Action::parse(raw).unwrap();
        action.limits().into_iter().map(|error| error.message).collect()
    }

    #[test]
    fn what_aws_takes() {
        for raw in [
            r##"{"type":"redirect","redirectConfig":{"host":"#{host}","path":"/#{path}","port":"#{port}",
                "protocol":"#{protocol}","query":"#{query}","statusCode":"HTTP_302"}}"##,
            r#"{"type":"redirect","redirectConfig":{"port":"443","protocol":"HTTPS","query":"","statusCode":"HTTP_301"}}"#,
            r#"{"type":"fixed-response","fixedResponseConfig":{"statusCode":"503","contentType":"text/plain"}}"#,
            r#"{"type":"forward","targetGroupARN":"arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/a/0123456789abcdef"}"#,
            r#"{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"a","servicePort":1,"weight":999}],
                "targetGroupStickinessConfig":{"enabled":true,"durationSeconds":200}}}"#,
            r#"{"type":"redirect","fixedResponseConfig":{"statusCode":"999"},"redirectConfig":{"statusCode":"HTTP_301"}}"#,
        ] {
            assert_eq!(limits(raw), Vec::<String>::new(), "{raw}");
        }
    }

    #[test]
    fn what_aws_refuses() {
        let table = [
            (r#"{"type":"fixed-response","fixedResponseConfig":{"statusCode":"301"}}"#, "statusCode `301`"),
            (
                r#"{"type":"fixed-response","fixedResponseConfig":{"statusCode":"200","contentType":"json"}}"#,
                "contentType",
            ),
            (r#"{"type":"redirect","redirectConfig":{"statusCode":"301"}}"#, "statusCode `301` must be HTTP_301"),
            (
                r#"{"type":"redirect","redirectConfig":{"statusCode":"HTTP_301","protocol":"https"}}"#,
                "protocol `https`",
            ),
            (r#"{"type":"redirect","redirectConfig":{"statusCode":"HTTP_301","port":"0"}}"#, "port `0`"),
            (r#"{"type":"redirect","redirectConfig":{"statusCode":"HTTP_301","path":"a"}}"#, "did you mean `/a`?"),
            (r#"{"type":"redirect","redirectConfig":{"statusCode":"HTTP_301","query":"?a=b"}}"#, "query"),
            (r#"{"type":"redirect","redirectConfig":{"statusCode":"HTTP_301","host":""}}"#, "host"),
            (r#"{"type":"forward","targetGroupARN":"tg-arn"}"#, "`tg-arn` is no ARN"),
            (
                r##"{"type":"redirect","redirectConfig":{"statusCode":"HTTP_301","host":"#{hots}"}}"##,
                "did you mean `#{host}`?",
            ),
            (
                r#"{"type":"redirect","redirectConfig":{"statusCode":"HTTP_301","path":"/#{query}"}}"#,
                "it takes #{host}, #{path}, #{port}",
            ),
            (r#"{"type":"forward","forwardConfig":{"targetGroups":[]}}"#, "0 entries"),
            (
                r#"{"type":"forward","forwardConfig":{"targetGroups":[{"targetGroupARN":"arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/a/0123456789abcdef","weight":1000}]}}"#,
                "1000",
            ),
            (
                r#"{"type":"forward","forwardConfig":{"targetGroups":[{"targetGroupARN":"arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/a/0123456789abcdef"}],
                    "targetGroupStickinessConfig":{"enabled":true}}}"#,
                "durationSeconds must be set",
            ),
        ];
        for (raw, expected) in table {
            let found = limits(raw);
            assert!(found.len() == 1 && found[0].contains(expected), "{raw}: {found:?}");
        }
        let long = format!(
            r#"{{"type":"fixed-response","fixedResponseConfig":{{"statusCode":"200","messageBody":"{}"}}}}"#,
            "é".repeat(1025)
        );
        assert_eq!(limits(&long), ["messageBody has 1025 characters, AWS takes 1024"]);
    }
}
