//! What somebody typed to look for, as words.

/// Words looked for at once; more only slow the search down.
const MAX_WORDS: usize = 10;
/// Characters of one word.
const MAX_WORD: usize = 40;
/// Letters and digits without which nothing is looked for: one letter begins every
/// other word.
const MIN_CHARACTERS: usize = 2;

/// At least one word.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Words {
    /// All but the last, separated by spaces.
    pub(crate) whole: String,
    /// Letters and digits only; perhaps the beginning of a word.
    pub(crate) last: String,
}

impl Words {
    /// `None` when there is too little to look for.
    pub(crate) fn parse(typed: &str) -> Option<Self> {
        let mut words: Vec<String> = typed
            .split(|character: char| !character.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .take(MAX_WORDS)
            .map(|word| word.chars().take(MAX_WORD).collect())
            .collect();
        let last = words.pop()?;
        let characters: usize = words.iter().chain([&last]).map(|word| word.chars().count()).sum();
        (characters >= MIN_CHARACTERS).then(|| Self { whole: words.join(" "), last })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_word_stands_apart() {
        let words = Words::parse("  Болит, горло (2-й день) ").unwrap();
        assert_eq!((words.whole.as_str(), words.last.as_str()), ("Болит горло 2 й", "день"));
        let one = Words::parse("температ").unwrap();
        assert_eq!((one.whole.as_str(), one.last.as_str()), ("", "температ"));
        for nothing in ["", " ", "а", "!?", "|&:*'\\"] {
            assert_eq!(Words::parse(nothing), None, "{nothing}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_typed_is_bounded_and_without_the_operators_of_a_query(typed in ".*") {
            if let Some(Words { whole, last }) = Words::parse(&typed) {
                prop_assert!(!last.is_empty() && last.chars().all(char::is_alphanumeric));
                prop_assert!(whole.split(' ').count() < MAX_WORDS);
                prop_assert!(whole.chars().all(|c| c.is_alphanumeric() || c == ' '));
                prop_assert!(last.chars().count() <= MAX_WORD);
            }
        }
    }
}
