//! The part of a message that shows why it was found.

use housecall_protocol::rest::SnippetPart;

/// Characters around what was found. Two lines on a desk, four on a phone.
const CHARACTERS: usize = 160;
/// Of them, before the first word found.
const BEFORE: usize = 40;

/// Marks around a found word, of Unicode's private use: PostgreSQL is told to set
/// them, and to take them out of the text first.
pub(crate) const BEGIN: char = '\u{E000}';
pub(crate) const END: char = '\u{E001}';

/// Cuts `text` around the words that `marked`, the same text with other letters and
/// marks, has marked. Without marks, or when the two do not match, its beginning.
pub(crate) fn snippet(text: &str, marked: &str) -> Vec<SnippetPart> {
    let characters: Vec<char> = text.chars().collect();
    let hits = hits(marked, characters.len());
    let first = hits.iter().position(|hit| *hit).unwrap_or(0);
    let (from, to) = window(&characters, first);
    let mut parts: Vec<SnippetPart> = Vec::new();
    if from > 0 {
        parts.push(SnippetPart { text: "…".to_owned(), hit: false });
    }
    for (character, hit) in characters[from..to].iter().zip(&hits[from..to]) {
        match parts.last_mut() {
            Some(part) if part.hit == *hit => part.text.push(*character),
            _ => parts.push(SnippetPart { text: character.to_string(), hit: *hit }),
        }
    }
    if to < characters.len() {
        match parts.last_mut() {
            Some(part) if !part.hit => part.text.push('…'),
            _ => parts.push(SnippetPart { text: "…".to_owned(), hit: false }),
        }
    }
    parts
}

/// For each character of the text, whether it is part of a found word.
fn hits(marked: &str, characters: usize) -> Vec<bool> {
    let (mut hits, mut inside) = (Vec::with_capacity(characters), false);
    for character in marked.chars() {
        match character {
            BEGIN => inside = true,
            END => inside = false,
            _ => hits.push(inside),
        }
    }
    if hits.len() != characters {
        return vec![false; characters];
    }
    hits
}

/// Which characters are shown: not from the middle of a word, if there is a choice.
fn window(characters: &[char], first: usize) -> (usize, usize) {
    if characters.len() <= CHARACTERS {
        return (0, characters.len());
    }
    let earliest = first.saturating_sub(BEFORE);
    let from = if earliest == 0 {
        0
    } else {
        let begins = |at: &usize| characters[at - 1].is_whitespace();
        (earliest..first).find(begins).unwrap_or(earliest)
    };
    let latest = (from + CHARACTERS).min(characters.len());
    let to = if latest == characters.len() {
        latest
    } else {
        let ends = |at: &usize| characters[*at].is_whitespace();
        (first + 1..latest).rev().find(ends).unwrap_or(latest)
    };
    (from, to)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(text: &str, marked: &str) -> Vec<(String, bool)> {
        snippet(text, marked).into_iter().map(|part| (part.text, part.hit)).collect()
    }

    #[test]
    fn found_words_are_told_apart_and_keep_their_own_letters() {
        let marked = format!("Все {BEGIN}еще{END} болит");
        let found =
            [("Всё ".to_owned(), false), ("ещё".to_owned(), true), (" болит".to_owned(), false)];
        assert_eq!(parts("Всё ещё болит", &marked), found);
        assert_eq!(parts("нет", "совсем другое"), [("нет".to_owned(), false)]);
        assert_eq!(parts("", ""), []);
    }

    #[test]
    fn a_long_text_is_cut_around_the_first_word_found() {
        let text = format!("{}горло {}", "много слов до этого ".repeat(20), "и после ".repeat(40));
        let marked = text.replace("горло", &format!("{BEGIN}горло{END}"));
        let parts = snippet(&text, &marked);
        assert!(parts[0].text.starts_with('…') && !parts[0].text.contains("… "));
        assert_eq!((parts[1].text.as_str(), parts[1].hit), ("горло", true));
        let whole: String = parts.iter().map(|part| part.text.as_str()).collect();
        assert!(whole.ends_with('…') && whole.chars().count() <= CHARACTERS + 2);
    }

    proptest! {
        #[test]
        fn it_is_a_part_of_the_text_whatever_is_marked(text in ".{0,400}", marked in ".{0,400}") {
            let whole: String =
                snippet(&text, &marked).into_iter().map(|part| part.text).collect();
            prop_assert!(whole.chars().count() <= CHARACTERS + 2);
            let inner = whole.strip_prefix('…').unwrap_or(&whole);
            let inner = inner.strip_suffix('…').unwrap_or(inner);
            prop_assert!(text.contains(inner));
        }
    }
}
