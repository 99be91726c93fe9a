//! A parent that is killed by a test which then looks for its child: prints the child's process id and waits.
#![expect(clippy::print_stdout, reason = "what it says to whoever started it")]

use std::process::Command;
use std::time::Duration;

use albedo_testenv::Process;

fn main() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let child = Process::start("sleep", Command::new("sleep").arg("60"), &dir.path().join("log"))?;
    println!("child {}", child.pid());
    std::thread::sleep(Duration::from_mins(1));
    Ok(())
}
