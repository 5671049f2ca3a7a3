//! What may be written at all, whoever writes it.

use housecall_protocol::client::{ErrorCode, SendBody};
use housecall_protocol::cluster::Refusal;
use housecall_protocol::domain::PersonKind;

use crate::storage::Content;

/// Turns a client's body into content, or says what is wrong with it.
pub(crate) fn content(
    body: SendBody,
    sender: PersonKind,
    max_characters: u32,
) -> Result<Content, Refusal> {
    match body {
        SendBody::Text { text } => {
            not_empty(&text)?;
            Ok(Content::Text(bounded(text, max_characters)?))
        }
        SendBody::Note { text } => {
            if sender != PersonKind::Operator {
                return Err(Refusal::new(ErrorCode::Forbidden, "only operators write notes"));
            }
            not_empty(&text)?;
            Ok(Content::Note(bounded(text, max_characters)?))
        }
        SendBody::File { file, caption } => {
            Ok(Content::File { file, caption: bounded(caption, max_characters)? })
        }
    }
}

/// The new text of a message, or of a file's caption, which may become empty only
/// there: the database refuses it elsewhere.
pub(crate) fn edit(text: String, max_characters: u32) -> Result<String, Refusal> {
    bounded(text, max_characters)
}

fn not_empty(text: &str) -> Result<(), Refusal> {
    if text.chars().all(char::is_whitespace) {
        return Err(Refusal::new(ErrorCode::BadFrame, "the message is empty"));
    }
    Ok(())
}

fn bounded(text: String, max_characters: u32) -> Result<String, Refusal> {
    let max = usize::try_from(max_characters).unwrap_or(usize::MAX);
    // A text has at least as many bytes as characters, so most need no counting.
    if text.len() > max && text.chars().count() > max {
        let message = format!("the text is longer than {max_characters} characters");
        return Err(Refusal::new(ErrorCode::TooLarge, message));
    }
    // PostgreSQL text cannot hold it.
    if text.contains('\0') {
        return Err(Refusal::new(ErrorCode::BadFrame, "the text has a zero character"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use housecall_protocol::client::{ErrorCode, SendBody};
    use housecall_protocol::domain::PersonKind::{Operator, Patient};
    use housecall_protocol::ids::FileId;

    use super::content;

    fn text(text: &str) -> SendBody {
        SendBody::Text { text: text.to_owned() }
    }

    fn code(body: SendBody) -> Option<ErrorCode> {
        content(body, Patient, 5).err().map(|refusal| refusal.code)
    }

    #[test]
    fn texts_are_neither_empty_nor_too_long() {
        assert_eq!(code(text("пять!")), None);
        assert_eq!(code(text("шесть!")), Some(ErrorCode::TooLarge));
        assert_eq!(code(text("")), Some(ErrorCode::BadFrame));
        assert_eq!(code(text(" \n\u{a0}")), Some(ErrorCode::BadFrame));
        assert_eq!(code(text("a\0b")), Some(ErrorCode::BadFrame));
    }

    #[test]
    fn a_caption_may_be_empty_but_not_too_long() {
        let file = |caption: &str| SendBody::File {
            file: FileId(uuid::Uuid::nil()),
            caption: caption.to_owned(),
        };
        assert_eq!(code(file("")), None);
        assert_eq!(code(file("шесть!")), Some(ErrorCode::TooLarge));
    }

    #[test]
    fn notes_are_for_operators() {
        let note = || SendBody::Note { text: "сон".to_owned() };
        assert_eq!(code(note()), Some(ErrorCode::Forbidden));
        assert!(content(note(), Operator, 5).is_ok());
    }
}
