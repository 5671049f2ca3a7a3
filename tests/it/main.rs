//! Tests of the whole: the arrows between crates, and the running binary.

mod arrows;
