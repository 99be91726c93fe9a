//! What one step cost: calls by kind, seconds, CPU and memory of the process, as rows of a table.

use std::collections::BTreeMap;
use std::time::Duration;

use albedo_testenv::Call;
use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// CPU time and memory of a process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// User and system time.
    pub cpu: Duration,
    /// Resident set, in bytes.
    pub resident: u64,
    /// The part of it that is not mapped from files.
    pub anonymous: u64,
    /// The largest that the resident set has been.
    pub peak: u64,
}

impl Usage {
    /// Of a running process, from procfs (proc(5)).
    pub fn of(pid: u32) -> Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("reading its CPU time")?;
        // The command's name is in parentheses and may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or_default();
        // utime and stime are fields 14 and 15, in hundredths of a second on every Linux.
        let cpu = Duration::from_millis((ticks(11) + ticks(12)) * 10);
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("reading its memory")?;
        let bytes = |name: &str| {
            let kib = status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
            kib.unwrap_or(0_u64) * 1024
        };
        Ok(Self { cpu, resident: bytes("VmRSS:"), anonymous: bytes("RssAnon:"), peak: bytes("VmHWM:") })
    }
}

/// One step.
#[derive(Debug)]
pub struct FigureRow {
    /// Whose figures these are.
    pub program: &'static str,
    pub step: String,
    /// Load balancers that the step is about, to divide by.
    pub balancers: usize,
    pub calls: Vec<Call>,
    pub took: Duration,
    pub usage: Usage,
    /// What the predecessor needs with the same emulator, as it was measured.
    pub lbc: &'static str,
}

/// Reviews at one rate.
#[derive(Debug)]
pub struct ReviewRow {
    pub program: &'static str,
    pub what: String,
    /// Asked for, a second; none: as many as it takes.
    pub rate: Option<u32>,
    /// Answered well, a second.
    pub answered: f64,
    /// Share of the requests that were answered well.
    pub success: f64,
    pub p50: Duration,
    pub p99: Duration,
    /// Of the program, a review.
    pub cpu: Duration,
    /// When the load ended.
    pub usage: Usage,
}

/// All steps.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<FigureRow>,
    reviews: Vec<ReviewRow>,
}

impl Table {
    /// Adds a step and prints which operations it called.
    pub fn add(&mut self, row: FigureRow) {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for call in &row.calls {
            *counts.entry(call.operation.as_str()).or_default() += 1;
        }
        let counts: Vec<String> = counts.iter().map(|(operation, count)| format!("{operation} {count}")).collect();
        println!("{}: {}", row.step, counts.join(", "));
        self.rows.push(row);
    }

    /// Adds reviews at a rate.
    pub fn add_reviews(&mut self, row: ReviewRow) {
        self.reviews.push(row);
    }

    /// All of it, for programs. Times are in milliseconds, memory in bytes.
    pub fn json(&self) -> Value {
        let memory = |usage: &Usage| {
            json!({"resident": usage.resident, "anonymous": usage.anonymous,
                "mapped": usage.resident.saturating_sub(usage.anonymous), "peak": usage.peak})
        };
        let steps = self.rows.iter().map(|row| {
            let writes = row.calls.iter().filter(|call| call.write).count();
            json!({"program": row.program, "step": row.step, "load_balancers": row.balancers, "reads": row.calls.len() - writes,
                "writes": writes, "ms": row.took.as_millis(), "cpu_ms": row.usage.cpu.as_millis(), "memory": memory(&row.usage)})
        });
        let reviews = self.reviews.iter().map(|row| {
            let ms = |time: Duration| time.as_secs_f64() * 1000.0;
            json!({"program": row.program, "reviews": row.what, "rate": row.rate, "answered": row.answered, "success": row.success,
                "p50_ms": ms(row.p50), "p99_ms": ms(row.p99), "cpu_ms": ms(row.cpu), "memory": memory(&row.usage)})
        });
        json!({"steps": steps.collect::<Vec<_>>(), "reviews": reviews.collect::<Vec<_>>()})
    }

    /// Prints all of it.
    pub fn print(&self) {
        self.print_steps();
        self.print_reviews();
    }

    fn print_reviews(&self) {
        if self.reviews.is_empty() {
            return;
        }
        println!(
            "\n{:<8} {:<36} {:>9} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
            "program", "reviews", "rate", "answered", "success", "p50 ms", "p99 ms", "CPU ms", "RSS MB", "anon MB"
        );
        for row in &self.reviews {
            let ms = |time: Duration| time.as_secs_f64() * 1000.0;
            println!(
                "{:<8} {:<36} {:>9} {:>9.0} {:>8.4} {:>8.2} {:>8.2} {:>8.3} {:>8} {:>8}",
                row.program,
                row.what,
                row.rate.map_or("flat out".to_owned(), |rate| rate.to_string()),
                row.answered,
                row.success,
                ms(row.p50),
                ms(row.p99),
                ms(row.cpu),
                row.usage.resident / 1_000_000,
                row.usage.anonymous / 1_000_000
            );
        }
    }

    fn print_steps(&self) {
        if self.rows.is_empty() {
            return;
        }
        println!(
            "\n{:<8} {:<44} {:>7} {:>7} {:>9} {:>8} {:>7} {:>8} {:>8} {:>8}  predecessor",
            "program", "step", "reads", "writes", "per ALB", "seconds", "CPU s", "RSS MB", "anon MB", "peak MB"
        );
        for row in &self.rows {
            let writes = row.calls.iter().filter(|call| call.write).count();
            let per = tenths(row.calls.len(), row.balancers.max(1));
            println!(
                "{:<8} {:<44} {:>7} {:>7} {:>9} {:>8.1} {:>7.1} {:>8} {:>8} {:>8}  {}",
                row.program,
                row.step,
                row.calls.len() - writes,
                writes,
                per,
                row.took.as_secs_f64(),
                row.usage.cpu.as_secs_f64(),
                row.usage.resident / 1_000_000,
                row.usage.anonymous / 1_000_000,
                row.usage.peak / 1_000_000,
                row.lbc
            );
        }
    }
}

/// A quotient with one decimal.
fn tenths(of: usize, by: usize) -> String {
    let tenths = (of * 10 + by / 2) / by;
    format!("{}.{}", tenths / 10, tenths % 10)
}
