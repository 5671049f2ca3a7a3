//! Files: what is let in, under which name it comes out, and to whom.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use super::world::{Case, MAX_FILE_BYTES, Person, Reply, World, answer};

/// A GIF to whoever looks at its first bytes, a script to whoever runs it.
const GIF_AND_SCRIPT: &[u8] =
    b"GIF89a=1;alert(document.domain)//\x01\x00\x01\x00;<script>alert(1)</script>";

pub(super) async fn attack(world: Arc<World>) {
    let case = world.taken_case().await;
    pages_and_scripts_are_not_let_in(&world, &case).await;
    what_is_let_in_cannot_act(&world, &case).await;
    names_are_only_names(&world, &case).await;
    lengths_are_bounded(&world, &case).await;
    a_broken_upload_leaves_nothing(&world, &case).await;
    ranges_are_harmless(&world, &case).await;
    only_who_may_read_gets_it(&world, &case).await;
}

async fn put(world: &World, case: &Case, name: &str, bytes: &[u8]) -> Reply {
    world.upload(&case.patient, &case.conversation, name, bytes.to_vec()).await
}

async fn get(world: &World, person: &Person, id: &str) -> Reply {
    world.get(&format!("/api/v1/files/{id}"), person).await
}

async fn pages_and_scripts_are_not_let_in(world: &World, case: &Case) {
    let utf16: Vec<u8> =
        "\u{feff}<script>alert(1)</script>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let hostile: [(&str, &[u8]); 13] = [
        ("a.gif", GIF_AND_SCRIPT),
        ("a.png", b"<!DOCTYPE html><script>alert(1)</script>"),
        ("a.jpg", b"\n\t <html><body onload=alert(1)>"),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        ("a.png", b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("a.txt", b"\xef\xbb\xbf<script>alert(1)</script>"),
        ("a.txt", &utf16),
        ("a.pdf", b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff"),
        ("a.txt", b"\x7fELF\x02\x01\x01\x00"),
        ("a.txt", b"#!/bin/sh\nrm -rf /\n"),
        ("a.zip", b"PK\x03\x04\x14\x00\x00\x00\x08\x00evil.exe"),
        ("a.bin", &[0, 1, 2, 3, 255]),
        ("a.png", b""),
    ];
    for (name, bytes) in hostile {
        let reply = put(world, case, name, bytes).await;
        assert!([415, 422].contains(&reply.status), "{name} {bytes:?}: {}", reply.text);
    }
}

async fn what_is_let_in_cannot_act(world: &World, case: &Case) {
    for (name, bytes) in [
        ("a.pdf", b"%PDF-1.4\n<script>alert(1)</script>".as_slice()),
        ("a.html", b"alert(1) // <script>alert(1)</script>"),
    ] {
        let id = put(world, case, name, bytes).await.id();
        let reply = get(world, &world.doctor, &id).await;
        assert_eq!(reply.status, 200);
        let media_type = reply.header("content-type");
        assert!(!media_type.contains("html") && !media_type.contains("script"), "{media_type}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert!(reply.header("content-security-policy").contains("sandbox"), "{name}");
        // On a shared computer nothing stays for the next person to sign in.
        let cache = reply.header("cache-control");
        assert!(cache.contains("private") && !cache.contains("immutable"), "{name}: {cache}");
    }
}

/// The shown name says what the content is: a text that a doctor opens is not run.
async fn names_are_only_names(world: &World, case: &Case) {
    let names = [
        ("\r\nSet-Cookie: a=b\r\n\r\n<script>.txt", "Set-Cookie_ a=b_script_.txt"),
        ("\"; filename=\"evil.exe", "_; filename=_evil.exe.txt"),
        ("../../../../etc/passwd", "passwd.txt"),
        ("C:\\Windows\\win.ini", "win.ini.txt"),
        ("анализ.txt\u{202e}fdp.exe", "анализ.txtfdp.exe.txt"),
        ("анализ.pdf.vbs", "анализ.pdf.vbs.txt"),
        ("run.BAT", "run.BAT.txt"),
        ("a.txt.", "a.txt"),
        ("\0", "file.txt"),
        ("", "file.txt"),
        ("a%00.txt", "a%00.txt"),
    ];
    for (given, shown) in names {
        let reply = put(world, case, given, b"echo").await;
        assert_eq!(reply.json()["name"], shown, "{given:?}: {}", reply.text);
        let reply = get(world, &world.doctor, &reply.id()).await;
        let disposition = reply.header("content-disposition");
        assert!(disposition.starts_with("attachment; filename*=UTF-8''"), "{disposition}");
        assert!(!disposition.contains(['"', '\\']), "{disposition}");
        assert_eq!(disposition.matches(';').count(), 1, "{disposition}");
        assert!(reply.headers.get("set-cookie").is_none(), "{given:?} made a header");
    }
    let huge = put(world, case, &format!("{}.txt", "я".repeat(5_000)), b"x").await;
    let name = huge.json()["name"].as_str().unwrap_or_default().to_owned();
    assert!(huge.status == 414 || huge.status == 431 || name.chars().count() <= 130, "{name}");
}

async fn lengths_are_bounded(world: &World, case: &Case) {
    let announced = format!("Content-Length: {}\r\n", MAX_FILE_BYTES + 1);
    let said = raw_upload(world, case, &announced, "a").await;
    assert!(said.contains(" 413 "), "refused by its length alone: {said}");
    // In chunks no length is announced.
    let chunk = format!("4000\r\n{}\r\n", "a".repeat(0x4000));
    let said = raw_upload(world, case, "Transfer-Encoding: chunked\r\n", &chunk.repeat(40)).await;
    // The server closes before it has read all: then its answer may be lost.
    assert!(said.is_empty() || said.contains(" 413 "), "{said}");
    let reply = put(world, case, "a.txt", &vec![b'a'; MAX_FILE_BYTES]).await;
    assert_eq!(reply.status, 201, "as long as allowed: {}", reply.text);
}

async fn a_broken_upload_leaves_nothing(world: &World, case: &Case) {
    let count = "SELECT count(*) FROM crm.files WHERE conversation_id = $1";
    let before = world.count(count, &case.conversation).await;
    for (announced, extra) in [
        ("Content-Length: 1000\r\n", ""),
        ("Content-Length: -1\r\n", ""),
        ("Content-Length: 3\r\nContent-Length: 900\r\n", ""),
        ("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\n"),
        ("Transfer-Encoding: chunked\r\n", "400\r\n"),
    ] {
        let said = raw_upload(world, case, announced, &format!("{extra}only this")).await;
        assert!(!said.contains(" 201 "), "{announced}: {said}");
    }
    assert_eq!(world.count(count, &case.conversation).await, before);
}

/// Sends what no client library would send; returns what came back, if anything.
async fn raw_upload(world: &World, case: &Case, headers: &str, body: &str) -> String {
    let request = format!(
        "POST /api/v1/conversations/{}/files?name=a.txt HTTP/1.1\r\nHost: localhost\r\n\
         Authorization: Bearer {}\r\n{headers}\r\n{body}",
        case.conversation, case.patient.token
    );
    let mut stream = TcpStream::connect(&world.house.public[7..]).await.unwrap();
    // A server that has heard enough resets the connection: that is an answer, too.
    let _ = stream.write_all(request.as_bytes()).await;
    let _ = stream.shutdown().await;
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said).await;
    String::from_utf8_lossy(&said).into_owned()
}

async fn ranges_are_harmless(world: &World, case: &Case) {
    let id = put(world, case, "a.txt", b"0123456789").await.id();
    let url = format!("{}/api/v1/files/{id}", world.house.public);
    for (range, status, body) in [
        ("bytes=2-4", 206, "234"),
        ("bytes=-3", 206, "789"),
        ("bytes=8-18446744073709551614", 206, "89"),
        ("bytes=-18446744073709551615", 206, "0123456789"),
        ("bytes=8-18446744073709551615", 200, "0123456789"),
        ("bytes=99999999999999999999999-", 200, "0123456789"),
        ("bytes=10-", 200, "0123456789"),
        ("bytes=5-2", 200, "0123456789"),
        ("bytes=-0", 200, "0123456789"),
        ("bytes=--1", 200, "0123456789"),
        ("bytes=0-0,1-1,2-2", 200, "0123456789"),
        ("bytes=", 200, "0123456789"),
        ("lines=1-2", 200, "0123456789"),
    ] {
        let request = world.house.http.get(&url).bearer_auth(&case.patient.token);
        let reply = answer(request.header("range", range)).await;
        assert_eq!((reply.status, reply.text.as_str()), (status, body), "{range}");
    }
    let many = (0..2000).map(|at| format!("{at}-")).collect::<Vec<_>>().join(",");
    let request = world.house.http.get(&url).bearer_auth(&case.patient.token);
    let reply = answer(request.header("range", format!("bytes={many}"))).await;
    assert!(reply.text.len() <= 10 || reply.status == 431, "{}", reply.text);
}

async fn only_who_may_read_gets_it(world: &World, case: &Case) {
    let id = put(world, case, "a.txt", b"secret").await.id();
    let stranger = world.patient().await;
    for person in [&stranger, &world.other_doctor, &world.admin] {
        for path in [id.clone(), format!("{id}?download=1"), Uuid::now_v7().to_string()] {
            assert_eq!(get(world, person, &path).await.status, 404, "{path}");
        }
    }
    for path in ["..", "%2e%2e%2flock", "../lock", "0", "{id}"] {
        assert_eq!(get(world, &case.patient, path).await.status, 404, "{path}");
    }
    // What the browser kept of another's is not confirmed either.
    let etag = get(world, &case.patient, &id).await.header("etag").to_owned();
    let url = format!("{}/api/v1/files/{id}", world.house.public);
    for (person, status) in [(&case.patient, 304), (&stranger, 404), (&world.admin, 404)] {
        let request = world.house.http.get(&url).bearer_auth(&person.token);
        let reply = answer(request.header("if-none-match", &etag)).await;
        assert_eq!(
            (reply.status, reply.header("cache-control")),
            match status {
                304 => (304, "private, no-cache"),
                refused => (refused, "no-store"),
            }
        );
    }
    // In an address a token would be in logs and histories: there it is none.
    let path = format!("/api/v1/files/{id}?access_token={0}&token={0}", case.patient.token);
    assert_eq!(world.call("get", &path, None, None).await.status, 401);
}
