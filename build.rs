//! Lets the binary compile before the web apps are built: an empty `dist` makes
//! the server answer with a page that says how to build them.

use std::fs;

fn main() -> std::io::Result<()> {
    for app in ["patient", "operator"] {
        let dist = format!("web/{app}/dist");
        fs::create_dir_all(&dist)?;
        println!("cargo:rerun-if-changed={dist}");
    }
    Ok(())
}
