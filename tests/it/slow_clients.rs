//! A client that is silent, or sends in drops, does not hold its connection.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::house::House;

/// Far above the configured second; a connection still open then is held for ever.
const LIMIT: Duration = Duration::from_secs(60);

/// Sends `start` and reads until the server closes.
async fn closed_after(address: &str, start: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(start.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A reset is a close too.
    let _ = tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer))
        .await
        .unwrap_or_else(|_| panic!("still open after {start:?}"));
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_are_closed() {
    let one_second = "1".to_owned();
    let (house, _log) = House::start_watched(&[
        ("HOUSECALL_SERVER__HEAD_TIMEOUT_SECONDS", one_second.clone()),
        ("HOUSECALL_SERVER__BODY_TIMEOUT_SECONDS", one_second),
    ])
    .await;
    let address = house.public.trim_start_matches("http://").to_owned();
    let body = "POST /api/v1/auth/operator/login HTTP/1.1\r\nhost: x\r\n\
                content-type: application/json\r\ncontent-length: 100\r\n\r\n{\"email\"";
    let (silent, head, half, idle) = tokio::join!(
        closed_after(&address, ""),
        closed_after(&address, "GET / HTTP/1.1\r\nhost: "),
        closed_after(&address, body),
        closed_after(&address, "GET /api/v1/brand HTTP/1.1\r\nhost: x\r\n\r\n"),
    );
    assert_eq!((silent.as_str(), head.as_str()), ("", ""));
    assert!(half.starts_with("HTTP/1.1 4"), "{half}");
    assert!(idle.starts_with("HTTP/1.1 200"), "answered, then closed: {idle}");
    assert!(house.stop().await.success());
}
