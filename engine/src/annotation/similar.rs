//! Which word of a list somebody meant who wrote another.

/// How many letters may differ before a word is another word.
pub(super) fn allowance(word: &str) -> usize {
    match word.chars().count() {
        0..=2 => 0,
        3..=5 => 1,
        _ => 2,
    }
}

/// The candidate that a value most likely means: the same in another case or with other separators, or at most two
/// letters away. `None` if nothing is near, or if the value is a candidate itself.
#[must_use]
pub fn nearest_of<'a, S>(value: &str, candidates: impl IntoIterator<Item = &'a S>) -> Option<&'a str>
where
    S: AsRef<str> + ?Sized + 'a,
{
    if value.len() > 256 {
        return None;
    }
    let fold =
        |text: &str| -> String { text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect() };
    let folded = fold(value);
    let mut best = None;
    for candidate in candidates.into_iter().map(AsRef::as_ref) {
        if candidate == value {
            return None;
        }
        let other = fold(candidate);
        let distance = strsim::damerau_levenshtein(&folded, &other);
        let near = distance <= allowance(&folded).min(allowance(&other));
        if near && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// What a complaint about a value ends with: "; did you mean `…`?" with what [`nearest_of`] finds, else nothing.
#[must_use]
pub fn did_you_mean<'a, S>(value: &str, candidates: impl IntoIterator<Item = &'a S>) -> String
where
    S: AsRef<str> + ?Sized + 'a,
{
    nearest_of(value, candidates).map_or(String::new(), |near| format!("; did you mean `{near}`?"))
}
