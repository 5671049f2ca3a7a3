//! Builds the crate anew when a migration is added: they are embedded at compile time,
//! by a macro that names no directory to cargo.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
