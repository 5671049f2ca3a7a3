//! A process of many says what it lacks: a bus, a database, a server that answers.

use std::process::Stdio;
use std::time::Duration;

use housecall_platform::testing::NatsServer;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::ChildStdout;

use crate::house::{command, data_dir};

const PATIENCE: Duration = Duration::from_secs(30);

async fn refusal(roles: &str, settings: &[(&str, &str)]) -> String {
    let directory = data_dir();
    let mut command = command(&directory);
    command.args(["--roles", roles]).envs(settings.iter().copied()).stderr(Stdio::piped());
    let output = command.env_remove("DATABASE_URL").output().await.unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn cluster_without_its_meeting_places_is_refused_with_what_to_do() {
    let told = refusal("signaling,sfu", &[]).await;
    assert!(told.contains("housecall: a subset of roles needs a bus"), "{told}");
    assert!(told.contains("HOUSECALL_BUS__NATS_URL"), "{told}");
    // Each process would otherwise make a private database of its own.
    let bus = ("HOUSECALL_BUS__NATS_URL", "nats://127.0.0.1:4222");
    let told = refusal("signaling,sfu", &[bus]).await;
    assert!(told.contains("one database for all") && told.contains("DATABASE_URL"), "{told}");
}

#[tokio::test]
async fn cluster_process_waits_for_the_bus_and_is_ready_only_while_it_is_there() {
    // A port that was free a moment ago, and will be NATS's.
    let nats = NatsServer::start().await;
    let (port, url) = (nats.port(), nats.url());
    drop(nats);
    let directory = data_dir();
    let mut command = command(&directory);
    command.args(["--roles", "presence"]).env("HOUSECALL_BUS__NATS_URL", url);
    command.env("HOUSECALL_LOG__FILTER", "off");
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let waiting = line_with(&mut lines, "waiting for the bus").await;
    assert!(waiting.contains(&format!("127.0.0.1:{port}")), "{waiting}");
    let readyz = waiting.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    assert_eq!(status(readyz).await, 503);

    let nats = NatsServer::start_on(port).await;
    line_with(&mut lines, "Housecall is ready").await;
    until_status(readyz, 200).await;
    drop(nats);
    until_status(readyz, 503).await;
    let _nats = NatsServer::start_on(port).await;
    until_status(readyz, 200).await;
    child.kill().await.unwrap();
}

async fn line_with(lines: &mut Lines<BufReader<ChildStdout>>, words: &str) -> String {
    let found = async {
        loop {
            let line = lines.next_line().await.unwrap().expect("it still runs");
            if line.contains(words) {
                return line;
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("it says {words:?}"))
}

async fn status(url: &str) -> u16 {
    reqwest::get(url).await.unwrap().status().as_u16()
}

async fn until_status(url: &str, wanted: u16) {
    let reached = async {
        while status(url).await != wanted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached)
        .await
        .unwrap_or_else(|_| panic!("{url} answers {wanted}"));
}
