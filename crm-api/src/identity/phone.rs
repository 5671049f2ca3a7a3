//! Phone numbers: what people type, and E.164.

/// `typed` as E.164. Spaces, brackets, dashes and dots are ignored; a Russian
/// number may begin with 8, or leave its country out.
pub(crate) fn normalise(typed: &str) -> Option<String> {
    if typed.len() > 40 {
        return None;
    }
    let mut digits = String::with_capacity(16);
    let mut international = false;
    for (index, character) in typed.trim().chars().enumerate() {
        match character {
            '0'..='9' => digits.push(character),
            '+' if index == 0 => international = true,
            ' ' | '\u{a0}' | '\u{202f}' | '(' | ')' | '-' | '.' | '\u{2011}' => {}
            _ => return None,
        }
    }
    if !international {
        match (digits.len(), digits.as_bytes().first()) {
            (11, Some(b'8')) => digits.replace_range(0..1, "7"),
            (10, Some(b'9')) => digits.insert(0, '7'),
            _ => {}
        }
    }
    let long_enough = (8..=15).contains(&digits.len());
    (long_enough && !digits.starts_with('0')).then(|| format!("+{digits}"))
}

#[cfg(test)]
mod tests {
    use super::normalise;

    #[test]
    fn the_ways_people_write_one_number() {
        for typed in [
            "+7 900 000-00-24",
            "8 (900) 000-00-24",
            "79000000024",
            "900 000 00 24",
            "+7\u{a0}900\u{a0}000\u{2011}00\u{2011}24",
        ] {
            assert_eq!(normalise(typed).as_deref(), Some("+79000000024"), "{typed}");
        }
        assert_eq!(normalise("+1 (202) 555-0143").as_deref(), Some("+12025550143"));
    }

    #[test]
    fn what_is_not_a_number() {
        for typed in ["", "+", "12345", "+0 900 000 00 24", "7900000002x", "+7+9000000024"] {
            assert_eq!(normalise(typed), None, "{typed}");
        }
        assert_eq!(normalise(&"9".repeat(1000)), None);
    }
}
