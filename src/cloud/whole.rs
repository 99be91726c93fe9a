//! An answer that ends before its document does is no answer. The SDK's reader of XML takes the end of the text for the end of a list, and
//! what half a list lacks would be made a second time, or let go.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// Refuses answers that were cut.
#[derive(Debug)]
pub(super) struct Whole;

impl Intercept for Whole {
    fn name(&self) -> &'static str {
        "albedo::cloud::Whole"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        match context.response().body().bytes() {
            Some(body) if !is_whole(body) => Err("the answer ends before its document does".into()),
            _ => Ok(()),
        }
    }
}

/// Whether a text that begins as XML ends with the end of its root element. Other texts have readers that know their end.
fn is_whole(body: &[u8]) -> bool {
    let body = body.trim_ascii();
    if !body.starts_with(b"<") {
        return true;
    }
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':');
    // The root is the first element: before it come declarations and comments.
    let root = body.split(|byte| *byte == b'<').find(|part| part.first().is_some_and(u8::is_ascii_alphabetic));
    let Some(root) = root else { return false };
    let name: Vec<u8> = root.iter().copied().take_while(is_name).collect();
    let closing = body.strip_suffix(b">").and_then(|rest| rest.trim_ascii_end().strip_suffix(name.as_slice()));
    // Or it is the only element, `<Answer/>`, and the text's end is its.
    closing.is_some_and(|rest| rest.ends_with(b"</")) || (root.ends_with(b"/>") && body.ends_with(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_ends_with_its_root() {
        let whole = r#"<?xml version="1.0"?>
<!-- from AWS --><DescribeRulesResponse xmlns="http://e.com/doc/2015-12-01/">
  <DescribeRulesResult><Rules><member><Priority>1</Priority></member><member/></Rules></DescribeRulesResult>
</DescribeRulesResponse>
"#;
        assert!(is_whole(whole.as_bytes()));
        let end = whole.trim_end().len();
        for cut in 1..end {
            assert!(!is_whole(whole[..cut].as_bytes()), "{}", &whole[..cut]);
        }
        for other in ["", "{}", r#"{"__type": "x""#, "<A/>", "<A b='c' />", "<A></A>", "<A></A >"] {
            assert!(is_whole(other.as_bytes()), "{other}");
        }
        for cut in ["<", "<A", "<A>", "<A><B/>", "<A><A/>", "<A></B>"] {
            assert!(!is_whole(cut.as_bytes()), "{cut}");
        }
    }
}
