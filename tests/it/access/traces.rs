//! What the program leaves behind: headers, metrics, its log, and the audit log.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use super::world::{Reply, World, answer};

pub(super) async fn attack(world: Arc<World>) {
    both_apps_are_closed_to_other_sites(&world).await;
    the_api_is_closed_to_other_sites(&world).await;
    the_private_pages_are_not_public(&world).await;
    operators_reads_are_in_the_audit_log(&world).await;
    other_accounts_of_the_machine_read_nothing(&world);
}

/// The private database trusts whoever reaches its socket.
fn other_accounts_of_the_machine_read_nothing(world: &World) {
    for place in ["postgres/data", "postgres/run", "files"] {
        let path = world.house.data_dir.path().join("var").join(place);
        let mode = std::fs::metadata(&path).expect("a place of the data").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{place} is open to others: {mode:o}");
    }
}

async fn page(world: &World, path: &str) -> Reply {
    let request = world.house.http.get(format!("{}{path}", world.house.public));
    answer(request.header("origin", "https://evil.example")).await
}

fn common_headers(reply: &Reply, path: &str) {
    assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
    assert_eq!(reply.header("x-frame-options"), "DENY", "{path}");
    assert!(["same-origin", "no-referrer"].contains(&reply.header("referrer-policy")), "{path}");
    assert!(reply.header("permissions-policy").contains("camera=(self)"), "{path}");
    assert!(reply.headers.get("access-control-allow-origin").is_none(), "{path}");
    assert!(reply.headers.get("server").is_none(), "{path} says what it is");
}

async fn both_apps_are_closed_to_other_sites(world: &World) {
    for path in ["/", "/portal/", "/portal/queue", "/chat", "/chat/", "/portal/%2e%2e/x"] {
        let reply = page(world, path).await;
        common_headers(&reply, path);
        // A build without the web apps answers with a hint and no page.
        if reply.status == 503 {
            continue;
        }
        let policy = reply.header("content-security-policy");
        for part in
            ["default-src 'self'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"]
        {
            assert!(policy.contains(part), "{path}: {part} is missing in {policy}");
        }
        for hole in ["'unsafe-eval'", "script-src", "*", " http:", " https:", " wss:;", " ws:;"] {
            assert!(!policy.contains(hole), "{path}: {hole} is open in {policy}");
        }
        assert!(!policy.contains(" ws: "), "{path}: any WebSocket is open in {policy}");
    }
    for path in [
        "/..%2f..%2fCargo.toml",
        "/%2e%2e/%2e%2e/Cargo.toml",
        "/portal/..%2f..%2fCargo.toml",
        "/.env",
        "/.git/config",
        "/assets/..%5c..%5cCargo.toml",
        "//etc/passwd.txt",
    ] {
        let reply = page(world, path).await;
        assert!(!reply.text.contains("[package]") && !reply.text.contains("root:"), "{path}");
    }
}

async fn the_api_is_closed_to_other_sites(world: &World) {
    for path in [
        "/api/v1/brand",
        "/api/v1/me",
        "/api/v1/nothing",
        "/api/v1/files/x",
        "/.well-known/jwks.json",
        "/api/v1/docs/",
        "/api/v1/openapi.json",
        "/rt/v1",
        "/api/v2",
    ] {
        let reply = page(world, path).await;
        common_headers(&reply, path);
        assert_ne!(reply.status, 500, "{path}");
    }
    let reply = page(world, "/api/v1/me").await;
    assert_eq!(reply.header("cache-control"), "no-store");
    assert!(reply.header("content-security-policy").contains("default-src 'none'"));
    let url = format!("{}/api/v1/me", world.house.public);
    let request = world.house.http.request(reqwest::Method::OPTIONS, url);
    let reply = answer(
        request
            .header("origin", "https://evil.example")
            .header("access-control-request-method", "PATCH"),
    )
    .await;
    assert!(reply.headers.get("access-control-allow-origin").is_none(), "{}", reply.text);
    assert!(reply.status >= 400);
    let jwks = page(world, "/.well-known/jwks.json").await;
    assert!(!jwks.text.contains(r#""d""#), "the private key: {}", jwks.text);
}

async fn the_private_pages_are_not_public(world: &World) {
    for path in ["/metrics", "/healthz", "/readyz"] {
        let reply = page(world, path).await;
        assert!(!reply.text.contains("# HELP") && reply.text != "ok\n", "{path}: {}", reply.text);
    }
    let metrics = reqwest::get(format!("{}/metrics", world.house.private)).await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(metrics.contains("# HELP"), "{metrics}");
    for secret in world.secrets() {
        assert!(!metrics.contains(&secret), "{secret} is in the metrics");
    }
}

async fn operators_reads_are_in_the_audit_log(world: &World) {
    let case = world.taken_case().await;
    let file = world.upload(&case.patient, &case.conversation, "a.txt", b"x".to_vec()).await.id();
    let reader = &world.supervisor;
    for path in [
        format!("/api/v1/patients/{}", case.patient.id),
        format!("/api/v1/consultations/{}", case.consultation),
        format!("/api/v1/files/{file}"),
    ] {
        assert_eq!(world.get(&path, reader).await.status, 200, "{path}");
    }
    let mut client = crate::client::Client::connect(&world.house, &reader.token).await;
    client.history(&case.conversation).await;
    let query = "SELECT array_agg(DISTINCT action ORDER BY action) FROM crm.audit_log
         WHERE patient_id = $1 AND actor_id = $2";
    let ids: [uuid::Uuid; 2] = [case.patient.id.parse().unwrap(), reader.id.parse().unwrap()];
    let row = world.database.query_one(query, &[&ids[0], &ids[1]]).await.unwrap();
    let actions: Vec<String> = row.get(0);
    for action in ["consultation.read", "conversation.read", "file.read", "patient.read"] {
        assert!(actions.iter().any(|one| one == action), "{action} is missing in {actions:?}");
    }
    // Searches and lists, too: whose they were is in the row, what was typed is not.
    let words = world.words("поиск");
    let path = format!("/api/v1/patients?q={}", words.replace(' ', "%20"));
    assert_eq!(world.get(&path, reader).await.status, 200);
    let lists = "SELECT count(*) FROM crm.audit_log WHERE actor_id = $1
         AND action = 'patient.list' AND object_id = 'search'";
    assert!(world.count(lists, &reader.id).await > 0);
    for change in [
        "UPDATE crm.audit_log SET action = 'x'",
        "DELETE FROM crm.audit_log",
        "TRUNCATE crm.audit_log",
    ] {
        assert!(world.database.execute(change, &[]).await.is_err(), "{change}");
    }
    // Who may not read leaves no row that says they did.
    let stranger = &world.other_doctor;
    world.get(&format!("/api/v1/patients/{}", case.patient.id), stranger).await;
    let row = world
        .database
        .query_one(
            "SELECT count(*) FROM crm.audit_log WHERE patient_id = $1 AND actor_id = $2",
            &[&ids[0], &stranger.id.parse::<uuid::Uuid>().unwrap()],
        )
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), 0);
}

/// Everything the attacks said and were told, against what the process wrote.
pub(super) async fn nothing_of_the_patients_is_in_the_log(world: World) {
    let secrets = world.secrets();
    let World { house, log, database, .. } = world;
    // Its connection would keep the database from stopping.
    drop(database);
    assert!(house.stop().await.success());
    let log = log.await.unwrap();
    assert!(log.contains("DEBUG"), "the log was as talkative as it can be");
    assert!(secrets.len() > 50, "there was something to look for");
    for secret in &secrets {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    for name in ["Анна Смирнова", "Кузнецов", "petrov@demo", "Bearer ", "eyJ", "a=ice-pwd"]
    {
        let found = log.lines().find(|line| line.contains(name));
        assert_eq!(found, None, "{name} is in the log");
    }
    for sign in ["panicked at", "ERROR"] {
        let found = log.lines().find(|line| line.contains(sign));
        assert_eq!(found, None, "the attacks broke something");
    }
}
