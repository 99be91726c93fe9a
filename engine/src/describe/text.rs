//! A description as text.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::{Description, Event, Fault, Group, SeenBy, Setting, State};

/// The most events that are shown.
const EVENTS: usize = 10;

pub(super) fn text(of: &Description, now: Timestamp) -> String {
    let mut lines = Lines::default();
    lines.put(0, format!("Ingress {}/{}: {}", of.namespace, of.name, word(of.state)));
    lines.put(1, &of.summary);
    for host in &of.hosts {
        lines.put(1, format!("http(s)://{host}"));
    }
    for group in &of.groups {
        group_lines(group, now, &mut lines);
    }
    lines.list("waits for", of.waits.iter().cloned());
    lines.list("findings", of.faults.iter().map(fault));
    lines.list("subnets by discovery", of.subnets.iter().cloned());
    lines.list("could not be read, so there may be more findings", of.unread.iter().cloned());
    let more = of.events.len().saturating_sub(EVENTS);
    let shown = of.events.iter().take(EVENTS).map(|one| event(one, now));
    let more = (more > 0).then(|| format!("and {more} before"));
    lines.list("events", shown.chain(more));
    lines.0
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn put(&mut self, depth: usize, line: impl AsRef<str>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{:width$}{}", "", line.as_ref(), width = depth * 2);
    }

    /// A section, unless it is empty.
    fn list(&mut self, title: &str, items: impl Iterator<Item = String>) {
        let mut items = items.peekable();
        if items.peek().is_some() {
            self.put(0, format!("\n{title}"));
            items.for_each(|item| self.put(1, item));
        }
    }
}

fn word(state: State) -> &'static str {
    match state {
        State::Served => "served",
        State::UnderWay => "under way",
        State::Failing => "failing",
        State::Kept => "kept at its last good input",
        State::Quarantined => "quarantined",
        State::Blocked => "blocked",
        State::Leaving => "leaving",
        State::Held => "held",
        State::Misplaced => "in no group",
        State::Foreign => "not Albedo's",
    }
}

fn group_lines(group: &Group, now: Timestamp, lines: &mut Lines) {
    let state = if group.state.is_empty() { "not seen by the controller yet" } else { &group.state };
    let since = group.since.map(|since| format!(" for {}", age(since, now))).unwrap_or_default();
    let leaves = if group.is_leaving { ", which it leaves" } else { "" };
    let members = if group.members == 1 { "1 member".to_owned() } else { format!("{} members", group.members) };
    lines.put(0, format!("\ngroup {}{leaves}: {state}{since}, {members}", group.name));
    lines.put(1, format!("kubectl get ingressgroup {}", group.object));
    if let Some(balancer) = &group.load_balancer {
        lines.put(1, format!("load balancer {} ({})", balancer.name, balancer.scheme));
        lines.put(2, &balancer.arn);
        lines.put(2, &balancer.dns_name);
    }
    settings_lines(&group.settings, 1, lines);
    for listener in &group.listeners {
        lines.put(1, format!("listener {} {}", listener.protocol, listener.port));
        lines.put(2, listener.arn.as_deref().unwrap_or("not created yet"));
        for rule in &listener.rules {
            lines.put(2, format!("{}   ({})", rule.text, rule.path));
        }
        lines.put(2, format!("otherwise {}", listener.default));
    }
    for one in &group.target_groups {
        lines.put(1, format!("target group <{}>", one.id));
        lines.put(2, one.arn.as_deref().unwrap_or("not created yet"));
        let service = one.service.as_ref().map(|service| format!("Service {service}")).unwrap_or_default();
        let yet = if one.registered { "" } else { " not" };
        let end = match &one.binding {
            Some(binding) => format!(", TargetGroupBinding {binding}: targets are{yet} registered"),
            None if service.is_empty() => continue,
            None => ", no TargetGroupBinding yet".to_owned(),
        };
        lines.put(2, service + &end);
        settings_lines(&one.settings, 2, lines);
    }
    for (id, arn) in &group.remains {
        lines.put(1, format!("not deleted yet: {id}, {arn}"));
    }
}

/// Those that somebody set.
fn settings_lines(settings: &[Setting], depth: usize, lines: &mut Lines) {
    let mut set = settings.iter().filter(|setting| !setting.is_default).peekable();
    if set.peek().is_some() {
        lines.put(depth, "settings; all others have their defaults");
        set.for_each(|setting| lines.put(depth + 1, setting.line()));
    }
}

fn fault(fault: &Fault) -> String {
    let code = fault.code.as_ref().map(|code| format!("{code} ")).unwrap_or_default();
    let whose = fault.ingress.as_ref().map(|ingress| format!("Ingress {ingress}, ")).unwrap_or_default();
    let path = if fault.path.is_empty() { String::new() } else { format!("{}: ", fault.path) };
    let seen = match fault.seen_by {
        SeenBy::Both => "",
        SeenBy::Controller => " (found by the controller; the objects do not show it any more)",
        SeenBy::Now => " (the controller has not seen it yet)",
    };
    format!("{code}{whose}{path}{}{seen}", fault.message)
}

fn event(event: &Event, now: Timestamp) -> String {
    let at = event.at.map(|at| format!("{} ago  ", age(at, now))).unwrap_or_default();
    let times = if event.count > 1 { format!(" (x{})", event.count) } else { String::new() };
    format!("{at}{} {} on {}{times}: {}", event.severity, event.reason, event.object, event.text)
}

/// An age in the format of kubectl's columns: `45s`, `12m`, `5h`, `3d`.
fn age(from: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(from).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}
