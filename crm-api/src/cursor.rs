//! Opaque page cursors and bounded page sizes.
//!
//! A cursor holds the sort key of the last row, so that the next page begins
//! right behind it whatever was inserted meanwhile (keyset pagination).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use uuid::Uuid;

use crate::problem::ApiError;

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 100;
const ENCODED_BYTES: usize = 24;

/// Sort key of every list: a time, and an id where times are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) at: Timestamp,
    pub(crate) id: Uuid,
}

impl Cursor {
    pub(crate) fn encode(self) -> String {
        let mut bytes = [0; ENCODED_BYTES];
        // PostgreSQL keeps microseconds, so nothing is lost.
        bytes[..8].copy_from_slice(&self.at.as_microsecond().to_be_bytes());
        bytes[8..].copy_from_slice(self.id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (at, id) = bytes.split_at_checked(8)?;
        let micros = i64::from_be_bytes(at.try_into().ok()?);
        let id = Uuid::from_slice(id).ok()?;
        Some(Self { at: Timestamp::from_microsecond(micros).ok()?, id })
    }
}

/// Which page is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    pub(crate) after: Option<Cursor>,
    limit: u32,
}

impl Page {
    pub(crate) fn parse(after: Option<&str>, limit: Option<u32>) -> Result<Self, ApiError> {
        let after = after
            .map(|text| Cursor::decode(text).ok_or_else(|| ApiError::invalid("after", "no cursor")))
            .transpose()?;
        Ok(Self { after, limit: limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT) })
    }

    /// Rows to read: one more than to show, to know whether there is a next page.
    pub(crate) fn rows(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    pub(crate) fn after_at(&self) -> Option<Timestamp> {
        self.after.map(|cursor| cursor.at)
    }

    pub(crate) fn after_id(&self) -> Option<Uuid> {
        self.after.map(|cursor| cursor.id)
    }

    /// Cuts the extra row off and says where the next page begins.
    pub(crate) fn finish<T>(&self, rows: Vec<(Cursor, T)>) -> (Vec<T>, Option<String>) {
        let limit = self.limit as usize;
        let next = (rows.len() > limit).then(|| rows[limit - 1].0.encode());
        (rows.into_iter().take(limit).map(|(_, item)| item).collect(), next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_went() {
        let at = Timestamp::from_microsecond(1_790_000_000_123_456).expect("in range");
        let cursor = Cursor { at, id: Uuid::now_v7() };
        assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for text in [
            "",
            "x",
            "AAAA",
            "!!!!",
            &"A".repeat(31),
            &"A".repeat(33),
            &format!("f{}", "_".repeat(31)),
        ] {
            assert_eq!(Cursor::decode(text), None, "{text}");
        }
        assert!(Page::parse(Some("zzz"), None).is_err());
    }

    #[test]
    fn the_last_page_has_no_next() {
        let page = Page::parse(None, Some(2)).expect("no cursor");
        let cursor = Cursor { at: Timestamp::UNIX_EPOCH, id: Uuid::nil() };
        assert_eq!(page.finish(vec![(cursor, 1), (cursor, 2)]), (vec![1, 2], None));
        let (items, next) = page.finish(vec![(cursor, 1), (cursor, 2), (cursor, 3)]);
        assert_eq!(items, [1, 2]);
        assert!(next.is_some());
    }
}
