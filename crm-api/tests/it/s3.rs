//! Files in a bucket: the same house before a real server of S3's protocol.

use axum::body::Body;
use axum::http::{Method, Request, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use secrecy::SecretString;
use tokio::net::TcpListener;

use crate::house::House;

const BUCKET: &str = "files";
const KEY: &str = "housecall";
const SECRET: &str = "a secret of the test";

/// A server of S3 over a directory; ends with the test's runtime. Its address.
async fn serve(directory: &std::path::Path) -> String {
    std::fs::create_dir(directory.join(BUCKET)).expect("a bucket");
    let store = s3s_fs::FileSystem::new(directory).expect("a store");
    let mut service = S3ServiceBuilder::new(store);
    service.set_auth(SimpleAuth::from_single(KEY, SECRET));
    let service = service.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let server = Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn files_live_in_a_bucket() {
    let directory = tempfile::tempdir().expect("a directory");
    let endpoint = serve(directory.path()).await;
    let house = House::open_as(|config, settings| {
        settings.max_file_bytes = 16 * 1024 * 1024;
        config.s3.bucket = BUCKET.to_owned();
        config.s3.endpoint = endpoint;
        config.s3.region = "eu-central-1".to_owned();
        config.s3.access_key_id = KEY.to_owned();
        config.s3.secret_access_key = Some(SecretString::from(SECRET));
    })
    .await;
    let patient = house.patient("+79000000921").await;
    // Larger than one part of a multipart upload.
    let text = "Жалоб нет.\n".repeat(500_000);
    let path = format!("/api/v1/conversations/{}/files?name=a.txt", patient.conversation());
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::AUTHORIZATION, format!("Bearer {}", patient.token))
        .body(Body::from(text.clone()))
        .expect("a request");
    let view = house.send(request).await.ok();
    let path = format!("/api/v1/files/{}", view["id"].as_str().expect("an id"));
    assert_eq!(house.get(&path, &patient).await.ok_bytes(), text.as_bytes());
    let mut part = crate::house::request(Method::GET, &path, Some(&patient.token), None);
    part.headers_mut().insert(header::RANGE, "bytes=18-35".parse().expect("a range"));
    assert_eq!(house.send(part).await.ok_bytes(), &text.as_bytes()[18..36]);
    assert!(!house.config.files_dir.exists(), "nothing is kept beside the bucket");
}
