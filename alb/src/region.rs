//! One region: waits for changes, reads, serves what was read, tells of health.

use std::sync::Arc;
use std::time::Duration;

use crate::aws::{Clients, Control, ReadError, Reader, Report};
use crate::reports::Reports;
use crate::serve::Site;
use crate::snapshot::Snapshot;

/// How often an endpoint is read that does not tell of changes.
const POLL: Duration = Duration::from_secs(3);
/// Seconds that one call waits for a change; then everything is read once more, for what changes without a call.
const WAIT: u64 = 20;
/// The same while something changes by itself.
const SETTLING: u64 = 1;
/// How often a region is read again because it changed meanwhile.
const TORN: usize = 5;
/// After an error.
const PAUSE: Duration = Duration::from_secs(1);

/// Follows a region for ever.
pub(crate) async fn follow(site: Arc<Site>, clients: Clients, control: Control) {
    let mut reader = Reader::new(clients);
    let mut tells = true;
    let (mut version, mut settling, mut first) = (0, false, true);
    loop {
        if tells {
            let seconds = if first {
                0
            } else if settling {
                SETTLING
            } else {
                WAIT
            };
            match control.wait(version, seconds).await {
                Ok(change) => version = change,
                Err(error @ crate::aws::ControlError::Absent(_)) => {
                    tracing::info!(region = site.region, %error, "the endpoint is read every {POLL:?}");
                    tells = false;
                }
                Err(error) => {
                    tracing::warn!(region = site.region, %error, "cannot wait for changes");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            }
        } else {
            tokio::time::sleep(POLL).await;
        }
        if !tells {
            version += 1;
        }
        match whole(&mut reader, &control, &mut version, tells).await {
            Ok(snapshot) => {
                (settling, first) = (snapshot.is_settling(), false);
                site.follow(Arc::new(snapshot)).await;
            }
            Err(error) => {
                tracing::debug!(region = site.region, %error, "read again");
                tokio::time::sleep(if first { PAUSE } else { PAUSE / 5 }).await;
                first = true;
            }
        }
    }
}

/// Reads a region as it is at one moment: it is many calls, and what changes meanwhile would be half in what was read. After some times it is taken
/// as it is; the next wait tells of the rest.
async fn whole(reader: &mut Reader, control: &Control, version: &mut u64, tells: bool) -> Result<Snapshot, ReadError> {
    for _ in 0..TORN {
        let read = reader.read(*version).await?;
        match control.wait(*version, 0).await {
            Ok(now) if tells && now != *version => *version = now,
            _ => return Ok(read),
        }
    }
    reader.read(*version).await
}

/// Tells the endpoint what the checks find, as long as it takes that.
pub(crate) async fn tell(control: Control, reports: Arc<Reports>) {
    reports.put(Report { group: "*".to_owned(), target: None, state: Some("initial"), reason: None });
    loop {
        let batch = reports.take().await;
        match control.report(&batch).await {
            Ok(()) => {}
            Err(error @ crate::aws::ControlError::Absent(_)) => {
                tracing::info!(region = control.region, %error, "health is not told");
                return reports.close();
            }
            Err(error) => {
                tracing::warn!(region = control.region, %error, "health is not told");
                reports.put_back(batch);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
