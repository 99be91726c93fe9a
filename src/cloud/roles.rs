//! Target groups of other accounts: clients with the permissions of a role there, which STS gives for a while. One set of clients for each role.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use aws_config::Region;
use aws_config::sts::AssumeRoleProvider;
use tokio::time::Instant;

use super::{Cloud, sdk};

/// Roles whose clients are kept. More are made anew when they are needed.
const MOST: usize = 32;
/// Longest name of a session.
const LONGEST: usize = 64;

/// Clients by role and external id, each with when it was last used.
#[derive(Debug, Default)]
pub(super) struct Roles(Mutex<BTreeMap<(String, String), (Cloud, Instant)>>);

impl Roles {
    fn get(&self, role: &(String, String)) -> Option<Cloud> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (cloud, used) = all.get_mut(role)?;
        *used = Instant::now();
        Some(cloud.clone())
    }

    /// Of two that were made at the same moment the first one stays.
    fn keep(&self, role: (String, String), made: Cloud) -> Cloud {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = all.iter().min_by_key(|(_, (_, used))| *used).map(|(role, _)| role.clone());
        if let Some(oldest) = oldest.filter(|_| all.len() >= MOST && !all.contains_key(&role)) {
            all.remove(&oldest);
        }
        all.entry(role).or_insert_with(|| (made, Instant::now())).0.clone()
    }
}

impl Cloud {
    /// AWS with the permissions of a role; `external_id` may be empty. Nothing is called yet: the first call asks STS, with the own permissions.
    pub async fn assuming(&self, role: &str, external_id: &str) -> Self {
        let key = (role.to_owned(), external_id.to_owned());
        if let Some(known) = self.shared.roles.get(&key) {
            return known;
        }
        let config = self.config().clone();
        let own = sdk::loader(&config.region, config.max_attempts).load().await;
        let mut provider = AssumeRoleProvider::builder(role)
            .session_name(session_name(&config.cluster_name))
            .region(Region::new(config.region.clone()))
            .configure(&own);
        if !external_id.is_empty() {
            provider = provider.external_id(external_id);
        }
        let loader = sdk::loader(&config.region, config.max_attempts).credentials_provider(provider.build().await);
        let made = Self::counted(config, loader, self.metrics().clone()).await;
        self.shared.roles.keep(key, made)
    }
}

/// What `CloudTrail` of the other account shows: <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>.
fn session_name(cluster: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_=,.@-".contains(c);
    let name = format!("albedo-{cluster}");
    name.chars().map(|c| if allowed(c) { c } else { '-' }).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::super::CloudConfig;
    use super::*;

    #[tokio::test]
    async fn a_role_has_one_set_of_clients() {
        let cloud = Cloud::new(CloudConfig::new("eu-test-1", "vpc-1", "demo")).await;
        let is_same = |a: &Cloud, b: &Cloud| std::sync::Arc::ptr_eq(&a.shared, &b.shared);
        let role = "arn:aws:iam::999999999999:role/r";
        let (one, again) = (cloud.assuming(role, "").await, cloud.assuming(role, "").await);
        assert!(is_same(&one, &again) && !is_same(&one, &cloud));
        assert!(!is_same(&one, &cloud.assuming(role, "x").await), "another external id");
        for number in 0..MOST {
            cloud.assuming(&format!("{role}{number}"), "").await;
        }
        assert!(!is_same(&one, &cloud.assuming(role, "").await), "it was not used for long");
    }

    #[test]
    fn a_session_has_a_name_that_sts_takes() {
        assert_eq!(session_name("my cluster/1"), "albedo-my-cluster-1");
        assert_eq!(session_name(&"x".repeat(100)).len(), LONGEST);
    }
}
