//! Files: what is let in, how it comes out, and to whom.

use axum::body::{Body, Bytes};
use axum::http::{Method, Request, header};
use serde_json::json;

use crate::house::{House, Person, Reply, request};

/// The smallest PNG: one grey pixel.
const PNG: &[u8] = &[
    0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 0,
    1, 0, 0, 0, 1, 8, 0, 0, 0, 0, 0x3a, 0x7e, 0x9b, 0x55, 0, 0, 0, 10, b'I', b'D', b'A', b'T',
    0x78, 0x9c, 0x63, 0x60, 0, 0, 0, 2, 0, 1, 0x48, 0xaf, 0xa4, 0x71, 0, 0, 0, 0, b'I', b'E', b'N',
    b'D', 0xae, 0x42, 0x60, 0x82,
];

async fn upload_to(
    house: &House,
    person: &Person,
    conversation: &str,
    name: &str,
    body: Body,
) -> Reply {
    let name: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let path = format!("/api/v1/conversations/{conversation}/files?name={name}");
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::AUTHORIZATION, format!("Bearer {}", person.token))
        .body(body)
        .expect("a request");
    house.send(request).await
}

async fn upload(house: &House, person: &Person, name: &str, bytes: &'static [u8]) -> Reply {
    upload_to(house, person, person.conversation(), name, Body::from(bytes)).await
}

/// Files in the directory, whatever their names.
fn stored(house: &House) -> usize {
    fn count(directory: &std::path::Path) -> usize {
        let entries = std::fs::read_dir(directory).expect("our directory");
        entries
            .map(|entry| entry.expect("an entry").path())
            .map(|path| if path.is_dir() { count(&path) } else { 1 })
            .sum()
    }
    count(&house.config.files_dir)
}

#[tokio::test]
async fn an_image_comes_back_as_it_went() {
    let house = House::open().await;
    let patient = house.patient("+79000000801").await;
    let view = upload(&house, &patient, "Фото.png", PNG).await.ok();
    assert_eq!(view["media_type"], "image/png");
    assert_eq!((&view["width"], &view["height"]), (&json!(1), &json!(1)));
    assert_eq!(view["size_bytes"], PNG.len());
    let path = format!("/api/v1/files/{}", view["id"].as_str().expect("an id"));
    let reply = house.get(&path, &patient).await;
    assert_eq!(&reply.bytes[..], PNG);
    assert_eq!(reply.header("content-type"), "image/png");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert_eq!(reply.header("content-security-policy"), "sandbox; default-src 'none'");
    assert_eq!(
        reply.header("content-disposition"),
        "inline; filename*=UTF-8''%D0%A4%D0%BE%D1%82%D0%BE.png"
    );
    assert!(reply.header("cache-control").starts_with("private"));
    let reply = house.get(&format!("{path}?download=1"), &patient).await;
    assert!(reply.header("content-disposition").starts_with("attachment;"));
}

#[tokio::test]
async fn a_part_of_a_file() {
    let house = House::open().await;
    let patient = house.patient("+79000000802").await;
    let view = upload(&house, &patient, "a.txt", b"0123456789").await.ok();
    let path = format!("/api/v1/files/{}", view["id"].as_str().expect("an id"));
    let mut part = request(Method::GET, &path, Some(&patient.token), None);
    part.headers_mut().insert(header::RANGE, "bytes=2-5".parse().expect("a range"));
    let reply = house.send(part).await;
    assert_eq!(reply.status, 206);
    assert_eq!(reply.text(), "2345");
    assert_eq!(reply.header("content-range"), "bytes 2-5/10");
}

#[tokio::test]
async fn what_pretends_to_be_something_else_stays_out() {
    let house = House::open().await;
    let patient = house.patient("+79000000803").await;
    let hostile: [(&str, &'static [u8]); 6] = [
        ("photo.png", b"<!DOCTYPE html><script>alert(1)</script>"),
        ("photo.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        ("note.txt", b"\xef\xbb\xbf \n<script>alert(1)</script>"),
        ("tool.pdf", b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00"),
        ("run.txt", b"#!/bin/sh\nrm -rf /\n"),
        ("data.bin", b"\x00\x01\x02\x03"),
    ];
    for (name, bytes) in hostile {
        upload(&house, &patient, name, bytes).await.refused(415, "file-type");
    }
    upload(&house, &patient, "empty.txt", b"").await.refused(422, "file-empty");
    assert_eq!(stored(&house), 0, "nothing stays behind");
    assert_eq!(house.count("SELECT count(*) FROM crm.files").await, 0);
}

#[tokio::test]
async fn a_name_is_only_a_name() {
    let house = House::open().await;
    let patient = house.patient("+79000000804").await;
    for (given, shown) in [
        ("../../../etc/passwd", "passwd.txt"),
        ("..\\..\\boot.ini", "boot.ini.txt"),
        ("a\r\nX-Evil: 1.png", "aX-Evil_ 1.png.txt"),
        ("", "file.txt"),
    ] {
        let view = upload(&house, &patient, given, b"text").await.ok();
        assert_eq!(view["name"], shown);
    }
}

#[tokio::test]
async fn a_file_too_large_is_cut_off_while_it_streams() {
    let house = House::open().await;
    let patient = house.patient("+79000000805").await;
    // No length is announced, so only counting can stop it; were it not stopped,
    // this body would never end.
    let endless = futures::stream::repeat_with(|| {
        Ok::<_, std::io::Error>(Bytes::from_static(&[b'a'; 64 * 1024]))
    });
    let body = Body::from_stream(endless);
    let conversation = patient.conversation();
    let reply = upload_to(&house, &patient, conversation, "a.txt", body).await;
    reply.refused(413, "too-large");
    assert_eq!(stored(&house), 0, "nothing stays behind");

    let path = format!("/api/v1/conversations/{conversation}/files?name=a.txt");
    let mut announced = request(Method::POST, &path, Some(&patient.token), None);
    announced.headers_mut().insert(header::CONTENT_LENGTH, (1024 * 1024 + 1).into());
    house.send(announced).await.refused(413, "too-large");
}

#[tokio::test]
async fn a_broken_upload_leaves_nothing() {
    let house = House::open().await;
    let patient = house.patient("+79000000806").await;
    let broken = futures::stream::iter([
        Ok(Bytes::from_static(b"the beginning")),
        Err(std::io::Error::other("the phone lost its network")),
    ]);
    let body = Body::from_stream(broken);
    let reply = upload_to(&house, &patient, patient.conversation(), "a.txt", body).await;
    reply.refused(400, "bad-request");
    assert_eq!(stored(&house), 0);
}

#[tokio::test]
async fn only_who_reads_the_conversation_gets_its_files() {
    let house = House::open().await;
    let patient = house.patient("+79000000807").await;
    let stranger = house.patient("+79000000808").await;
    let doctor = house.operator("doctor", "doctor", None).await;
    let view = upload(&house, &patient, "a.txt", b"text").await.ok();
    let path = format!("/api/v1/files/{}", view["id"].as_str().expect("an id"));
    house.get(&path, &stranger).await.refused(404, "not-found");
    house.get(&path, &doctor).await.refused(404, "not-found");
    let into = |person| {
        let body = Body::from("text");
        upload_to(&house, person, patient.conversation(), "a.txt", body)
    };
    into(&stranger).await.refused(404, "not-found");
    into(&doctor).await.refused(404, "not-found");

    let id = house.question(&patient).await;
    house.get(&path, &doctor).await.ok_bytes();
    into(&doctor).await.refused(403, "forbidden");
    house.post(&format!("/api/v1/consultations/{id}/claim"), &doctor, json!({})).await.ok();
    into(&doctor).await.ok();
}

#[tokio::test]
async fn a_file_that_was_never_sent_is_removed_after_a_week() {
    let house = House::open().await;
    let patient = house.patient("+79000000809").await;
    upload(&house, &patient, "old.txt", b"old").await.ok();
    let client = house.database.pool.get().await.expect("a connection");
    let age = "UPDATE crm.files SET created_at = now() - interval '8 days'";
    client.execute(age, &[]).await.expect("moved");
    let fresh = upload(&house, &patient, "fresh.txt", b"fresh").await.ok();

    // A process sweeps when it starts.
    let mut context = house.context.clone();
    context.metrics = prometheus::Registry::new();
    let running = housecall_crm_api::start(context, house.config.clone()).await.expect("starts");
    let swept = async {
        let mut tick = tokio::time::interval(std::time::Duration::from_millis(20));
        while stored(&house) > 1 {
            tick.tick().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), swept).await.expect("swept");
    drop(running);
    let path = format!("/api/v1/files/{}", fresh["id"].as_str().expect("an id"));
    house.get(&path, &patient).await.ok_bytes();
    assert_eq!(house.count("SELECT count(*) FROM crm.files").await, 1);
}
