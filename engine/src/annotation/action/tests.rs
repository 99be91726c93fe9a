//! Tables and properties of actions.

use proptest::prelude::*;

use super::super::parse::Pointer;
use super::*;

fn action(raw: &str) -> Written {
    read(raw).accepted().unwrap()
}

fn complaints(raw: &str) -> Vec<String> {
    let refused = read(raw).refused;
    assert!(refused.iter().all(|error| error.help.is_some()), "{refused:?}");
    refused.into_iter().map(|error| error.message).collect()
}

fn forward_of(raw: &str) -> Forward<ForwardTarget> {
    match action(raw) {
        Action::Forward(forward) => forward,
        other => panic!("{other:?}"),
    }
}

fn by_arn(arn: &str) -> ForwardTarget {
    ForwardTarget::Arn(arn.to_owned())
}

#[test]
fn pascal_case_reads_the_same() {
    let documented =
        action(r#"{"type":"redirect","redirectConfig":{"protocol":"HTTPS","port":"443","statusCode":"HTTP_301"}}"#);
    let pascal =
        action(r#"{"Type":"redirect","RedirectConfig":{"Protocol":"HTTPS","Port":"443","StatusCode":"HTTP_301"}}"#);
    assert_eq!(pascal, documented);
    assert!(matches!(pascal, Action::Redirect(redirect) if redirect.port.as_deref() == Some("443")));
    let forward = forward_of(
        r#"{"Type":"forward","ForwardConfig":{"TargetGroups":[{"ServiceName":"a","ServicePort":"80","Weight":20},
            {"TargetGroupArn":"arn:x","Weight":80}],"TargetGroupStickinessConfig":{"Enabled":true,"DurationSeconds":200}}}"#,
    );
    assert_eq!(forward.target_groups[1].target_group, by_arn("arn:x"));
    assert_eq!(forward.stickiness.unwrap().duration_seconds, Some(200));
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
    let errors = read(r#"{"type":"forward","forwardConfig":{"targetGroups":[{},{"serviceName":"a"}]}}"#).refused;
    assert_eq!(errors.len(), 4);
    assert_eq!(errors[3].at, Some(Pointer::Json("/forwardConfig/targetGroups/1/weight".to_owned())));
}

#[test]
fn types_are_strict() {
    let table = [
        (
            r#"{"type":"fixed-response","fixedResponseConfig":{"statusCode":503}}"#,
            "found number where a string belongs",
            Pointer::Json("/fixedResponseConfig/statusCode".to_owned()),
        ),
        ("443", "found number where a JSON object belongs", Pointer::Json(String::new())),
        ("", "unexpected end of JSON input", Pointer::Byte(0)),
    ];
    for (raw, message, at) in table {
        let error = read(raw).refused.remove(0);
        assert_eq!((error.message.as_str(), error.at), (message, Some(at)), "{raw}");
    }
    let weight = r#"{"forwardConfig":{"targetGroups":[{"weight":"50"}]}}"#;
    assert_eq!(read(weight).refused[0].message, "found string where a whole number belongs");
}

#[test]
fn service_ports_are_numbers_or_names() {
    let port = |json: &str| -> Result<ServicePort, String> {
        let raw = format!(
            r#"{{"type":"forward","forwardConfig":{{"targetGroups":[{{"serviceName":"a","servicePort":{json}}}]}}}}"#
        );
        match read(&raw).accepted().map_err(|errors| errors[0].message.clone())? {
            Action::Forward(mut forward) => match forward.target_groups.remove(0).target_group {
                ForwardTarget::Service { port, .. } => Ok(port),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(port("80"), Ok(ServicePort::Number(80)));
    assert_eq!(port("\"80\""), Ok(ServicePort::Name("80".to_owned())));
    assert_eq!(port("\"use-annotation\""), Ok(ServicePort::Name("use-annotation".to_owned())));
    assert!(port("null").unwrap_err().ends_with("missing servicePort"));
    assert_eq!(port("true").unwrap_err(), "found bool where the number or the name of a port belongs");
    assert!(port("1.5").is_err());
}

#[test]
fn the_short_forward_becomes_the_long_one() {
    let long = forward_of(r#"{"type":"forward","targetGroupARN":"x","targetGroupName":"y"}"#);
    assert_eq!(long.target_groups, [TargetGroupTuple { target_group: by_arn("x"), weight: None }]);
}

proptest! {
    #[test]
    fn never_panics(raw in any::<String>()) {
        let _ = read(&raw).faults();
    }
}
