//! `chat.json`: one object, a section for each benchmark. Each writes its own and
//! leaves the others.

use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::{Map, Value};

/// Puts a section into the file, which is made when it is not there.
///
/// # Errors
/// When the file cannot be read as such, or written.
pub fn put(file: &Path, name: &str, figures: &impl Serialize) -> anyhow::Result<()> {
    let at = || file.display().to_string();
    let mut sections: Map<String, Value> = match std::fs::read(file) {
        Ok(text) => serde_json::from_slice(&text).with_context(at)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Map::new(),
        Err(error) => return Err(error).with_context(at),
    };
    sections.insert(name.to_owned(), serde_json::to_value(figures)?);
    if let Some(directory) = file.parent() {
        std::fs::create_dir_all(directory).with_context(at)?;
    }
    std::fs::write(file, serde_json::to_string_pretty(&sections)? + "\n").with_context(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_replaces_itself_alone() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("bench/chat.json");
        put(&file, "idle", &1).unwrap();
        put(&file, "durable", &2).unwrap();
        put(&file, "idle", &3).unwrap();
        let read: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(read, serde_json::json!({ "idle": 3, "durable": 2 }));
    }
}
