//! Tables and properties of actions.

use proptest::prelude::*;

use super::super::parse::Pointer;
use super::*;

fn action(raw: &str) -> Action {
    Action::parse(raw).unwrap()
}

fn complaints(raw: &str) -> Vec<String> {
    action(raw).validate().into_iter().map(|error| error.message).collect()
}

#[test]
fn pascal_case_reads_the_same() {
    let documented =
        action(r#"{"type":"redirect","redirectConfig":{"protocol":"HTTPS","port":"443","statusCode":"HTTP_301"}}"#);
    let pascal =
        action(r#"{"Type":"redirect","RedirectConfig":{"Protocol":"HTTPS","Port":"443","StatusCode":"HTTP_301"}}"#);
    assert_eq!(pascal, documented);
    assert_eq!(pascal.redirect_config.unwrap().port.as_deref(), Some("443"));
    let forward = action(
        r#"{"Type":"forward","ForwardConfig":{"TargetGroups":[{"ServiceName":"a","ServicePort":"80","Weight":20},
            {"TargetGroupArn":"arn:x","Weight":80}],"TargetGroupStickinessConfig":{"Enabled":true,"DurationSeconds":200}}}"#,
    );
    let config = forward.forward_config.unwrap();
    assert_eq!(config.target_groups[1].target_group_arn.as_deref(), Some("arn:x"));
    assert_eq!(config.target_group_stickiness_config.unwrap().duration_seconds, Some(200));
}

#[test]
fn accepts() {
    for raw in [
        r#"{"type":"fixed-response","fixedResponseConfig":{"statusCode":"404"}}"#,
        r#"{"type":"redirect","redirectConfig":{"statusCode":"anything"}}"#,
        r#"{"type":"forward","targetGroupARN":"x","targetGroupName":"y"}"#,
        r#"{"type":"forward","targetGroupName":"y"}"#,
        r#"{"type":"forward","forwardConfig":{"targetGroups":[]}}"#,
        r#"{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"a","servicePort":80}]}}"#,
        r#"{"type":"forward","forwardConfig":{"targetGroups":[{"targetGroupARN":"a","targetGroupName":"b"}]}}"#,
        r#"{"type":"forward","forwardConfig":null,"targetGroupARN":"x","extra":{"a":1}}"#,
    ] {
        assert_eq!(complaints(raw), Vec::<String>::new(), "{raw}");
    }
}

#[test]
fn refuses() {
    let tuple = "invalid ForwardConfig: invalid TargetGroupTuple: ";
    let table = [
        ("{}", "unknown action type: ".to_owned()),
        ("null", "unknown action type: ".to_owned()),
        (r#"{"type":"Redirect"}"#, "unknown action type: Redirect; did you mean `redirect`?".to_owned()),
        (r#"{"type":"fixed-response"}"#, "missing FixedResponseConfig".to_owned()),
        (
            r#"{"type":"fixed-response","fixedResponseConfig":{}}"#,
            "invalid FixedResponseConfig: statusCode must be set".to_owned(),
        ),
        (r#"{"type":"redirect"}"#, "missing RedirectConfig".to_owned()),
        (r#"{"type":"redirect","redirectConfig":{}}"#, "invalid RedirectConfig: statusCode must be set".to_owned()),
        (r#"{"type":"forward"}"#, "missing ForwardConfig or TargetGroupARN/TargetGroupName".to_owned()),
        (
            r#"{"type":"forward","targetGroupARN":"x","forwardConfig":{}}"#,
            "either ForwardConfig or TargetGroupARN/TargetGroupName can be specified".to_owned(),
        ),
        (
            r#"{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"a"}]}}"#,
            format!("{tuple}missing servicePort"),
        ),
        (
            r#"{"type":"forward","forwardConfig":{"targetGroups":[{}]}}"#,
            format!("{tuple}one of serviceName, targetGroupARN and targetGroupName must be set"),
        ),
        (
            r#"{"type":"forward","forwardConfig":{"targetGroups":[{"serviceName":"a","servicePort":1,"targetGroupName":"b"}]}}"#,
            format!("{tuple}serviceName excludes targetGroupARN and targetGroupName"),
        ),
        (
            r#"{"type":"forward","forwardConfig":{"targetGroups":[{"targetGroupARN":"a","weight":1},{"targetGroupARN":"b"}]}}"#,
            "invalid ForwardConfig: weight must be set when route to multiple target groups".to_owned(),
        ),
    ];
    for (raw, expected) in table {
        assert_eq!(complaints(raw), [expected], "{raw}");
    }
}

#[test]
fn all_problems_at_once() {
    let errors = action(r#"{"type":"forward","forwardConfig":{"targetGroups":[{},{"serviceName":"a"}]}}"#).validate();
    assert_eq!(errors.len(), 4);
    assert_eq!(errors[3].at, Some(Pointer::Json("/forwardConfig/targetGroups/1/weight".to_owned())));
}

#[test]
fn types_are_strict() {
    let table = [
        (
            r#"{"type":"fixed-response","fixedResponseConfig":{"statusCode":503}}"#,
            "json: cannot unmarshal number into Go struct field \
             FixedResponseActionConfig.fixedResponseConfig.statusCode of type string",
            Pointer::Json("/fixedResponseConfig/statusCode".to_owned()),
        ),
        ("443", "json: cannot unmarshal number into Go value of type ingress.Action", Pointer::Json(String::new())),
        ("", "unexpected end of JSON input", Pointer::Byte(0)),
    ];
    for (raw, message, at) in table {
        let error = Action::parse(raw).unwrap_err();
        assert_eq!((error.message.as_str(), error.at), (message, Some(at)), "{raw}");
    }
    let weight = r#"{"forwardConfig":{"targetGroups":[{"weight":"50"}]}}"#;
    assert!(Action::parse(weight).unwrap_err().message.ends_with("of type int32"));
}

#[test]
fn service_ports_are_numbers_or_names() {
    let port = |json: &str| {
        let raw = format!(
            r#"{{"type":"forward","forwardConfig":{{"targetGroups":[{{"serviceName":"a","servicePort":{json}}}]}}}}"#
        );
        let config = Action::parse(&raw)?.normalised().forward_config.unwrap();
        Ok::<_, ParseError>(config.target_groups[0].service_port.clone())
    };
    assert_eq!(port("80"), Ok(Some(ServicePort::Number(80))));
    assert_eq!(port("\"80\""), Ok(Some(ServicePort::Number(80))));
    assert_eq!(port("\"http\""), Ok(Some(ServicePort::Name("http".to_owned()))));
    assert_eq!(port("\"use-annotation\""), Ok(Some(ServicePort::Name("use-annotation".to_owned()))));
    assert_eq!(port("\"4294967296\""), Ok(Some(ServicePort::Name("4294967296".to_owned()))));
    assert_eq!(port("null"), Ok(None));
    assert!(port("true").unwrap_err().message.contains("bool into Go struct field TargetGroupTuple"));
    assert!(port("1.5").is_err());
}

#[test]
fn the_short_forward_becomes_the_long_one() {
    let normal = action(r#"{"type":"forward","targetGroupARN":"x","targetGroupName":"y"}"#).normalised();
    assert_eq!((&normal.target_group_arn, &normal.target_group_name), (&None, &None));
    let config = normal.forward_config.clone().unwrap();
    assert_eq!(config.target_groups.len(), 1);
    assert_eq!(config.target_groups[0].target_group_arn.as_deref(), Some("x"));
    assert_eq!(normal.clone().normalised(), normal);
}

#[test]
fn serialises_as_documented() {
    let raw = r#"{"type":"redirect","redirectConfig":{"port":"443","statusCode":"HTTP_301"}}"#;
    assert_eq!(serde_json::to_string(&action(raw)).unwrap(), raw);
    let raw = r#"{"type":"forward","forwardConfig":{"targetGroups":[{"targetGroupARN":"a","servicePort":80}]}}"#;
    assert_eq!(serde_json::to_string(&action(raw)).unwrap(), raw);
}

proptest! {
    #[test]
    fn never_panics(raw in any::<String>()) {
        if let Ok(action) = Action::parse(&raw) {
            let _ = (action.validate(), action.limits(), action.normalised());
        }
    }
}
