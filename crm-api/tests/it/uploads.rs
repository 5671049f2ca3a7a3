//! Uploads in parts: what survives a broken line, and what does not get in.

use axum::body::{Body, Bytes};
use axum::http::{Method, Request, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest, Sha256};

use crate::house::{House, Person, Reply};

/// Two whole parts and a piece: what is kept while it comes, and what at the end.
const LENGTH: usize = 2 * 1024 * 1024 + 12_345;

/// An MP4 by its first bytes, and no two parts of it alike.
fn film() -> Vec<u8> {
    let mut bytes = b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2mp41mp42".to_vec();
    let rest = u32::try_from(LENGTH - bytes.len()).expect("small");
    bytes.extend(rest.to_be_bytes());
    bytes.extend(b"mdat");
    bytes.extend((bytes.len()..LENGTH).map(|index| (index / 1000) as u8));
    bytes
}

/// One side of an upload, as a client of tus sees it.
struct Client<'a> {
    house: &'a House,
    person: &'a Person,
}

impl Client<'_> {
    async fn send(&self, method: Method, path: &str, with: &[(&str, String)], body: Body) -> Reply {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("tus-resumable", "1.0.0")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.person.token));
        for (name, value) in with {
            request = request.header(*name, value);
        }
        self.house.send(request.body(body).expect("a request")).await
    }

    async fn announce(&self, conversation: &str, length: usize, metadata: &str) -> Reply {
        let path = format!("/api/v1/conversations/{conversation}/uploads");
        let with =
            [("upload-length", length.to_string()), ("upload-metadata", metadata.to_owned())];
        self.send(Method::POST, &path, &with, Body::empty()).await
    }

    /// Begins an upload into the person's own conversation; its address.
    async fn begin(&self, bytes: &[u8], name: &str) -> String {
        let digest = BASE64.encode(hex::encode(Sha256::digest(bytes)));
        let metadata = format!("name {},sha256 {digest}", BASE64.encode(name));
        let reply = self.announce(self.person.conversation(), bytes.len(), &metadata).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        assert_eq!(reply.header("upload-offset"), "0");
        reply.header("location").to_owned()
    }

    async fn patch(&self, path: &str, offset: usize, body: Body) -> Reply {
        let with = [
            ("upload-offset", offset.to_string()),
            ("content-type", "application/offset+octet-stream".to_owned()),
        ];
        self.send(Method::PATCH, path, &with, body).await
    }

    async fn offset(&self, path: &str) -> usize {
        let reply = self.send(Method::HEAD, path, &[], Body::empty()).await;
        assert_eq!(reply.status, 200);
        reply.header("upload-offset").parse().expect("a number")
    }
}

/// A body that breaks off behind `bytes`.
fn broken(bytes: &[u8]) -> Body {
    Body::from_stream(futures::stream::iter([
        Ok(Bytes::copy_from_slice(bytes)),
        Err(std::io::Error::other("the phone went into a tunnel")),
    ]))
}

fn kept(house: &House) -> usize {
    fn count(directory: &std::path::Path) -> usize {
        let entries = std::fs::read_dir(directory).expect("our directory");
        entries
            .map(|entry| entry.expect("an entry").path())
            .map(|path| if path.is_dir() { count(&path) } else { 1 })
            .sum()
    }
    count(&house.config.files_dir)
}

async fn open() -> House {
    House::open_as(|_, settings| settings.max_file_bytes = 8 * 1024 * 1024).await
}

#[tokio::test]
async fn an_upload_goes_on_where_the_line_broke() {
    let house = open().await;
    let patient = house.patient("+79000000901").await;
    let client = Client { house: &house, person: &patient };
    let film = film();
    let path = client.begin(&film, "Походка.mp4").await;

    // Broken within the second part: nothing of what came is lost.
    let first = 1024 * 1024 + 777;
    client.patch(&path, 0, broken(&film[..first])).await.refused(400, "bad-request");
    assert_eq!(client.offset(&path).await, first);
    // The same bytes again are refused, and so is a gap.
    client.patch(&path, 0, Body::from(vec![0; 10])).await.refused(409, "upload-offset");
    client.patch(&path, first + 1, Body::from(vec![0; 10])).await.refused(409, "upload-offset");

    let reply = client.patch(&path, first, Body::from(film[first..].to_vec())).await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    assert_eq!(reply.header("upload-offset"), LENGTH.to_string());

    let view = house.get(&path, &patient).await.ok();
    assert_eq!(view["file"]["name"], "Походка.mp4");
    assert_eq!(view["file"]["media_type"], "video/mp4");
    assert_eq!(view["file"]["state"], "ready");
    assert_eq!(view["id"], view["file"]["id"]);
    let id = view["id"].as_str().expect("an id");
    let bytes = house.get(&format!("/api/v1/files/{id}"), &patient).await;
    assert_eq!(bytes.ok_bytes(), &film[..]);
    assert_eq!(kept(&house), 1, "the parts are gone");
}

#[tokio::test]
async fn every_cut_of_an_upload_gives_the_same_file() {
    let house = open().await;
    let patient = house.patient("+79000000902").await;
    let client = Client { house: &house, person: &patient };
    let text = "Температура 38,2. ".repeat(20);
    for step in [1, 7, 100, text.len()] {
        let path = client.begin(text.as_bytes(), "a.txt").await;
        let mut offset = 0;
        while offset < text.len() {
            let end = (offset + step * 13).min(text.len());
            client.patch(&path, offset, broken(&text.as_bytes()[offset..end])).await;
            offset = client.offset(&path).await;
            assert_eq!(offset, end);
        }
        let view = house.get(&path, &patient).await.ok();
        assert_eq!(view["file"]["size_bytes"], text.len());
    }
}

#[tokio::test]
async fn bytes_that_changed_on_the_way_are_refused() {
    let house = open().await;
    let patient = house.patient("+79000000903").await;
    let client = Client { house: &house, person: &patient };
    let path = client.begin(b"37.0", "a.txt").await;
    let reply = client.patch(&path, 0, Body::from("39.0")).await;
    reply.refused(422, "checksum-mismatch");
    house.get(&path, &patient).await.refused(404, "not-found");
    assert_eq!(kept(&house), 0);
    assert_eq!(house.count("SELECT count(*) FROM crm.uploads").await, 0);
    assert_eq!(house.count("SELECT count(*) FROM crm.files").await, 0);
}

#[tokio::test]
async fn what_is_not_accepted_is_refused_after_its_first_part() {
    let house = open().await;
    let patient = house.patient("+79000000904").await;
    let client = Client { house: &house, person: &patient };
    let mut program = b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00".to_vec();
    program.resize(LENGTH, 0);
    let path = client.begin(&program, "tool.pdf").await;
    let first = program[..1024 * 1024].to_vec();
    client.patch(&path, 0, Body::from(first)).await.refused(415, "file-type");

    let conversation = patient.conversation();
    client.announce(conversation, 9 * 1024 * 1024, "").await.refused(413, "too-large");
    client.announce(conversation, 0, "").await.refused(422, "file-empty");
    client.announce(conversation, 10, "sha256 !").await.refused(400, "bad-request");
    let path = client.begin(b"0123456789", "a.txt").await;
    client.patch(&path, 0, Body::from("01234567890")).await.refused(413, "too-large");
    assert_eq!(kept(&house), 0);
}

#[tokio::test]
async fn an_upload_is_its_uploaders_alone() {
    let house = open().await;
    let patient = house.patient("+79000000905").await;
    let stranger = house.patient("+79000000906").await;
    let own = Client { house: &house, person: &patient };
    let foreign = Client { house: &house, person: &stranger };
    let path = own.begin(b"0123456789", "a.txt").await;
    foreign.patch(&path, 0, Body::from("x")).await.refused(404, "not-found");
    house.get(&path, &stranger).await.refused(404, "not-found");
    let ended = foreign.send(Method::DELETE, &path, &[], Body::empty()).await;
    ended.refused(404, "not-found");
    let into = foreign.announce(patient.conversation(), 10, "").await;
    into.refused(404, "not-found");

    let ended = own.send(Method::DELETE, &path, &[], Body::empty()).await;
    assert_eq!(ended.status, 204);
    house.get(&path, &patient).await.refused(404, "not-found");
}

#[tokio::test]
async fn open_uploads_and_a_days_bytes_are_bounded() {
    let house = House::open_with(|config| {
        config.open_uploads_per_person = 2;
        config.upload_bytes_per_person_day = 100;
    })
    .await;
    let patient = house.patient("+79000000907").await;
    let client = Client { house: &house, person: &patient };
    let conversation = patient.conversation();
    client.announce(conversation, 101, "").await.refused(429, "upload-quota");
    let first = client.begin(&[b'a'; 40], "a.txt").await;
    client.begin(&[b'b'; 10], "b.txt").await;
    client.announce(conversation, 1, "").await.refused(409, "too-many-uploads");
    // A finished one is not open any more, but its bytes count.
    client.patch(&first, 0, Body::from(vec![b'a'; 40])).await;
    client.announce(conversation, 51, "").await.refused(429, "upload-quota");
    assert_eq!(client.announce(conversation, 50, "").await.status, 201);
}

#[tokio::test]
async fn an_upload_that_was_given_up_is_forgotten() {
    let house = open().await;
    let patient = house.patient("+79000000908").await;
    let client = Client { house: &house, person: &patient };
    let path = client.begin(b"0123456789", "a.txt").await;
    client.patch(&path, 0, broken(b"01234")).await;
    assert_eq!(kept(&house), 1);
    let connection = house.database.pool.get().await.expect("a connection");
    let age = "UPDATE crm.uploads SET created_at = now() - interval '25 hours'";
    connection.execute(age, &[]).await.expect("moved");

    // A process sweeps when it starts.
    let mut context = house.context.clone();
    context.metrics = prometheus::Registry::new();
    let running = housecall_crm_api::start(context, house.config.clone()).await.expect("starts");
    let swept = async {
        let mut tick = tokio::time::interval(std::time::Duration::from_millis(20));
        while kept(&house) > 0 {
            tick.tick().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), swept).await.expect("swept");
    drop(running);
    house.get(&path, &patient).await.refused(404, "not-found");
}

#[tokio::test]
async fn the_server_says_what_it_speaks() {
    let house = open().await;
    let patient = house.patient("+79000000909").await;
    let path = format!("/api/v1/conversations/{}/uploads", patient.conversation());
    let reply = house.call(Method::OPTIONS, &path, None, None).await;
    assert_eq!(reply.header("tus-version"), "1.0.0");
    assert!(reply.header("tus-extension").contains("termination"));
    let bare = house.call(Method::POST, &path, Some(&patient.token), None).await;
    bare.refused(412, "tus-version");
}
