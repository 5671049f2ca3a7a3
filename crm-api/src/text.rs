//! What people type into fields: trimmed, bounded, free of control characters.

use crate::problem::ApiError;

/// One line. Spaces inside are collapsed.
pub(crate) fn line(
    field: &'static str,
    typed: &str,
    min: usize,
    max: usize,
) -> Result<String, ApiError> {
    let line = typed.split_whitespace().collect::<Vec<_>>().join(" ");
    bounded(field, line, min, max, |_| false)
}

/// Several lines.
pub(crate) fn block(
    field: &'static str,
    typed: &str,
    min: usize,
    max: usize,
) -> Result<String, ApiError> {
    bounded(field, typed.trim().to_owned(), min, max, |character| {
        matches!(character, '\n' | '\r' | '\t')
    })
}

fn bounded(
    field: &'static str,
    text: String,
    min: usize,
    max: usize,
    allowed: impl Fn(char) -> bool,
) -> Result<String, ApiError> {
    let length = text.chars().count();
    if !(min..=max).contains(&length) {
        return Err(ApiError::invalid(field, format!("{min} to {max} characters")));
    }
    if text.chars().any(|character| character.is_control() && !allowed(character)) {
        return Err(ApiError::invalid(field, "no control characters"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::{block, line};

    #[test]
    fn lines_are_trimmed_and_bounded_in_characters() {
        assert_eq!(line("name", "  Анна   Иванова ", 1, 12).expect("fits"), "Анна Иванова");
        assert!(line("name", "   ", 1, 10).is_err());
        assert!(line("name", "Анна Иванова", 1, 11).is_err());
        assert!(line("name", "a\u{0}b", 1, 10).is_err());
        assert_eq!(block("summary", " a\nb ", 0, 10).expect("fits"), "a\nb");
        assert!(block("summary", "a\u{7}b", 0, 10).is_err());
    }
}
