//! File names as people may see them.

/// Longest name, characters.
const MAX_CHARACTERS: usize = 120;
/// Longest extension that is kept when a name is cut.
const MAX_EXTENSION: usize = 10;

/// The extensions that names of a content may have, the usual one first.
///
/// A text named `analysis.vbs` is a program to the computer of the doctor who opens
/// it: the name must say what was found in the bytes.
const EXTENSIONS: [(&str, &[&str]); 21] = [
    ("image/jpeg", &["jpg", "jpeg", "jpe", "jfif"]),
    ("image/png", &["png"]),
    ("image/webp", &["webp"]),
    ("image/gif", &["gif"]),
    ("image/heif", &["heic", "heif", "hif"]),
    ("application/pdf", &["pdf"]),
    ("application/msword", &["doc", "dot"]),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", &["docx"]),
    ("application/vnd.ms-excel", &["xls", "xlt"]),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", &["xlsx"]),
    ("application/vnd.ms-powerpoint", &["ppt", "pps"]),
    ("application/vnd.openxmlformats-officedocument.presentationml.presentation", &["pptx"]),
    ("application/vnd.oasis.opendocument.text", &["odt"]),
    ("application/vnd.oasis.opendocument.spreadsheet", &["ods"]),
    ("text/plain", &["txt", "csv", "tsv", "md", "log"]),
    ("audio/mpeg", &["mp3"]),
    ("audio/m4a", &["m4a"]),
    ("audio/ogg", &["ogg", "oga", "opus"]),
    ("video/mp4", &["mp4", "m4v"]),
    ("video/webm", &["webm"]),
    ("video/quicktime", &["mov", "qt"]),
];

/// The name to show for a file of this type.
pub(super) fn for_content(given: &str, media_type: &str) -> String {
    let name = sanitise(given);
    // What an administrator added to the accepted types keeps its name.
    let Some((_, fitting)) = EXTENSIONS.iter().find(|(known, _)| *known == media_type) else {
        return name;
    };
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_lowercase());
    if extension.is_some_and(|extension| fitting.contains(&extension.as_str())) {
        return name;
    }
    shorten(&format!("{name}.{}", fitting[0]))
}

/// The last element of whatever path was given, without characters that have no
/// place in a name or that make it read as another (direction overrides).
fn sanitise(given: &str) -> String {
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
    use super::{MAX_CHARACTERS, for_content, sanitise};

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
    fn a_name_says_what_the_content_is() {
        for (given, media_type, shown) in [
            ("Анализ.PDF", "application/pdf", "Анализ.PDF"),
            ("photo.jpeg", "image/jpeg", "photo.jpeg"),
            ("анализ.pdf.vbs", "text/plain", "анализ.pdf.vbs.txt"),
            ("run.bat", "text/plain", "run.bat.txt"),
            ("report.pdf", "image/png", "report.pdf.png"),
            ("", "image/png", "file.png"),
            ("x.dcm", "application/dicom", "x.dcm"),
        ] {
            assert_eq!(for_content(given, media_type), shown);
        }
        let long = for_content(&format!("{}.exe", "я".repeat(500)), "text/plain");
        assert!(long.ends_with(".txt") && long.chars().count() <= MAX_CHARACTERS, "{long}");
    }

    #[test]
    fn every_type_accepted_by_default_has_its_extensions() {
        for media_type in crate::Config::default().file_types {
            assert_ne!(for_content("x.exe", &media_type), "x.exe", "{media_type}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_extension() {
        let name = sanitise(&format!("{}.pdf", "я".repeat(500)));
        assert_eq!(name.chars().count(), MAX_CHARACTERS);
        assert!(name.ends_with("я.pdf"));
        assert_eq!(sanitise(&"x".repeat(500)).len(), MAX_CHARACTERS);
    }
}
