//! What the person at the terminal gets.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use tokio::net::TcpListener;

use crate::house::{House, command, data_dir};

async fn run_to_end(mut command: tokio::process::Command) -> Output {
    command.stderr(std::process::Stdio::piped()).output().await.unwrap()
}

fn assert_one_clear_sentence(output: &Output, expected: &[&str]) {
    assert!(!output.status.success());
    let message = String::from_utf8_lossy(&output.stderr);
    let told = message.lines().find(|line| line.starts_with("housecall: ")).unwrap_or_default();
    for part in expected {
        assert!(told.contains(part), "{part:?} is missing in {message}");
    }
}

#[tokio::test]
async fn a_busy_port_is_told_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = data_dir();
    let mut command = command(&directory);
    command.args(["--listen", &address]);
    // The last --listen wins over the harness's own.
    let output = run_to_end(command).await;
    assert_one_clear_sentence(&output, &["in use", &address, "--listen"]);
}

#[tokio::test]
async fn a_data_directory_that_is_a_file_is_told_with_what_to_do() {
    let directory = data_dir();
    std::fs::write(directory.path().join("var"), "not a directory").unwrap();
    let output = run_to_end(command(&directory)).await;
    assert_one_clear_sentence(&output, &["data directory", "--data-dir"]);
}

#[tokio::test]
async fn a_place_that_postgresql_cannot_reach_is_told_with_what_to_do() {
    if !nix::unistd::Uid::effective().is_root() {
        // The server then runs as this user, who can reach the place.
        return;
    }
    let directory = data_dir();
    let closed = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(directory.path(), closed).unwrap();
    let output = run_to_end(command(&directory)).await;
    assert_one_clear_sentence(&output, &["lets no other user in", "chmod o+x"]);
}

#[tokio::test]
async fn a_database_of_another_version_is_told_with_what_to_do() {
    let directory = data_dir();
    let data = directory.path().join("var/postgres/data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("PG_VERSION"), "9\n").unwrap();
    let output = run_to_end(command(&directory)).await;
    assert_one_clear_sentence(&output, &["PostgreSQL 9", "move the directory away"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_data_directory_serves_one_process_and_keeps_its_data() {
    let house = House::start().await;
    let ready = reqwest::get(format!("{}/readyz", house.private)).await.unwrap();
    assert_eq!(ready.status(), 200);

    let second = run_to_end(command(&house.data_dir)).await;
    assert_one_clear_sentence(&second, &["another Housecall", "--data-dir"]);

    let patient = house.patient("+79005550200").await;
    let directory = house.data_dir.clone();
    assert!(house.stop().await.success());

    let house = House::start_in(directory).await;
    let (status, me) = house.get("/api/v1/me", &patient.token).await;
    assert_eq!(status, 200, "the session stayed");
    assert_eq!(me["conversation"].as_str(), patient.conversation.as_deref(), "and so did the data");
    assert!(house.stop().await.success());
}
