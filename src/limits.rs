//! The process's limit of open files.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the soft limit towards `wanted`, as far as the hard limit allows.
pub(crate) fn raise_open_files(wanted: u64) {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let target = wanted.min(hard);
    if soft >= target {
        return;
    }
    if let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, target, hard) {
        tracing::warn!(%error, soft, wanted, "the limit of open files stays as it is");
    }
}
