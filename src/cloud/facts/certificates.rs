//! Certificates of ACM. Each is described once and then remembered: an account has hundreds, and they hardly change.

use std::collections::BTreeMap;
use std::time::Duration;

use albedo_engine::facts::Certificate;
use albedo_engine::plan::operation::ApiService;
use aws_sdk_acm::types::{CertificateStatus, CertificateSummary, CertificateType, Filters, KeyAlgorithm};
use futures::future::join_all;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::cloud::Cloud;
use crate::cloud::call::paged;
use crate::cloud::error::{CloudError, need};

/// An imported certificate keeps its ARN when another is imported over it.
const IMPORTED_FRESH: Duration = Duration::from_mins(5);
/// Others keep their names for life; only whether they are issued changes, and that the list says.
const FRESH: Duration = Duration::from_hours(10);

/// Certificates that were described, by ARN.
#[derive(Debug, Default)]
pub(in crate::cloud) struct Certificates(Mutex<BTreeMap<String, (Certificate, Instant)>>);

impl Cloud {
    /// Issued certificates, by ARN.
    pub(super) async fn certificates(&self) -> Result<Vec<Certificate>, CloudError> {
        let listed = self.list_certificates().await?;
        let mut known = self.described().0.lock().await;
        let now = Instant::now();
        let mut arns = BTreeMap::new();
        for summary in listed {
            let fresh = if summary.r#type() == Some(&CertificateType::Imported) { IMPORTED_FRESH } else { FRESH };
            arns.insert(need("ListCertificates", "CertificateArn", summary.certificate_arn)?, fresh);
        }
        known.retain(|arn, _| arns.contains_key(arn));
        let is_fresh = |arn: &str, fresh: &Duration| {
            known.get(arn).is_some_and(|(_, at)| now.saturating_duration_since(*at) < *fresh)
        };
        let due: Vec<String> =
            arns.iter().filter(|(arn, fresh)| !is_fresh(arn, fresh)).map(|(arn, _)| arn.clone()).collect();
        let described = due.into_iter().map(|arn| async move {
            let read = self.describe_certificate(&arn).await;
            (arn, read)
        });
        // All at once but for the throttle, which is slower than any number of connections.
        let (mut failed, mut unread) = (None, Vec::new());
        for (arn, read) in join_all(described.collect::<Vec<_>>()).await {
            match read {
                Ok(certificate) => drop(known.insert(arn, (certificate, now))),
                // It went since it was listed.
                Err(CloudError::NotFound(_)) => drop(known.remove(&arn)),
                // It costs this one: what was known of it stays, and it is tried again. It is issued, for whichever names.
                Err(error) => {
                    tracing::warn!(arn, error = &error as &dyn std::error::Error, "a certificate cannot be described");
                    failed = Some(error);
                    if !known.contains_key(&arn) {
                        let status = CertificateStatus::Issued.as_str().to_owned();
                        unread.push(Certificate { arn, status, domains: Vec::new(), certificate_authority: None });
                    }
                }
            }
        }
        // With none at all nothing is known of the account, which is not the same as that it has none.
        match failed {
            Some(error) if known.is_empty() => Err(error),
            _ => {
                let mut all = unread;
                all.extend(known.values().map(|(certificate, _)| certificate.clone()));
                all.sort_by(|one, other| one.arn.cmp(&other.arn));
                Ok(all)
            }
        }
    }

    async fn list_certificates(&self) -> Result<Vec<CertificateSummary>, CloudError> {
        // Without this filter ACM lists RSA keys of 1024 and 2048 bits alone.
        let keys = KeyAlgorithm::values().iter().map(|key| KeyAlgorithm::from(*key)).collect();
        let filters = Filters::builder().set_key_types(Some(keys)).build();
        paged("ListCertificates", |token| async {
            let request = self.read().acm.list_certificates().certificate_statuses(CertificateStatus::Issued);
            let request = request.includes(filters.clone()).set_next_token(token);
            let page = self.call(ApiService::Acm.call("ListCertificates"), request.send()).await?;
            Ok((page.certificate_summary_list, page.next_token))
        })
        .await
    }

    async fn describe_certificate(&self, arn: &str) -> Result<Certificate, CloudError> {
        let op = ApiService::Acm.call("DescribeCertificate");
        let answer = self.call(op, self.read().acm.describe_certificate().certificate_arn(arn).send()).await?;
        let detail = need(op.name, "Certificate", answer.certificate)?;
        let status = need(op.name, "Status", detail.status())?.as_str().to_owned();
        let mut domains = detail.subject_alternative_names.unwrap_or_default();
        // Imported certificates may have no alternative names at all.
        if domains.is_empty() {
            domains.extend(detail.domain_name);
        }
        Ok(Certificate {
            arn: arn.to_owned(),
            status,
            domains,
            certificate_authority: detail.certificate_authority_arn,
        })
    }
}
