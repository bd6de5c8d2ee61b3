//! What somebody may have meant.

/// The candidate most like `found`, if one is like it at all.
pub(crate) fn nearest<'a>(found: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |candidate: &str| strsim::jaro_winkler(found, candidate);
    let (likeness, candidate) = candidates
        .into_iter()
        .map(|candidate| (likeness(candidate), candidate))
        .max_by(|a, b| a.0.total_cmp(&b.0))?;
    (likeness > 0.75).then_some(candidate)
}

/// ` (did you mean …?)`, or nothing.
pub(crate) fn suggestion<'a>(found: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(found, candidates).map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}

/// The same for a message of serde's, which quotes the unknown name and then all that are known, or of the library's, which lists
/// them after `expected`.
pub(crate) fn suggestion_in(message: &str) -> String {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    match quoted.as_slice() {
        [found, known @ ..] if message.starts_with("unknown ") && !known.is_empty() => {
            suggestion(found, known.iter().copied())
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_understood() {
        assert_eq!(nearest("lerning-rate", ["epochs", "learning-rate"]), Some("learning-rate"));
        assert_eq!(nearest("zzz", ["epochs", "learning-rate"]), None);
        let message = "unknown field `epoch`, expected one of `loss`, `epochs`";
        assert_eq!(suggestion_in(message), " (did you mean `epochs`?)");
        assert_eq!(suggestion_in("missing field `name`"), "");
    }
}
