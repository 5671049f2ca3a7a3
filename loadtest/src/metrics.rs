//! Reads a counter off a process's metrics page.

use std::net::SocketAddr;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The value of a counter without labels at `http://ADDRESS/metrics`.
///
/// # Errors
/// When nothing answers there, or the page has no such counter.
pub async fn read(address: SocketAddr, name: &str) -> anyhow::Result<u64> {
    let mut stream = TcpStream::connect(address).await.context("the metrics listener")?;
    // HTTP/1.0 (RFC 1945): the page ends with the connection.
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await?;
    let mut page = String::new();
    stream.read_to_string(&mut page).await?;
    value(&page, name).with_context(|| format!("no {name} in the metrics"))
}

fn value(page: &str, name: &str) -> Option<u64> {
    let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_found_by_its_whole_name() {
        let page = "# HELP seen_total x\nseen_total_more 3\nseen_total 17\n";
        assert_eq!(value(page, "seen_total"), Some(17));
        assert_eq!(value(page, "seen"), None);
    }
}
