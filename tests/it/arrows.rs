//! The dependency arrows that ARCHITECTURE.md draws, held against `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// What each crate of ours may depend on, outside its tests.
const ALLOWED: [(&str, &[&str]); 11] = [
    (
        "housecall",
        &[
            "housecall-chat-router",
            "housecall-crm-api",
            "housecall-platform",
            "housecall-presence",
            "housecall-protocol",
            "housecall-schema",
            "housecall-sfu",
            "housecall-signaling",
        ],
    ),
    ("housecall-chat-router", &["housecall-platform", "housecall-protocol"]),
    ("housecall-crm-api", &["housecall-platform", "housecall-protocol"]),
    ("housecall-loadtest", &["housecall-platform", "housecall-protocol"]),
    ("housecall-platform", &[]),
    ("housecall-presence", &["housecall-platform", "housecall-protocol"]),
    ("housecall-protocol", &[]),
    ("housecall-schema", &["housecall-platform"]),
    ("housecall-sfu", &["housecall-platform", "housecall-protocol", "housecall-sfu-core"]),
    ("housecall-sfu-core", &["housecall-protocol"]),
    ("housecall-signaling", &["housecall-platform", "housecall-protocol"]),
];

/// Crates that do I/O, read clocks or run tasks. A core that links one is no core.
const NOT_IN_A_CORE: [&str; 5] = ["tokio", "mio", "socket2", "nix", "async-nats"];

fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new().exec().expect("cargo metadata");
    metadata
        .workspace_packages()
        .into_iter()
        .map(|package| {
            let dependencies = package
                .dependencies
                .iter()
                .filter(|dependency| dependency.kind != DependencyKind::Development)
                .map(|dependency| dependency.name.clone())
                .collect();
            (package.name.to_string(), dependencies)
        })
        .collect()
}

#[test]
fn crates_depend_only_along_the_arrows() {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.into_iter().collect();
    for (package, dependencies) in arrows() {
        let permitted = allowed.get(package.as_str()).unwrap_or_else(|| {
            panic!("{package} is new: draw its arrows in ARCHITECTURE.md and here")
        });
        for dependency in dependencies.iter().filter(|name| name.starts_with("housecall")) {
            assert!(
                permitted.contains(&dependency.as_str()),
                "{package} must not depend on {dependency}"
            );
        }
    }
}

#[test]
fn the_core_of_the_relay_does_no_io() {
    let arrows = arrows();
    let core = &arrows["housecall-sfu-core"];
    for forbidden in NOT_IN_A_CORE {
        assert!(!core.contains(forbidden), "sfu/core must not depend on {forbidden}");
    }
}
