//! Transforms of rules: <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-transforms.html>.

use albedo_engine::stack::{Rewrite, Transform};
use hyper::Uri;
use hyper::header::{HOST, HeaderValue};
use hyper::http::request::Parts;
use regex::bytes::RegexBuilder;

/// A transform that matched and led to nothing that can be sent: the load balancer answers 500.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failed;

/// Rewrites host and URL as a rule has it.
pub(crate) fn apply(transforms: &[Transform], parts: &mut Parts) -> Result<(), Failed> {
    for transform in transforms {
        match transform {
            Transform::HostHeaderRewrite(rewrites) => {
                let header = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
                let host =
                    header.or(parts.uri.authority().map(hyper::http::uri::Authority::as_str)).unwrap_or_default();
                let rewritten = HeaderValue::try_from(rewritten(rewrites, host)?).map_err(|_| Failed)?;
                parts.headers.insert(HOST, rewritten);
            }
            Transform::UrlRewrite(rewrites) => {
                let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
                let rewritten = rewritten(rewrites, target)?;
                if !rewritten.starts_with('/') {
                    return Err(Failed);
                }
                let mut uri = std::mem::take(&mut parts.uri).into_parts();
                uri.path_and_query = Some(rewritten.parse().map_err(|_| Failed)?);
                parts.uri = Uri::from_parts(uri).map_err(|_| Failed)?;
            }
            // AWS holds it, and it cannot be read here.
            Transform::Unknown(_) => return Err(Failed),
        }
    }
    Ok(())
}

/// Each rewrite takes what the one before left; one that does not match changes nothing.
fn rewritten(rewrites: &[Rewrite], text: &str) -> Result<String, Failed> {
    rewrites.iter().try_fold(text.to_owned(), |text, rewrite| {
        let regex = RegexBuilder::new(&rewrite.regex).unicode(false).build().map_err(|_| Failed)?;
        let replaced = regex.replace(text.as_bytes(), replacement(&rewrite.replace).as_bytes()).into_owned();
        String::from_utf8(replaced).map_err(|_| Failed)
    })
}

/// `$1` is the first group, whatever follows it; Rust's `$1a` would be a group of that name.
fn replacement(replace: &str) -> String {
    let mut parts = replace.split('$');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.len() - part.trim_start_matches(|char: char| char.is_ascii_digit()).len();
        match part.split_at_checked(digits) {
            Some((group, rest)) if !group.is_empty() => text.push_str(&format!("${{{group}}}{rest}")),
            _ => text.push_str(&format!("$${part}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewrite(regex: &str, replace: &str) -> Vec<Rewrite> {
        vec![Rewrite { regex: regex.to_owned(), replace: replace.to_owned() }]
    }

    /// The examples of AWS's page, and what it leaves open.
    #[test]
    fn rewrites() {
        let rows = [
            (
                "^mywebsite-(.+).com$",
                "internal.dev.$1.myweb.com",
                "mywebsite-example.com",
                "internal.dev.example.myweb.com",
            ),
            ("^/dp/([A-Za-z0-9]+)/?$", "/product.php?id=$1", "/dp/B09G3HRMW", "/product.php?id=B09G3HRMW"),
            // No match: the original is sent.
            ("^/dp/([A-Za-z0-9]+)/?$", "/product.php?id=$1", "/other", "/other"),
            ("^/a/(.*)$", "/b/$1x", "/a/c", "/b/cx"),
            ("^/a$", "/costs-$", "/a", "/costs-$"),
        ];
        for (regex, replace, text, expected) in rows {
            assert_eq!(rewritten(&rewrite(regex, replace), text).as_deref(), Ok(expected), "{regex}");
        }
    }

    #[test]
    fn what_cannot_be_sent_fails() {
        let mut parts = hyper::Request::get("/a").body(()).unwrap().into_parts().0;
        assert_eq!(apply(&[Transform::UrlRewrite(rewrite("^/a$", "no path"))], &mut parts), Err(Failed));
        let mut parts = hyper::Request::get("/a").body(()).unwrap().into_parts().0;
        assert_eq!(apply(&[Transform::UrlRewrite(rewrite("^/(", "/"))], &mut parts), Err(Failed));
        assert_eq!(apply(&[Transform::Unknown("new".to_owned())], &mut parts), Err(Failed));
    }
}
