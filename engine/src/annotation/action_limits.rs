//! What the `ELBv2` API refuses in an action though LBC lets it pass (API reference: `CreateRule`).

use super::arn;
use super::condition_limits::too_long;
use super::decode::Members;
use super::parse::ParseError;
use super::similar::did_you_mean;
use crate::stack::{FixedResponse, Forward, Redirect};

const CONTENT_TYPES: [&str; 5] = ["text/plain", "text/css", "text/html", "application/javascript", "application/json"];

pub(super) fn fixed_response(config: &FixedResponse, of: &Members<'_>) {
    let doubt = |field: &str, error: ParseError| of.doubt(&format!("/fixedResponseConfig/{field}"), error);
    let code = &config.status_code;
    let is_status =
        code.len() == 3 && code.starts_with(['2', '4', '5']) && code.bytes().all(|byte| byte.is_ascii_digit());
    if !code.is_empty() && !is_status {
        let message = format!("statusCode `{code}` must be a 2xx, 4xx or 5xx status of three digits");
        doubt(
            "statusCode",
            ParseError::new(message).help("write a status such as \"404\"; redirects are of type redirect"),
        );
    }
    if let Some(content_type) = &config.content_type
        && !CONTENT_TYPES.contains(&content_type.as_str())
    {
        let all = CONTENT_TYPES.join(", ");
        let error = ParseError::new(format!("contentType `{content_type}` must be one of {all}"));
        doubt("contentType", error.help("write one of them, or leave contentType out"));
    }
    let body = config.message_body.as_deref().unwrap_or_default();
    if let Some(error) = too_long(body, 1024, "messageBody") {
        doubt("messageBody", error);
    }
}

pub(super) fn redirect(config: &Redirect, of: &Members<'_>) {
    let doubt = |field: &str, error: ParseError| of.doubt(&format!("/redirectConfig/{field}"), error);
    let Redirect { host, path, port, protocol, query, status_code } = config;
    if !status_code.is_empty() && !["HTTP_301", "HTTP_302"].contains(&status_code.as_str()) {
        let error = ParseError::new(format!("statusCode `{status_code}` must be HTTP_301 or HTTP_302"));
        doubt("statusCode", error.help("write HTTP_301 (for ever) or HTTP_302 (for now)"));
    }
    if let Some(protocol) = protocol
        && !["HTTP", "HTTPS", "#{protocol}"].contains(&protocol.as_str())
    {
        let error = ParseError::new(format!("protocol `{protocol}` must be HTTP, HTTPS or #{{protocol}}"));
        doubt("protocol", error.help("write one of them, in capitals"));
    }
    if let Some(port) = port
        && port != "#{port}"
        && !port.parse::<u16>().is_ok_and(|number| number > 0)
    {
        let error = ParseError::new(format!("port `{port}` must be a number from 1 to 65535 or #{{port}}"));
        doubt("port", error.help("write the number of a port, or leave port out"));
    }
    placeholders(config, of);
    if let Some(path) = path {
        if !path.starts_with('/') {
            let error = ParseError::new(format!("path `{path}` must start with `/`; did you mean `/{path}`?"));
            doubt("path", error.help("begin the path with `/`"));
        }
        if let Some(error) = too_long(path, 128, "path") {
            doubt("path", error);
        }
    }
    if let Some(host) = host {
        if host.is_empty() {
            let error = ParseError::new("host must not be empty; leave it out to keep the request's");
            doubt("host", error.help("remove host, or write one"));
        }
        if let Some(error) = too_long(host, 128, "host") {
            doubt("host", error);
        }
    }
    if let Some(query) = query {
        if query.starts_with('?') {
            let error = ParseError::new(format!("query `{query}` must not start with `?`, AWS adds it"));
            doubt("query", error.help("remove the `?`"));
        }
        if let Some(error) = too_long(query, 128, "query") {
            doubt("query", error);
        }
    }
}

/// Keywords that a field can reuse of the request (API reference: `RedirectActionConfig`). What looks like one and isn't
/// would be sent to clients as it is.
fn placeholders(config: &Redirect, of: &Members<'_>) {
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
                of.doubt(&format!("/redirectConfig/{field}"), ParseError::new(message).doubt());
            }
        }
    }
}

pub(super) fn forward<R>(config: &Forward<R>, of: &Members<'_>) {
    let doubt = |at: &str, message: String, help: &str| {
        of.doubt(&format!("/forwardConfig/{at}"), ParseError::new(message).help(help));
    };
    let count = config.target_groups.len();
    if !(1..=5).contains(&count) {
        let message = format!("targetGroups has {count} entries, an action takes 1 to 5");
        doubt("targetGroups", message, "write 1 to 5 target groups");
    }
    for (index, tuple) in config.target_groups.iter().enumerate() {
        if let Some(weight) = tuple.weight.filter(|weight| !(0..=999).contains(weight)) {
            let message = format!("weight {weight} must be within [0, 999]");
            doubt(&format!("targetGroups/{index}/weight"), message, "write a weight from 0 to 999");
        }
    }
    let Some(stickiness) = &config.stickiness else { return };
    let at = "targetGroupStickinessConfig/durationSeconds";
    let help = "write seconds from 1 to 604800 (a week)";
    match (stickiness.enabled, stickiness.duration_seconds) {
        (Some(true), None) => doubt(at, "durationSeconds must be set when stickiness is enabled".to_owned(), help),
        (_, Some(seconds)) if !(1..=604_800).contains(&seconds) => {
            doubt(at, format!("durationSeconds {seconds} must be within [1, 604800]"), help);
        }
        _ => {}
    }
}

pub(super) fn target_group_arn(text: &str, at: impl Fn() -> String, of: &Members<'_>) {
    if let Err(error) = arn::Kind::TargetGroup.parse(text) {
        of.doubt(&at(), error.help("copy the ARN of the target group from its page in EC2"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::action::read;

    fn limits(raw: &str) -> Vec<String> {
        read(raw).doubts()
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
