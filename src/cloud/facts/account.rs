//! What the account has by name, its subscription to Shield and its limits.

use std::collections::BTreeMap;

use albedo_engine::plan::operation::ApiService;
use aws_sdk_shield::types::SubscriptionState;
use aws_sdk_wafv2::types::Scope;

use crate::cloud::Cloud;
use crate::cloud::call::paged;
use crate::cloud::error::CloudError;

impl Cloud {
    /// ARNs by name of the region's web ACLs.
    pub(super) async fn web_acls(&self) -> Result<BTreeMap<String, String>, CloudError> {
        let acls = paged("ListWebACLs", |marker| async {
            let request = self.read().wafv2.list_web_acls().scope(Scope::Regional).limit(100).set_next_marker(marker);
            let page = self.call(ApiService::WafV2.call("ListWebACLs"), request.send()).await?;
            // WAF gives a marker with the last page too, behind which nothing comes.
            let acls = page.web_acls.unwrap_or_default();
            let next = page.next_marker.filter(|_| !acls.is_empty());
            Ok((Some(acls), next))
        })
        .await?;
        // Names are unique in a region; an ACL of another one cannot be meant.
        let here = |arn: &str| arn.split(':').nth(3) == Some(self.config().region.as_str());
        Ok(acls.into_iter().filter_map(|acl| acl.name.zip(acl.arn)).filter(|(_, arn)| here(arn)).collect())
    }

    /// ARNs of trust stores by name.
    pub(super) async fn trust_stores(&self) -> Result<BTreeMap<String, String>, CloudError> {
        let stores = paged("DescribeTrustStores", |marker| async {
            let request = self.read().elbv2.describe_trust_stores().page_size(100).set_marker(marker);
            let page = self.call(ApiService::Elbv2.call("DescribeTrustStores"), request.send()).await?;
            Ok((page.trust_stores, page.next_marker))
        })
        .await?;
        Ok(stores.into_iter().filter_map(|store| store.name.zip(store.trust_store_arn)).collect())
    }

    /// Whether the account is subscribed to Shield Advanced.
    pub(super) async fn shield_subscribed(&self) -> Result<bool, CloudError> {
        let request = self.read().shield.get_subscription_state();
        let answer = self.call(ApiService::Shield.call("GetSubscriptionState"), request.send()).await?;
        Ok(answer.subscription_state == SubscriptionState::Active)
    }

    /// Limits by AWS's name for them.
    pub(super) async fn account_limits(&self) -> Result<BTreeMap<String, i64>, CloudError> {
        let limits = paged("DescribeAccountLimits", |marker| async {
            let request = self.read().elbv2.describe_account_limits().set_marker(marker);
            let page = self.call(ApiService::Elbv2.call("DescribeAccountLimits"), request.send()).await?;
            Ok((page.limits, page.next_marker))
        })
        .await?;
        let named = limits.into_iter().filter_map(|limit| limit.name.zip(limit.max?.parse().ok()));
        Ok(named.collect())
    }
}
