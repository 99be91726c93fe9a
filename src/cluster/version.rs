//! The version of the API server, for what older ones do not have.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::version::Info;

use super::{CALL_TIMEOUT, Cluster};

/// A control plane is upgraded while Albedo runs.
const AGAIN: Duration = Duration::from_hours(1);
const RETRY: Duration = Duration::from_secs(10);

impl Cluster {
    /// Asks for the version at the start, and again now and then.
    pub async fn learn_version(self) {
        loop {
            let asked = tokio::time::timeout(CALL_TIMEOUT, self.client.apiserver_version()).await;
            let version = asked.ok().and_then(Result::ok).and_then(|info| parsed(&info));
            let pause = if let Some(version) = version {
                self.tell(|world| {
                    world.learn_version(version);
                    std::iter::empty().collect()
                });
                AGAIN
            } else {
                RETRY
            };
            tokio::time::sleep(pause).await;
        }
    }
}

/// Major and minor. Some providers write the minor with a plus sign.
fn parsed(info: &Info) -> Option<(u32, u32)> {
    let number = |text: &str| text.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().ok();
    Some((number(&info.major)?, number(&info.minor)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_has_two_numbers() {
        let of = |major: &str, minor: &str| {
            parsed(&Info { major: major.to_owned(), minor: minor.to_owned(), ..Info::default() })
        };
        assert_eq!(of("1", "30+"), Some((1, 30)));
        assert_eq!(of("1", "34"), Some((1, 34)));
        assert_eq!(of("", "x"), None);
    }
}
