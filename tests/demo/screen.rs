//! What the onlooker sees: headings, progress, commands with their output, trees. Colours and spinners on a terminal only.

use std::future::Future;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::Result;

const FRAMES: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

#[derive(Clone, Copy)]
pub enum Ink {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Cyan,
}

pub struct Screen {
    terminal: bool,
    colours: bool,
    begun: Instant,
}

impl Screen {
    pub fn new() -> Self {
        let terminal = std::io::stdout().is_terminal();
        // https://no-color.org: any value but the empty one.
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { terminal, colours: terminal && !refused, begun: Instant::now() }
    }

    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    pub fn ink(&self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Bold => "1",
            Ink::Dim => "2",
            Ink::Red => "31",
            Ink::Green => "32",
            Ink::Yellow => "33",
            Ink::Cyan => "36",
        };
        if self.colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    #[expect(clippy::unused_self, reason = "every line goes through the screen")]
    pub fn line(&self, text: &str) {
        println!("{text}");
    }

    pub fn heading(&self, text: &str) {
        println!("\n{}", self.ink(Ink::Bold, &format!("== {text}")));
    }

    /// Does something while its line says how long it takes.
    pub async fn step<T>(&self, what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        let begun = Instant::now();
        let mut work = std::pin::pin!(work);
        self.show(&format!("  {what} …"));
        let mut frame = 0_usize;
        let outcome = loop {
            tokio::select! {
                outcome = &mut work => break outcome,
                () = tokio::time::sleep(Duration::from_millis(100)), if self.terminal => {
                    let (sign, seconds) = (FRAMES[frame % FRAMES.len()], begun.elapsed().as_secs());
                    frame += 1;
                    // Not at once: what takes no time needs no sign that it goes on.
                    if seconds >= 2 {
                        self.show(&format!("{} {what} … {seconds} s", self.ink(Ink::Cyan, sign)));
                    }
                }
            }
        };
        let took = self.ink(Ink::Dim, &format!("{:.1} s", begun.elapsed().as_secs_f64()));
        let sign = if outcome.is_ok() { self.ink(Ink::Green, "✓") } else { self.ink(Ink::Red, "✗") };
        if self.terminal {
            println!("\r\u{1b}[K{sign} {what} {took}");
        } else {
            println!(" {took}");
        }
        outcome
    }

    fn show(&self, text: &str) {
        print!("{}{text}", if self.terminal { "\r\u{1b}[K" } else { "" });
        // A screen that is gone is nothing to stop for.
        let _ = std::io::stdout().flush();
    }

    pub fn command(&self, args: &[&str]) {
        self.program("kubectl", args);
    }

    /// A command as somebody would type it.
    pub fn program(&self, name: &str, args: &[&str]) {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
        let quoted = args.iter().map(|arg| match arg.chars().all(is_plain) {
            true => (*arg).to_owned(),
            false => format!("'{arg}'"),
        });
        let line = std::iter::once(name.to_owned()).chain(quoted).collect::<Vec<_>>().join(" ");
        println!("\n{} {}", self.ink(Ink::Dim, "$"), self.ink(Ink::Bold, &line));
    }

    /// What a command said, as it said it.
    pub fn output(&self, text: &str) {
        for line in text.lines() {
            let shown = if line.starts_with("Warning:") {
                self.ink(Ink::Yellow, line)
            } else if line.starts_with("The Ingress") || line.starts_with("Error") || line.starts_with("* ") {
                self.ink(Ink::Red, line)
            } else {
                line.to_owned()
            };
            println!("{shown}");
        }
    }

    /// An indented text (two spaces a level) as a tree.
    pub fn tree(&self, text: &str) {
        let lines: Vec<(usize, &str)> =
            text.lines().map(|line| ((line.len() - line.trim_start().len()) / 2, line.trim_start())).collect();
        for (at, &(depth, line)) in lines.iter().enumerate() {
            let mut rails = String::new();
            for level in 1..=depth {
                // Whether anything follows on this level before a shallower one.
                let rest = lines[at + 1..].iter().take_while(|(d, _)| *d >= level);
                let more = rest.clone().any(|(d, _)| *d == level);
                rails.push_str(match (level == depth, more) {
                    (true, true) => "├─ ",
                    (true, false) => "└─ ",
                    (false, true) => "│  ",
                    (false, false) => "   ",
                });
            }
            println!("  {}{}", self.ink(Ink::Dim, &rails), self.leaf(depth, line));
        }
    }

    fn leaf(&self, depth: usize, line: &str) -> String {
        if let Some(target) = line.strip_suffix(" healthy") {
            return format!("{target} {}", self.ink(Ink::Green, "healthy"));
        }
        if line.ends_with("unhealthy") {
            return self.ink(Ink::Red, line);
        }
        if depth == 0 { self.ink(Ink::Bold, line) } else { line.to_owned() }
    }

    pub fn good(&self, text: &str) {
        println!("{} {text}", self.ink(Ink::Green, "✓"));
    }

    pub fn bad(&self, text: &str) {
        println!("{} {text}", self.ink(Ink::Red, "✗"));
    }
}
