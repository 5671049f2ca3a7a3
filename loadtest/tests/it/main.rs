//! The tool against a real relay in this process: a few clients, one second.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use housecall_loadtest::report::Figures;
use housecall_loadtest::run::{self, Plan};
use housecall_loadtest::scenario::Shape;
use housecall_platform::bus::Bus;
use housecall_platform::service::{Context, Settings};
use housecall_platform::token::Verifier;
use prometheus::TextEncoder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A context whose database is never asked.
fn context() -> Context {
    let bus = Bus::local();
    let nowhere = "postgres://nobody@127.0.0.1:1/nothing".to_owned().into();
    Context {
        node: uuid::Uuid::now_v7(),
        verifier: Verifier::new(bus.clone(), "identity.jwks"),
        bus,
        pool: housecall_platform::postgres::pool(&nowhere, 1).expect("a valid address"),
        metrics: prometheus::Registry::new(),
        settings: Arc::new(Settings::default()),
        shutdown: CancellationToken::new(),
    }
}

/// The house's metrics page.
async fn show(registry: prometheus::Registry) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // What is not read before the end resets the connection.
            let mut request = [0; 1_024];
            assert!(stream.read(&mut request).await.expect("the reader asks") > 0);
            let page = TextEncoder::new().encode_to_string(&registry.gather()).expect("text");
            let page = format!("HTTP/1.0 200 OK\r\n\r\n{page}");
            stream.write_all(page.as_bytes()).await.expect("the reader waits");
        }
    });
    address
}

async fn figures_of(shape: Shape) -> Figures {
    let context = context();
    let (bus, shutdown) = (context.bus.clone(), context.shutdown.clone());
    let registry = context.metrics.clone();
    let config = housecall_sfu::Config { port_base: 0, workers: 1, ..Default::default() };
    let running = housecall_sfu::start(context, config).await.expect("the relay starts");
    let plan = Plan {
        shape,
        warm_up: Duration::ZERO,
        time: Duration::from_secs(1),
        relay_pid: std::process::id(),
        relay_metrics: show(registry).await,
    };
    let figures = run::run(bus, &plan).await.expect("everybody joins and receives");
    shutdown.cancel();
    running.tasks.close();
    running.tasks.wait().await;
    figures
}

fn assert_all_arrived(figures: &Figures, streams: usize) {
    assert_eq!(figures.received_streams, streams);
    assert!(figures.forwarded_pps > 0.0, "{figures:?}");
    assert_eq!(figures.lost_in_relay, 0, "{figures:?}");
    let seen = figures.witnesses;
    assert!(seen.packets > 0 && seen.damaged == 0 && seen.missing == 0, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_both_ways_without_loss() {
    assert_all_arrived(&figures_of(Shape::calls(2)).await, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_livestream_reaches_everybody_without_loss() {
    assert_all_arrived(&figures_of(Shape::livestream(4)).await, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_speaker_is_heard_by_everybody() {
    assert_all_arrived(&figures_of(Shape::audio(3, 2)).await, 3 * 2 + 2 * 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_meeting_fills_the_tiles_there_are() {
    assert_all_arrived(&figures_of(Shape::meeting(4, 2)).await, 4 * (2 + 2));
}
