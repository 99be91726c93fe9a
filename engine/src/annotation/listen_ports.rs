//! `listen-ports`: which ports the load balancer listens on, and how.

use indexmap::IndexMap;

use super::decode::{Decoded, decode, push_token};
use super::parse::{ParseError, shown};
use super::read::{Parsed, Read, Shape};
use super::similar::did_you_mean;
use crate::stack::Protocol;

/// This kind of JSON.
pub static SHAPE: Shape = Shape {
    takes: "a list of objects {protocol: port}",
    read: |raw| Read::decoded(read(raw), Parsed::Listeners),
    multiline: None,
};

/// Reads the annotation. The pairs come in the order written and may name a port twice: the last one written counts. Malformed JSON, or
/// no entry at all, is the only fault then.
#[must_use]
pub fn read(raw: &str) -> Decoded<Vec<(Protocol, u16)>> {
    let refuse = |error| Decoded { value: None, refused: vec![error], doubtful: Vec::new() };
    let entries: Vec<IndexMap<String, i32>> = match decode(raw) {
        Ok(entries) => entries,
        Err(cause) => {
            let message = format!("failed to parse listen-ports configuration: `{}`: {}", shown(raw), cause.message);
            return refuse(ParseError { message, ..cause });
        }
    };
    if entries.is_empty() {
        return refuse(ParseError::new(format!("empty listen-ports configuration: `{}`", shown(raw))));
    }
    let (mut pairs, mut refused, mut doubtful) = (Vec::<(Protocol, u16)>::new(), Vec::new(), Vec::new());
    for (index, entry) in entries.iter().enumerate() {
        for (name, port) in entry {
            let pointer = || {
                let mut pointer = format!("/{index}");
                push_token(&mut pointer, name);
                pointer
            };
            match pair(name, *port) {
                Ok(pair) => {
                    doubtful.extend(taken(&pairs, pair).map(|message| ParseError::at_json(message, pointer()).doubt()));
                    pairs.push(pair);
                }
                Err(messages) => {
                    let pointer = pointer();
                    refused.extend(messages.into_iter().map(|message| ParseError::at_json(message, &pointer)));
                }
            }
        }
    }
    Decoded { value: refused.is_empty().then_some(pairs), refused, doubtful }
}

/// A port has one listener: what is said of a pair whose port is there already with the other protocol.
fn taken(pairs: &[(Protocol, u16)], (protocol, port): (Protocol, u16)) -> Option<String> {
    let (other, _) = pairs.iter().rev().find(|(_, before)| *before == port).filter(|(other, _)| *other != protocol)?;
    Some(format!("port {port} is there for {other} already: it becomes {protocol}, and {other} has no listener on it"))
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

    /// Writes pairs so that [`read`] reads them back.
    fn print(pairs: &[(Protocol, u16)]) -> String {
        let entries: Vec<String> = pairs.iter().map(|(protocol, port)| format!("{{\"{protocol}\": {port}}}")).collect();
        format!("[{}]", entries.join(", "))
    }

    fn messages(raw: &str) -> Vec<String> {
        read(raw).accepted().unwrap_err().into_iter().map(|error| error.message).collect()
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
            assert_eq!(read(raw).accepted().as_deref(), Ok(expected), "{raw}");
        }
    }

    #[test]
    fn a_port_has_one_listener() {
        for (raw, expected) in [
            (
                r#"[{"HTTP":80},{"HTTPS":80}]"#,
                &["port 80 is there for HTTP already: it becomes HTTPS, and HTTP has no listener on it"][..],
            ),
            (r#"[{"HTTP":80},{"HTTPS":443},{"HTTP":80}]"#, &[]),
        ] {
            assert_eq!(read(raw).doubts(), expected, "{raw}");
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
            assert!(read(bad).accepted().is_err(), "{bad}");
        }
    }

    #[test]
    fn all_problems_at_once() {
        let errors = read(r#"[{"http":80},{"HTTP":80},{"HTTPS":70000,"a/b":-1}]"#).accepted().unwrap_err();
        let places: Vec<_> = errors.iter().map(|error| error.at.clone().unwrap()).collect();
        let at = |pointer: &str| Pointer::Json(pointer.to_owned());
        assert_eq!(places, [at("/0/http"), at("/2/HTTPS"), at("/2/a~1b"), at("/2/a~1b")]);
        assert_eq!(errors[0].message, "listen protocol must be within [HTTP, HTTPS]: http; did you mean `HTTP`?");
    }

    proptest! {
        #[test]
        fn never_panics(raw in any::<String>()) {
            let _ = read(&raw).accepted();
        }

        #[test]
        fn printing_is_undone_by_parsing(of in proptest::collection::vec((any::<bool>(), 1_u16..), 1..8)) {
            let pairs: Vec<_> = of.into_iter().map(|(tls, port)| (if tls { Https } else { Http }, port)).collect();
            prop_assert_eq!(read(&print(&pairs)).accepted(), Ok(pairs));
        }
    }
}
