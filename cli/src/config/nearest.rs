//! What somebody may have meant.

use std::str::FromStr;

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

/// The same for a name that the library doesn't know.
pub(crate) fn nearest_known(error: &chainrule::Error) -> String {
    match error {
        chainrule::Error::Unknown { name, expected, .. } => among(name, expected),
        _ => String::new(),
    }
}

/// The same where those that are known stand in a sentence, as `cosine:n[,m], constant or linear`.
pub(crate) fn among(found: &str, known: &str) -> String {
    let word = |text: &str| text.trim().split([':', '[', ' ']).next().map(str::to_owned).unwrap_or_default();
    let known: Vec<_> = known.split(", ").flat_map(|part| part.split(" or ")).map(word).collect();
    let found = word(found);
    // Where the name is right, the rest is wrong.
    if known.contains(&found) { String::new() } else { suggestion(&found, known.iter().map(String::as_str)) }
}

/// The same for a message of serde's, which quotes the unknown name and then all that are known, or of the library's, which lists
/// them after `expected`.
pub(crate) fn suggestion_in(message: &str) -> String {
    if let Some((found, known)) = message
        .split_once(" \"")
        .filter(|(what, _)| what.starts_with("unknown "))
        .and_then(|(_, rest)| rest.split_once("\", expected "))
    {
        return among(found, known);
    }
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    match quoted.as_slice() {
        [found, known @ ..] if message.starts_with("unknown ") && !known.is_empty() => {
            suggestion(found, known.iter().copied())
        }
        _ => String::new(),
    }
}

/// What the library reads of a text, or why not.
pub(crate) fn named<V: FromStr<Err = chainrule::Error>>(text: &str) -> Result<V, String> {
    text.parse().map_err(|error| format!("{error}{}", nearest_known(&error)))
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
        let message = "unknown schedule \"cosin:9\", expected constant, step:n,γ, cosine:n[,m]";
        assert_eq!(suggestion_in(message), " (did you mean `cosine`?)");
        assert_eq!(among("smd", "simd or naive"), " (did you mean `simd`?)");
        assert_eq!(among("cosine:x", "constant, cosine:n[,m]"), "");
        assert!(named::<chainrule::Activation>("rlu").unwrap_err().ends_with("(did you mean `relu`?)"));
    }
}
