//! Subject patterns, as NATS defines them.

/// Whether `subject` matches `pattern` (`*` one token, a final `>` one or more).
pub fn matches(pattern: &str, subject: &str) -> bool {
    let mut subject_tokens = subject.split('.');
    let mut pattern_tokens = pattern.split('.').peekable();
    while let Some(expected) = pattern_tokens.next() {
        let Some(actual) = subject_tokens.next() else { return false };
        match expected {
            ">" => return pattern_tokens.peek().is_none(),
            "*" => {}
            literal if literal == actual => {}
            _ => return false,
        }
    }
    subject_tokens.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn follows_the_rules_of_nats() {
        for (pattern, subject, expected) in [
            ("a.b", "a.b", true),
            ("a.b", "a.c", false),
            ("a.*", "a.b", true),
            ("a.*", "a.b.c", false),
            ("a.*", "a", false),
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
            ("*.b", "a.b", true),
            (">", "a.b", true),
            ("a.b.c", "a.b", false),
        ] {
            assert_eq!(matches(pattern, subject), expected, "{pattern} against {subject}");
        }
    }
}
