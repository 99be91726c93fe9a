//! The webhook configurations as one YAML stream, for `kubectl apply`.

use albedo_engine::admit::registration::{Options, configurations};

/// Both configurations, validating first.
///
/// # Errors
///
/// If the YAML printer fails; no content of the configurations is known to cause this.
pub fn registration_yaml(options: &Options) -> Result<String, serde_saphyr::SerializeError> {
    let (validating, mutating) = configurations(options);
    Ok(format!("{}---\n{}", serde_saphyr::to_string(&validating)?, serde_saphyr::to_string(&mutating)?))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};

    use super::*;

    #[test]
    fn what_is_printed_reads_back_the_same() {
        let options = Options {
            ca_bundle: Some(b"-----BEGIN CERTIFICATE-----\n".to_vec()),
            classes: vec!["alb".to_owned(), "it's\n\"odd\": \\".to_owned()],
            inject_ca_from: Some("albedo-system/albedo-serving".to_owned()),
            ..Options::default()
        };
        let text = registration_yaml(&options).unwrap();
        let (validating, mutating) = text.split_once("\n---\n").unwrap();
        let expected = configurations(&options);
        assert_eq!(serde_saphyr::from_str::<ValidatingWebhookConfiguration>(validating).unwrap(), expected.0);
        assert_eq!(serde_saphyr::from_str::<MutatingWebhookConfiguration>(mutating).unwrap(), expected.1);
    }
}
