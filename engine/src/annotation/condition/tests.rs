//! What LBC and AWS take and refuse.

use super::super::parse::Pointer;
use super::*;
use proptest::prelude::*;

fn complaints(raw: &str) -> Vec<String> {
    read(raw).refused.into_iter().map(|error| error.message).collect()
}

#[test]
fn accepts() {
    for raw in [
        "[]",
        "null",
        r#"[{"field":"host-header","hostHeaderConfig":{"values":["a.example.com"]}}]"#,
        r#"[{"field":"path-pattern","pathPatternConfig":{"regexValues":["^/a$"]}}]"#,
        r#"[{"field":"http-header","httpHeaderConfig":{"httpHeaderName":"","values":["x"]}}]"#,
        r#"[{"field":"http-request-method","httpRequestMethodConfig":{"Values":["GET"]}}]"#,
        r#"[{"field":"query-string","queryStringConfig":{"values":[{"value":"x"},{"key":"k","value":"y"}]}}]"#,
        r#"[{"field":"source-ip","sourceIPConfig":{"values":["not checked here"]}}]"#,
        r#"[{"Field":"source-ip","SourceIpConfig":{"Values":["192.168.0.0/16"]}}]"#,
    ] {
        assert_eq!(complaints(raw), Vec::<String>::new(), "{raw}");
    }
}

#[test]
fn refuses() {
    let table = [
        (r#"[{"field":"host-header"}]"#, "missing hostHeaderConfig", "/0"),
        (r#"[{"field":"path-pattern"}]"#, "missing pathPatternConfig", "/0"),
        (r#"[{"field":"http-header"}]"#, "missing httpHeaderConfig", "/0"),
        (r#"[{"field":"http-request-method"}]"#, "missing httpRequestMethodConfig", "/0"),
        (r#"[{"field":"query-string"}]"#, "missing queryStringConfig", "/0"),
        (r#"[{"field":"source-ip"}]"#, "missing sourceIPConfig", "/0"),
        (
            r#"[{"field":"host-header","hostHeaderConfig":{}}]"#,
            "invalid hostHeaderConfig: values or regexValues must be specified",
            "/0/hostHeaderConfig",
        ),
        (
            r#"[{"field":"path-pattern","pathPatternConfig":{"values":["/a"],"regexValues":["b"]}}]"#,
            "invalid pathPatternConfig: precisely one of values and regexValues can be specified",
            "/0/pathPatternConfig",
        ),
        (
            r#"[{"field":"source-ip","sourceIPConfig":{"values":null}}]"#,
            "invalid sourceIPConfig: values cannot be empty",
            "/0/sourceIPConfig/values",
        ),
        (
            r#"[{"field":"query-string","queryStringConfig":{}}]"#,
            "invalid queryStringConfig: Values cannot be empty",
            "/0/queryStringConfig/values",
        ),
        (
            r#"[{"field":"source-ip","sourceIPConfig":{"values":["::/0"]}},
                {"field":"query-string","queryStringConfig":{"values":[{"value":"a"},{"key":"k"}]}}]"#,
            "invalid queryStringConfig: value cannot be empty",
            "/1/queryStringConfig/values/1/value",
        ),
    ];
    for (raw, message, pointer) in table {
        let refused = read(raw).refused;
        let found: Vec<_> = refused.iter().map(|error| (error.message.as_str(), error.at.clone())).collect();
        assert_eq!(found, [(message, Some(Pointer::Json(pointer.to_owned())))], "{raw}");
        assert!(refused.iter().all(|error| error.help.is_some()), "{raw}");
    }
}

#[test]
fn unknown_fields_are_left_out_and_told() {
    let read = read(r#"[{"field":"hostheader"},{"field":"source-ip","sourceIPConfig":{"values":["::/0"]}},{}]"#);
    assert_eq!(read.value, Some(vec![Condition::SourceIp { values: vec!["::/0".to_owned()] }]));
    let told: Vec<_> = read.doubtful.iter().filter_map(|error| error.at.clone()).collect();
    assert_eq!(
        (read.refused, told),
        (vec![], ["/0/field", "/2/field"].map(|at| Pointer::Json(at.to_owned())).to_vec())
    );
}

#[test]
fn shapes_are_strict() {
    let error = read("[{field: host-header}]").refused.remove(0);
    assert_eq!(error.at, Some(Pointer::Byte(2)));
    assert_eq!(error.message, "invalid character 'f' looking for beginning of object key string");
    for bad in ["", "{}", "[[]]", r#"[{"field":"source-ip","sourceIPConfig":{"values":"10.0.0.0/8"}}]"#] {
        assert!(read(bad).accepted().is_err(), "{bad}");
    }
    // Of another field, but LBC reads it all the same.
    let other = r#"[{"field":"host-header","hostHeaderConfig":{"values":["a.io"]},"sourceIPConfig":3}]"#;
    assert_eq!(complaints(other), ["found number where a JSON object belongs"]);
}

fn messages(raw: &str) -> Vec<String> {
    read(raw).doubts()
}

#[test]
fn what_aws_takes() {
    for raw in [
        "[]",
        r#"[{"field":"host-header","hostHeaderConfig":{"values":["*.example.com","a?.example.com"]}}]"#,
        r#"[{"field":"path-pattern","pathPatternConfig":{"regexValues":["^/v[0-9]+/.*$"]}}]"#,
        r#"[{"field":"http-header","httpHeaderConfig":{"httpHeaderName":"X-Canary","values":["a*"]}}]"#,
        r#"[{"field":"http-request-method","httpRequestMethodConfig":{"values":["GET","MY-METHOD_"]}}]"#,
        r#"[{"field":"query-string","queryStringConfig":{"values":[{"key":"a","value":"b"}]}}]"#,
        r#"[{"field":"source-ip","sourceIPConfig":{"values":["10.0.0.0/8","::/0"]}}]"#,
    ] {
        assert_eq!(messages(raw), Vec::<String>::new(), "{raw}");
    }
}

#[test]
fn what_aws_refuses() {
    let long = "x".repeat(129);
    for (raw, expected) in [
        (
            format!(r#"[{{"field":"path-pattern","pathPatternConfig":{{"values":["/{long}"]}}}}]"#),
            "value has 130 characters, AWS takes 128",
        ),
        (
            r#"[{"field":"path-pattern","pathPatternConfig":{"values":["/a(/|$)(.*)"]}}]"#.into(),
            "has `(` in it, which AWS does not allow in patterns; regular expressions need",
        ),
        (r#"[{"field":"path-pattern","pathPatternConfig":{"values":["/a,b"]}}]"#.into(), "has `,` in it"),
        (r#"[{"field":"host-header","hostHeaderConfig":{"values":[""]}}]"#.into(), "a value must not be empty"),
        (r#"[{"field":"host-header","hostHeaderConfig":{"regexValues":["*.a.com"]}}]"#.into(), "nothing before `*`"),
        (
            r#"[{"field":"host-header","hostHeaderConfig":{"values":["https://a.com"]}}]"#.into(),
            "leave the protocol out",
        ),
        (
            r#"[{"field":"host-header","hostHeaderConfig":{"values":["a.com:8443"]}}]"#.into(),
            "host `a.com:8443` has a port in it",
        ),
        (r#"[{"field":"http-header","httpHeaderConfig":{"values":["a"]}}]"#.into(), "httpHeaderName must be set"),
        (
            r#"[{"field":"http-header","httpHeaderConfig":{"httpHeaderName":"HOST","values":["a"]}}]"#.into(),
            "use a host-header condition",
        ),
        (
            r#"[{"field":"http-header","httpHeaderConfig":{"httpHeaderName":"a b","values":["a"]}}]"#.into(),
            "`a b` is not a valid header name",
        ),
        (
            r#"[{"field":"http-request-method","httpRequestMethodConfig":{"values":["get"]}}]"#.into(),
            "did you mean `GET`?",
        ),
        (
            r#"[{"field":"http-request-method","httpRequestMethodConfig":{"values":["*"]}}]"#.into(),
            "`*` is not a valid request method",
        ),
        (r#"[{"field":"source-ip","sourceIPConfig":{"values":["10.0.0.7"]}}]"#.into(), "did you mean `10.0.0.7/32`?"),
        (r#"[{"field":"host_header"}]"#.into(), "did you mean `host-header`?"),
    ] {
        let found = messages(&raw);
        assert!(found.len() == 1 && found[0].contains(expected), "{raw}: {found:?}");
    }
}

proptest! {
    #[test]
    fn never_panics(raw in any::<String>()) {
        let _ = read(&raw).faults();
    }
}
