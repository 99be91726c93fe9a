//! Arguments of LBC's container: read as LBC reads them, and translated to those of `albedo run`.

use super::{FEATURE_GATES, FLAGS, Here, LbcRow, Verdict, flag, gate};

/// One argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// The flag without `--`; empty for a word that is not a flag.
    pub name: String,
    /// Its value; a bool without a value is `true`.
    pub value: String,
    /// How many words it has: two if the value is a word of its own.
    pub words: usize,
}

/// Reads arguments: `--flag=value`, `--flag value`, and `--flag` for a bool.
#[must_use]
pub fn arguments(words: &[String]) -> Vec<Argument> {
    let mut arguments = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let Some(flag_word) = word.strip_prefix("--") else {
            arguments.push(Argument { name: String::new(), value: word.clone(), words: 1 });
            continue;
        };
        let (name, value) = flag_word.split_once('=').map_or((flag_word, None), |(name, value)| (name, Some(value)));
        let takes_word = value.is_none() && flag(name).is_some_and(|row| !row.is_bool);
        let next = if takes_word { rest.next() } else { None };
        let words = 1 + usize::from(next.is_some());
        let value = value.or(next.map(String::as_str)).unwrap_or("true");
        arguments.push(Argument { name: name.to_owned(), value: value.to_owned(), words });
    }
    arguments
}

/// What becomes of one flag or gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translated {
    /// `--flag`, or `--feature-gates=Gate`.
    pub name: String,
    /// The value that LBC has; `None`: its default, which is in the row.
    pub value: Option<String>,
    /// The row.
    pub row: &'static LbcRow,
    /// The verdict.
    pub verdict: Verdict,
}

/// The arguments of a running LBC in terms of Albedo.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Translation {
    /// Flags and gates that LBC's arguments set, and those that they do not set and whose default differs.
    pub rows: Vec<Translated>,
    /// Words that are no flag or gate of an LBC that this version knows.
    pub unknown: Vec<String>,
    /// Arguments of `albedo run` that behave as LBC does, as far as Albedo can.
    pub arguments: Vec<String>,
}

/// Translates the arguments of LBC.
#[must_use]
pub fn translate(words: &[String]) -> Translation {
    let mut translation = Translation::default();
    for argument in arguments(words) {
        match flag(&argument.name) {
            Some(row) if row.name == FEATURE_GATES => translation.gates(&argument.value),
            Some(row) => {
                translation.add(format!("--{}", row.name), row, Some(argument.value.clone()));
                if row.is_passed_on() {
                    translation.arguments.push(format!("--{}={}", row.name, argument.value));
                }
            }
            None => translation.unknown.push(words_of(&argument)),
        }
    }
    for row in FLAGS {
        let Here::OtherDefault(_) = row.here else { continue };
        if translation.rows.iter().all(|one| one.row != row) {
            translation.add(format!("--{}", row.name), row, None);
            if !row.default.is_empty() {
                translation.arguments.push(format!("--{}={}", row.name, row.default));
            }
        }
    }
    translation
}

impl Translation {
    fn add(&mut self, name: String, row: &'static LbcRow, value: Option<String>) {
        let verdict = row.verdict(value.as_deref());
        self.rows.push(Translated { name, value, row, verdict });
    }

    fn gates(&mut self, list: &str) {
        let mut kept = Vec::new();
        for pair in list.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, "true"));
            match gate(name) {
                Some(row) => {
                    self.add(format!("--{FEATURE_GATES}={name}"), row, Some(value.to_owned()));
                    kept.extend(row.is_passed_on().then(|| format!("{name}={value}")));
                }
                None => self.unknown.push(format!("--{FEATURE_GATES}={pair}")),
            }
        }
        if !kept.is_empty() {
            self.arguments.push(format!("--{FEATURE_GATES}={}", kept.join(",")));
        }
    }
}

fn words_of(argument: &Argument) -> String {
    match argument.name.as_str() {
        "" => argument.value.clone(),
        name => format!("--{name}={}", argument.value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn arguments_are_read_as_lbc_reads_them() {
        let read = arguments(&words("--cluster-name=a=b --enable-waf --sync-period 1h --enable-shield=false"));
        let told: Vec<_> = read.iter().map(|one| (one.name.as_str(), one.value.as_str(), one.words)).collect();
        assert_eq!(
            told,
            [
                ("cluster-name", "a=b", 1),
                ("enable-waf", "true", 1),
                ("sync-period", "1h", 2),
                ("enable-shield", "false", 1)
            ]
        );
    }

    #[test]
    fn what_albedo_has_is_passed_on_and_what_differs_is_added() {
        let line = "--cluster-name=demo --load-balancer-class=x --new-flag=1 --aws-max-retries=10 \
                    --feature-gates=NLBGatewayAPI=false,ALBSingleSubnet=true,Odd=true";
        let translation = translate(&words(line));
        assert_eq!(
            translation.arguments,
            [
                "--cluster-name=demo",
                "--aws-max-retries=10",
                "--feature-gates=ALBSingleSubnet=true",
                "--sync-period=10h0m0s"
            ]
        );
        assert_eq!(translation.unknown, ["--new-flag=1", "--feature-gates=Odd=true"]);
        let verdict = |name: &str| translation.rows.iter().find(|row| row.name == name).map(|row| row.verdict);
        assert_eq!(verdict("--load-balancer-class"), Some(Verdict::Ignored));
        assert_eq!(verdict("--sync-period"), Some(Verdict::OtherDefault));
        assert_eq!(verdict("--aws-max-retries"), Some(Verdict::Same));
        assert_eq!(verdict("--feature-gates=NLBGatewayAPI"), Some(Verdict::Same));
    }
}
