//! `listen-ports`: which ports the load balancer listens on, and how.

use indexmap::IndexMap;

use super::decode::{Decoded, decode, push_token};
use super::nearest::did_you_mean;
use super::parse::{ParseError, shown};
use crate::stack::Protocol;

/// Reads the annotation.
#[must_use]
pub fn read(raw: &str) -> Decoded<Vec<(Protocol, u16)>> {
    let (value, refused) = match parse(raw) {
        Ok(pairs) => (Some(pairs), Vec::new()),
        Err(faults) => (None, faults),
    };
    Decoded { value, refused, doubtful: Vec::new() }
}

/// The pairs come in the order written and may name a port twice: the last one written counts.
///
/// # Errors
/// Everything that is wrong, in the order written. Malformed JSON, or no entry at all, is the only error then.
pub fn parse(raw: &str) -> Result<Vec<(Protocol, u16)>, Vec<ParseError>> {
    let entries: Vec<IndexMap<String, i32>> = decode(raw).map_err(|cause| {
        vec![ParseError {
            message: format!("failed to parse listen-ports configuration: `{}`: {}", shown(raw), cause.message),
            ..cause
        }]
    })?;
    if entries.is_empty() {
        let message = format!("empty listen-ports configuration: `{}`", shown(raw));
        return Err(vec![ParseError::new(message)]);
    }
    let mut pairs = Vec::new();
    let mut errors = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        for (name, port) in entry {
            match pair(name, *port) {
                Ok(pair) => pairs.push(pair),
                Err(messages) => {
                    let mut pointer = format!("/{index}");
                    push_token(&mut pointer, name);
                    errors.extend(messages.into_iter().map(|message| ParseError::at_json(message, &pointer)));
                }
            }
        }
    }
    if errors.is_empty() { Ok(pairs) } else { Err(errors) }
}

fn pair(name: &str, port: i32) -> Result<(Protocol, u16), Vec<String>> {
    let mut messages = Vec::new();
    let port = u16::try_from(port).ok().filter(|port| *port > 0).ok_or(port);
    if let Err(port) = port {
        messages.push(format!("listen port must be within [1, 65535]: {port}"));
    }
    let protocol = Protocol::parse(name);
    if protocol.is_none() {
        let fix = did_you_mean(name, Protocol::ALL.iter().copied());
        messages.push(format!("listen protocol must be within [HTTP, HTTPS]: {name}{fix}"));
    }
    match (protocol, port) {
        (Some(protocol), Ok(port)) => Ok((protocol, port)),
        _ => Err(messages),
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::Pointer;
    use super::*;
    use crate::stack::Protocol::{Http, Https};
    use proptest::prelude::*;

    /// Writes pairs so that [`parse`] reads them back.
    fn print(pairs: &[(Protocol, u16)]) -> String {
        let entries: Vec<String> = pairs.iter().map(|(protocol, port)| format!("{{\"{protocol}\": {port}}}")).collect();
        format!("[{}]", entries.join(", "))
    }

    fn messages(raw: &str) -> Vec<String> {
        parse(raw).unwrap_err().into_iter().map(|error| error.message).collect()
    }

    #[test]
    fn accepts() {
        let table: [(&str, &[(Protocol, u16)]); 6] = [
            (r#"[{"HTTP":80}]"#, &[(Http, 80)]),
            (r#"[{"HTTP": 80}, {"HTTPS": 443}]"#, &[(Http, 80), (Https, 443)]),
            (r#"[{"HTTP": 80, "HTTPS": 443}]"#, &[(Http, 80), (Https, 443)]),
            ("[{\"HTTPS\": 65535}]\n", &[(Https, 65535)]),
            (r#"[{"HTTP":80,"HTTP":81},null,{}]"#, &[(Http, 81)]),
            (r#"[{"HTTP":80},{"HTTPS":80}]"#, &[(Http, 80), (Https, 80)]),
        ];
        for (raw, expected) in table {
            assert_eq!(parse(raw).as_deref(), Ok(expected), "{raw}");
        }
    }

    #[test]
    fn refuses() {
        assert_eq!(messages("[]"), ["empty listen-ports configuration: `[]`"]);
        assert_eq!(messages("null"), ["empty listen-ports configuration: `null`"]);
        let raw = r#"[{"HTTP": 80}, "{"HTTPS": 443}]"#;
        assert_eq!(
            messages(raw),
            [format!("failed to parse listen-ports configuration: `{raw}`: invalid character 'H' after array element")]
        );
        assert_eq!(messages(r#"[{"HTTP":0}]"#), ["listen port must be within [1, 65535]: 0"]);
        assert_eq!(messages(r#"[{"HTTP":null}]"#), ["listen port must be within [1, 65535]: 0"]);
        assert_eq!(messages(r#"[{"TCP":53}]"#), ["listen protocol must be within [HTTP, HTTPS]: TCP"]);
        assert!(messages(r#"[{"HTTP":"80"}]"#)[0].ends_with("found string where a whole number belongs"));
        for bad in ["", "80", "[80]", r#"{"HTTP":80}"#, r#"[{"HTTP":80.0}]"#] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn all_problems_at_once() {
        let errors = parse(r#"[{"http":80},{"HTTP":80},{"HTTPS":70000,"a/b":-1}]"#).unwrap_err();
        let places: Vec<_> = errors.iter().map(|error| error.at.clone().unwrap()).collect();
        let at = |pointer: &str| Pointer::Json(pointer.to_owned());
        assert_eq!(places, [at("/0/http"), at("/2/HTTPS"), at("/2/a~1b"), at("/2/a~1b")]);
        assert_eq!(errors[0].message, "listen protocol must be within [HTTP, HTTPS]: http; did you mean `HTTP`?");
    }

    proptest! {
        #[test]
        fn never_panics(raw in any::<String>()) {
            let _ = parse(&raw);
        }

        #[test]
        fn printing_is_undone_by_parsing(of in proptest::collection::vec((any::<bool>(), 1_u16..), 1..8)) {
            let pairs: Vec<_> = of.into_iter().map(|(tls, port)| (if tls { Https } else { Http }, port)).collect();
            prop_assert_eq!(parse(&print(&pairs)), Ok(pairs));
        }
    }
}
