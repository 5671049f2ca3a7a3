//! File names as people may see them.

/// Longest name, characters.
const MAX_CHARACTERS: usize = 120;
/// Longest extension that is kept when a name is cut.
const MAX_EXTENSION: usize = 10;

/// The last element of whatever path was given, without characters that have no
/// place in a name or that make it read as another (direction overrides).
pub(super) fn sanitise(given: &str) -> String {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last
        .chars()
        .filter(|character| !character.is_control() && !is_invisible(*character))
        .map(|character| if "<>:\"|?*".contains(character) { '_' } else { character })
        .collect();
    let clean = clean.trim_matches(|character: char| character.is_whitespace() || character == '.');
    if clean.is_empty() { "file".to_owned() } else { shorten(clean) }
}

const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

fn shorten(name: &str) -> String {
    if name.chars().count() <= MAX_CHARACTERS {
        return name.to_owned();
    }
    let extension = name
        .rsplit_once('.')
        .map(|(_, extension)| extension)
        .filter(|extension| extension.chars().count() <= MAX_EXTENSION);
    let Some(extension) = extension else { return name.chars().take(MAX_CHARACTERS).collect() };
    let stem = MAX_CHARACTERS - extension.chars().count() - 1;
    let stem: String = name.chars().take(stem).collect();
    format!("{stem}.{extension}")
}

#[cfg(test)]
mod tests {
    use super::{MAX_CHARACTERS, sanitise};

    #[test]
    fn paths_and_tricks_are_taken_out() {
        assert_eq!(sanitise("../../etc/passwd"), "passwd");
        assert_eq!(sanitise("C:\\photos\\Анализ крови.pdf"), "Анализ крови.pdf");
        assert_eq!(sanitise("a\r\nSet-Cookie: x\0.png"), "aSet-Cookie_ x.png");
        assert_eq!(sanitise("photo\u{202e}gnp.exe"), "photognp.exe");
        assert_eq!(sanitise("..."), "file");
        assert_eq!(sanitise(""), "file");
        assert_eq!(sanitise(".htaccess"), "htaccess");
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        let name = sanitise(&format!("{}.pdf", "я".repeat(500)));
        assert_eq!(name.chars().count(), MAX_CHARACTERS);
        assert!(name.ends_with("я.pdf"));
        assert_eq!(sanitise(&"x".repeat(500)).len(), MAX_CHARACTERS);
    }
}
