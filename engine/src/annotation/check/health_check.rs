//! Values of health checks: path, port, status codes.

use crate::annotation::parse::{self, ParseError, Pointer};

/// `ELBv2` API, `CreateTargetGroup`: `HealthCheckPath` has 1 to 1,024 characters, and begins with a slash.
pub(super) fn path(raw: &str) -> Option<ParseError> {
    let length = raw.chars().count();
    if length > 1024 {
        return Some(ParseError::new(format!("the path has {length} characters, AWS takes 1024")));
    }
    if !raw.starts_with('/') {
        let full_url = raw.contains("://");
        let fix = if full_url {
            "; leave protocol and host out".to_owned()
        } else {
            format!("; did you mean `/{}`?", parse::shown(raw))
        };
        return Some(ParseError::new(format!("the path must begin with a slash{fix}")));
    }
    let odd = raw.char_indices().find(|(_, c)| c.is_whitespace() || c.is_control())?;
    Some(ParseError::at_byte("the path has white space in it", odd.0))
}

pub(super) fn port(raw: &str) -> Option<ParseError> {
    match parse::go_int64(raw) {
        Ok(1..=65535) => None,
        Ok(number) => Some(ParseError::new(format!("{number} must be within [1, 65535]"))),
        Err(_) if raw.is_empty() => {
            Some(ParseError::new("a port number, `traffic-port` or a service port's name belongs here"))
        }
        // Any other text is the name of a Service's port, `traffic-port` apart.
        Err(_) => None,
    }
}

/// A number or `traffic-port`: an NLB's target is no Service whose port could be named.
pub(super) fn traffic_port(raw: &str) -> Result<String, ParseError> {
    if raw == "traffic-port" {
        return Ok(raw.to_owned());
    }
    let number = parse::go_int32(raw).ok().filter(|port| (1..=65535).contains(port));
    let error = || {
        ParseError::new("failed to resolve healthCheckPort: traffic-port or a number from 1 to 65535")
            .help("write traffic-port, or the number of a port of the ALB")
    };
    number.map(|port| port.to_string()).ok_or_else(error)
}

/// GRPC's codes begin at 0, so only the form and the upper end can be told without knowing the protocol.
pub(super) fn status_codes(raw: &str, last: u16) -> Vec<ParseError> {
    let code = |text: &str| text.parse::<u16>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let mut found = Vec::new();
    let mut offset = 0;
    for item in raw.split(',') {
        let place = Pointer::Bytes(offset, offset + item.len());
        offset += item.len() + 1;
        let range = match item.trim().split_once('-') {
            Some((from, to)) => code(from).zip(code(to)),
            None => code(item.trim()).map(|code| (code, code)),
        };
        let message = match range {
            None => format!("`{}` is neither a status code nor a range such as 200-299", parse::shown(item.trim())),
            Some((from, to)) if from > to => format!("range {item} ends before it begins"),
            Some((_, to)) if to > last => {
                format!("{to} is no status that a health check can ask for, {last} is the last")
            }
            Some(_) if item.trim() != item => {
                format!("there is white space around `{}`, which AWS does not take", item.trim())
            }
            Some(_) => continue,
        };
        found.push(ParseError::at_place(message, place));
    }
    found
}
