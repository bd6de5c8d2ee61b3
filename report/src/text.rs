//! Numbers and names as text.

/// A number in at most four significant digits: `0.0312`, `1.2e-5`, `NaN`.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return value.to_string();
    }
    if (1e-3..1e5).contains(&size) {
        let digits = match size {
            1e3.. => 0,
            1e2.. => 1,
            1e1.. => 2,
            1e0.. => 3,
            1e-1.. => 4,
            1e-2.. => 5,
            _ => 6,
        };
        trimmed(&format!("{value:.digits$}"))
    } else {
        let text = format!("{value:.3e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        format!("{}e{exponent}", trimmed(mantissa))
    }
}

/// Without the zeros at the end of a fraction.
fn trimmed(text: &str) -> String {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text.to_owned()
    }
}

/// `97.21 %`, on one line.
pub(crate) fn percent(fraction: f64) -> String {
    if fraction.is_finite() { format!("{:.2}\u{a0}%", 100.0 * fraction) } else { fraction.to_string() }
}

/// A count with its thousands apart: `12,345`.
pub(crate) fn count(count: impl Into<u64>) -> String {
    let digits = count.into().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A text from outside as HTML and SVG can hold it: control characters, which they cannot, are replaced.
pub(crate) fn clean(text: &str) -> String {
    let fits = |c: char| !(c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'));
    let shown = |c: char| match c {
        '\t' | '\n' | '\r' => ' ',
        c if fits(c) => c,
        _ => '\u{fffd}',
    };
    text.chars().map(shown).collect()
}

/// At most `length` characters of a text.
pub(crate) fn shortened(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return clean(text);
    }
    let start: String = text.chars().take(length.saturating_sub(1)).collect();
    clean(&start) + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (-0.5, "-0.5"),
            (0.03125, "0.03125"),
            (0.001, "0.001"),
            (0.000_123_456, "1.235e-4"),
            (12.3456, "12.35"),
            (99_999.0, "99999"),
            (100_000.0, "1e5"),
            (-1.5e300, "-1.5e300"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(number(value), text);
        }
        assert_eq!(percent(0.972_14), "97.21\u{a0}%");
        assert_eq!(percent(f64::NAN), "NaN");
        assert_eq!(["0", "999", "1,000", "1,234,567"], [0_u32, 999, 1000, 1_234_567].map(count)[..]);
    }

    #[test]
    fn names_are_cleaned_and_shortened() {
        assert_eq!(clean("a\0b\u{1b}[1m\u{ffff}"), "a\u{fffd}b\u{fffd}[1m\u{fffd}");
        assert_eq!(shortened("äöü", 3), "äöü");
        assert_eq!(shortened("äöüß", 3), "äö…");
        assert_eq!(shortened("ab", 0), "…");
    }
}
