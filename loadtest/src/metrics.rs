//! Reads a process's metrics page.

use std::net::SocketAddr;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What a process says of itself at one moment.
pub struct Page(String);

/// The page at `http://ADDRESS/metrics`.
///
/// # Errors
/// When nothing answers there.
pub async fn read(address: SocketAddr) -> anyhow::Result<Page> {
    let mut stream = TcpStream::connect(address).await.context("the metrics listener")?;
    // HTTP/1.0 (RFC 1945): the page ends with the connection.
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await?;
    let mut page = String::new();
    stream.read_to_string(&mut page).await?;
    Ok(Page(page))
}

impl Page {
    /// The value of a counter without labels.
    ///
    /// # Errors
    /// When the page has no such counter.
    pub fn counter(&self, name: &str) -> anyhow::Result<u64> {
        let value = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let value = value.and_then(|value| value.trim().parse().ok());
        value.with_context(|| format!("no {name} in the metrics"))
    }

    /// The buckets of a histogram without labels.
    pub fn histogram(&self, name: &str) -> Buckets {
        let lines = self.0.lines().filter_map(|line| {
            let line = line.strip_prefix(name)?.strip_prefix("_bucket{le=\"")?;
            let (bound, count) = line.split_once("\"} ")?;
            Some((bound.parse().ok()?, count.trim().parse().ok()?))
        });
        Buckets(lines.collect())
    }
}

/// Upper bounds, and how many values were no larger.
#[derive(Clone, Debug, PartialEq)]
pub struct Buckets(Vec<(f64, u64)>);

impl Buckets {
    /// The bound below which a share of all values' sum is, of those since `before`; each
    /// value taken for as large as its bound allows.
    pub fn weighted_quantile(&self, before: &Self, share: f64) -> f64 {
        let largest = self.0.iter().map(|(bound, _)| *bound).filter(|bound| bound.is_finite());
        let largest = largest.fold(0.0, f64::max);
        let mut below = 0;
        let mut own = Vec::with_capacity(self.0.len());
        for ((bound, now), (_, then)) in self.0.iter().zip(&before.0) {
            let grown = now - then;
            let count = grown - std::mem::replace(&mut below, grown);
            // What is beyond all bounds is at least as large as the last one.
            own.push((*bound, bound.min(largest) * count as f64));
        }
        let wanted = own.iter().map(|(_, sum)| sum).sum::<f64>() * share;
        let mut reached = 0.0;
        let found = own.iter().find(|(_, sum)| {
            reached += sum;
            reached >= wanted
        });
        found.map_or(0.0, |(bound, _)| *bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_found_by_its_whole_name() {
        let page = Page("# HELP seen_total x\nseen_total_more 3\nseen_total 17\n".to_owned());
        assert_eq!(page.counter("seen_total").expect("it is there"), 17);
        assert!(page.counter("seen").is_err());
    }

    #[test]
    fn long_values_weigh_more_than_short_ones() {
        let page = |counts: [u64; 3]| {
            let lines = ["0.1", "1", "+Inf"].into_iter().zip(counts);
            let line = |(bound, count)| format!("turn_bucket{{le=\"{bound}\"}} {count}\n");
            Page(lines.map(line).collect()).histogram("turn")
        };
        let (before, after) = (page([100, 105, 105]), page([200, 208, 208]));
        // A hundred of 0.1 and three of 1.
        assert_eq!(after.weighted_quantile(&before, 0.5), 0.1);
        assert_eq!(after.weighted_quantile(&before, 0.99), 1.0);
        assert_eq!(page([200, 208, 209]).weighted_quantile(&before, 0.99), f64::INFINITY);
    }
}
