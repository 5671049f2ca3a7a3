//! The orderly stop: calls end, then connections, then everything else.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::close::CloseReason;
use super::{Gateway, jitter};

/// However few there are, they do not all return at the same moment.
const SHORTEST_SPREAD: Duration = Duration::from_secs(1);
/// However many there are, nobody is asked to stay away for longer.
const LONGEST_SPREAD: Duration = Duration::from_secs(30);
/// The first of them may return after this: the load balancer has to notice too.
const SOONEST: Duration = Duration::from_millis(50);

/// Waits for the stop of the process and carries it out.
pub(crate) async fn run(gateway: Arc<Gateway>, stop: CancellationToken) {
    gateway.context.shutdown.cancelled().await;
    let patience = gateway.config.drain();
    gateway.calls.drain(patience).await;
    // First for those who are just being welcomed, then those who are here.
    gateway.draining.cancel();
    let all = gateway.registry.all();
    // Set once, here.
    let _ = gateway.leaving.set(all.len());
    for handle in all {
        handle.close(CloseReason::Draining);
    }
    gateway.connections.close();
    if tokio::time::timeout(patience * 2, gateway.connections.wait()).await.is_err() {
        tracing::warn!("connections did not close in time");
    }
    stop.cancel();
}

impl Gateway {
    /// When a client that is closed by the drain should return.
    pub(crate) fn return_after_drain(&self) -> Duration {
        let connections = self.leaving.get().copied().unwrap_or_default();
        return_after(connections, self.config.returns_per_second)
    }
}

/// When a client of a gateway that stops should return: spread so widely that the
/// others meet them at a pace they can take.
fn return_after(connections: usize, per_second: u32) -> Duration {
    let seconds = connections as f64 / f64::from(per_second.max(1));
    let spread = Duration::from_secs_f64(seconds.min(LONGEST_SPREAD.as_secs_f64()));
    let spread = spread.max(SHORTEST_SPREAD);
    jitter::between(SOONEST, spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_clients_do_not_return_in_one_second() {
        let times: Vec<_> = (0..1000).map(|_| return_after(1000, 100)).collect();
        let in_first = times.iter().filter(|time| **time < Duration::from_secs(1)).count();
        assert!(in_first < 300, "{in_first} of 1000 in the first of ten seconds");
        assert!(times.iter().all(|time| (SOONEST..Duration::from_secs(11)).contains(time)));
        assert!(return_after(usize::MAX, 1) <= LONGEST_SPREAD);
    }
}
