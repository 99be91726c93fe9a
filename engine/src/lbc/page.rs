//! `docs/lbc-flags.md`.

use super::{FLAGS, GATES, Here, LbcRow};

/// The page of all flags and feature gates of LBC.
#[must_use]
pub fn page() -> String {
    let mut page = String::from(
        "# Flags of the AWS Load Balancer Controller in Albedo\n\n\
         <!-- Generated from engine/src/lbc/table.rs: UPDATE=1 cargo test -p albedo-engine --test pages -->\n\n\
         `albedo run` starts with the arguments of the AWS Load Balancer Controller (\"LBC\") of every version from 2.0 to 3.5. Each flag below that \
         Albedo does not have is accepted, and a line on standard error says what becomes of it. `albedo preflight` reads the arguments of a \
         running LBC and prints those for `albedo run`.\n\n\
         | in Albedo | |\n|---|---|\n\
         | same | Albedo has it, with the same meaning and default |\n\
         | default `X` | Albedo has it with the same meaning, and its default is `X`: set it to keep LBC's |\n\
         | always `X` | Albedo does not have it, and behaves as LBC does with the value `X`; any other value is not supported |\n\
         | ignored | Albedo does not have it, and it changes nothing of what Albedo does |\n",
    );
    for (title, table, prefix) in [("Flags", FLAGS, "--"), ("Feature gates", GATES, "")] {
        page.push_str(&format!("\n## {title}\n\n| name | LBC's default | in Albedo | |\n|---|---|---|---|\n"));
        for row in table {
            page.push_str(&line(row, prefix));
        }
    }
    page
}

fn line(row: &LbcRow, prefix: &str) -> String {
    let quoted = |value: &str| if value.is_empty() { "none".to_owned() } else { format!("`{value}`") };
    let here = match row.here {
        Here::Same => "same".to_owned(),
        Here::OtherDefault("") => "another default".to_owned(),
        Here::OtherDefault(default) => format!("default `{default}`"),
        Here::Always("") => "always none".to_owned(),
        Here::Always(value) => format!("always `{value}`"),
        Here::NoEffect => "ignored".to_owned(),
    };
    format!("| `{prefix}{}` | {} | {here} | {} |\n", row.name, quoted(row.default), row.note)
}
