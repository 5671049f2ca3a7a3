//! Files before a real clamd, with a signature of our own.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::house::{House, Person, Reply};

const HARMLESS: &str = "Болит горло";
const HARMFUL: &str = "This text stands for something harmful.";

/// clamd with one signature, which names [`HARMFUL`].
struct Clamd {
    address: SocketAddr,
    directory: TempDir,
    process: Option<Child>,
}

impl Clamd {
    fn new() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("an address");
        let directory = tempfile::tempdir().expect("a directory");
        let signature = format!("Test.Signature:0:*:{}\n", hex::encode(HARMFUL));
        std::fs::write(directory.path().join("test.ndb"), signature).expect("written");
        let path = directory.path().display();
        let config = format!(
            "Foreground yes\nTCPSocket {}\nTCPAddr 127.0.0.1\nDatabaseDirectory {path}\n\
             TemporaryDirectory {path}\nSelfCheck 3600\n",
            address.port()
        );
        std::fs::write(directory.path().join("clamd.conf"), config).expect("written");
        Self { address, directory, process: None }
    }

    fn url(&self) -> String {
        format!("tcp://{}", self.address)
    }

    async fn start(&mut self) {
        let process = Command::new("/usr/sbin/clamd")
            .arg("--config-file")
            .arg(self.directory.path().join("clamd.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("clamd is installed (ops/bootstrap --tests)");
        self.process = Some(process);
        let up = async {
            while TcpStream::connect(self.address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), up).await.expect("clamd listens");
    }
}

impl Drop for Clamd {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

async fn upload(house: &House, person: &Person, text: &'static str) -> Reply {
    let path = format!("/api/v1/conversations/{}/files?name=a.txt", person.conversation());
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::AUTHORIZATION, format!("Bearer {}", person.token))
        .body(Body::from(text))
        .expect("a request");
    house.send(request).await
}

fn path(view: &Value) -> String {
    format!("/api/v1/files/{}", view["id"].as_str().expect("an id"))
}

#[tokio::test]
async fn what_the_scanner_finds_does_not_get_in() {
    let mut clamd = Clamd::new();
    clamd.start().await;
    let house = House::open_with(|config| config.scanner = clamd.url()).await;
    let patient = house.patient("+79000000911").await;

    let view = upload(&house, &patient, HARMLESS).await.ok();
    assert_eq!(view["state"], "ready");
    assert_eq!(house.get(&path(&view), &patient).await.ok_bytes(), HARMLESS.as_bytes());

    upload(&house, &patient, HARMFUL).await.refused(422, "file-infected");
    let refused = "SELECT count(*) FROM crm.files WHERE state = 'refused'";
    assert_eq!(house.count(refused).await, 1);
    let client = house.database.pool.get().await.expect("a connection");
    let row = client.query_one("SELECT id FROM crm.files WHERE state = 'refused'", &[]).await;
    let id: uuid::Uuid = row.expect("the row").get(0);
    house.get(&format!("/api/v1/files/{id}"), &patient).await.refused(410, "file-refused");
}

#[tokio::test]
async fn a_file_waits_for_a_scanner_that_is_away() {
    let mut clamd = Clamd::new();
    let house = House::open_with(|config| config.scanner = clamd.url()).await;
    let patient = house.patient("+79000000912").await;
    let harmless = upload(&house, &patient, HARMLESS).await.ok();
    let harmful = upload(&house, &patient, HARMFUL).await.ok();
    for view in [&harmless, &harmful] {
        assert_eq!(view["state"], "checking");
        house.get(&path(view), &patient).await.refused(423, "file-checking");
    }

    clamd.start().await;
    let client = house.database.pool.get().await.expect("a connection");
    let age = "UPDATE crm.files SET checking_at = now() - interval '2 minutes'";
    client.execute(age, &[]).await.expect("moved");
    // A process scans what waits when it starts.
    let mut context = house.context.clone();
    context.metrics = prometheus::Registry::new();
    let running = housecall_crm_api::start(context, house.config.clone()).await.expect("starts");
    let settled = async {
        let waiting = "SELECT count(*) FROM crm.files WHERE state = 'checking'";
        while house.count(waiting).await > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), settled).await.expect("settled");
    drop(running);
    assert_eq!(house.get(&path(&harmless), &patient).await.ok_bytes(), HARMLESS.as_bytes());
    house.get(&path(&harmful), &patient).await.refused(410, "file-refused");
    let view = house.get(&format!("{}/view", path(&harmful)), &patient).await.ok();
    assert_eq!(view["state"], "refused");
}
