//! The accept loop of an HTTP listener, with bounds on slow clients.
//!
//! A connection that is silent, or sends its request head or body in drops, is
//! closed after a while; so many connections are open at once and no more. A
//! WebSocket leaves these bounds when it is upgraded: the gateway has its own.
//!
//! - [`pace`]: how fast connections are taken;
//! - [`tls`][]: certificates.

mod pace;
pub(crate) mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tower_http::timeout::RequestBodyTimeoutLayer;

use pace::Pace;

/// Pause after a failed accept. The usual cause is the limit of open files, and
/// trying at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a listener admits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Time a client has for a request's head, and for the next request on an open
    /// connection.
    pub(crate) head: Duration,
    /// Longest pause between two pieces of a request's body.
    pub(crate) body: Duration,
    /// Connections at once; further ones wait in the system's queue.
    pub(crate) connections: usize,
    /// Connections taken per second; further ones wait there too.
    pub(crate) accepts_per_second: u32,
}

/// Serves `router` until `shutdown`, then lets requests under way finish.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    bounds: Bounds,
    shutdown: CancellationToken,
) {
    let permits = Arc::new(Semaphore::new(bounds.connections));
    let graceful = GracefulShutdown::new();
    let mut pace = Pace::new(bounds.accepts_per_second);
    loop {
        let accepted = async {
            let permit = Arc::clone(&permits).acquire_owned().await;
            pace.turn().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (router, watcher) = (router.clone(), graceful.watcher());
                let (shutdown, tls) = (shutdown.clone(), tls.clone());
                tokio::spawn(async move {
                    // A client that said nothing yet must not hold up the drain.
                    let spoke = tokio::select! {
                        biased;
                        () = shutdown.cancelled() => false,
                        spoke = speaks(&stream, bounds.head) => spoke,
                    };
                    if spoke {
                        let client = Client { peer, router, bounds, watcher };
                        client.serve(stream, tls).await;
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // New connections are refused from here on; those open finish their request.
    drop(listener);
    graceful.shutdown().await;
}

/// Whether the first byte comes in time: the server of a connection starts its own
/// clock only with it. A peek, since readiness may be reported without any byte.
async fn speaks(stream: &TcpStream, patience: Duration) -> bool {
    matches!(tokio::time::timeout(patience, stream.peek(&mut [0])).await, Ok(Ok(1)))
}

/// One connection's client, and what serves it.
struct Client {
    peer: SocketAddr,
    router: Router,
    bounds: Bounds,
    watcher: Watcher,
}

impl Client {
    async fn serve(self, stream: TcpStream, tls: Option<TlsAcceptor>) {
        // Small frames of a conversation must not wait for more. A socket that refuses
        // the option still works.
        let _ = stream.set_nodelay(true);
        let Some(tls) = tls else { return self.http(stream).await };
        // As long as for a request's head: until then nobody is known to be there.
        match tokio::time::timeout(self.bounds.head, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.http(stream).await,
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake"),
            Err(_) => tracing::debug!("TLS handshake not finished in time"),
        }
    }

    async fn http(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let Self { peer, router, bounds, watcher } = self;
        let service = tower::ServiceBuilder::new()
            .layer(RequestBodyTimeoutLayer::new(bounds.body))
            .service(router)
            .map_request(move |mut request: Request<hyper::body::Incoming>| {
                request.extensions_mut().insert(ConnectInfo(peer));
                request.map(Body::new)
            });
        // HTTP/1 only: telling the versions apart would read the first bytes without a
        // time-out, and a proxy in front speaks HTTP/1 to us.
        let mut builder = Builder::new(TokioExecutor::new()).http1_only();
        builder.http1().timer(TokioTimer::new()).header_read_timeout(bounds.head);
        let served = builder
            .serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service))
            .into_owned();
        if let Err(error) = watcher.watch(served).await {
            tracing::debug!(%error, "connection ended");
        }
    }
}
