//! Waiting for something to become true, or to change no more, and saying what was missing when it doesn't.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Pause between two questions.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest one.
const LONGEST: Duration = Duration::from_secs(2);

/// Asks until there is an answer, every 50 ms or, where asking takes its time, with pauses twice as long as the last question took: a question
/// that reads all that the emulator holds would otherwise keep it busy, and what is waited for would wait as well. An error is not final: it is
/// what the failure tells when the time is over.
pub async fn eventually<T>(what: &str, limit: Duration, mut ask: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + limit;
    let mut last;
    loop {
        let asked = Instant::now();
        match ask().await {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => last = None,
            Err(e) => last = Some(e),
        }
        if Instant::now() > end {
            match last {
                Some(e) => return Err(e.context(format!("not within {limit:?}: {what}"))),
                None => bail!("not within {limit:?}: {what}"),
            }
        }
        tokio::time::sleep((asked.elapsed() * 2).clamp(PAUSE, LONGEST)).await;
    }
}

/// Asks as [`eventually`] does until the answer has stayed the same for twelve times: for "nothing more happens", which has no sign of its own.
pub async fn settled<T: PartialEq>(
    what: &str,
    limit: Duration,
    mut ask: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    const TIMES: u32 = 12;
    let (mut last, mut same) = (None, 0);
    eventually(what, limit, async || {
        let now = ask().await?;
        same = if now.is_some() && now == last { same + 1 } else { 0 };
        last = now;
        Ok(if same >= TIMES { last.take() } else { None })
    })
    .await
}
