//! One client's connection to the front door.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures::{SinkExt, StreamExt};
use nix::sys::socket::{setsockopt, sockopt};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::{Place, Speech};

/// As the web app waits for an answer.
pub const PATIENCE: Duration = Duration::from_secs(10);

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// How clients of one crowd reach the door.
#[derive(Clone)]
pub struct Dialer {
    tls: Option<TlsConnector>,
}

impl Dialer {
    /// # Errors
    /// When the certificate cannot be read.
    pub fn new(speech: &Speech) -> anyhow::Result<Self> {
        let Speech::Tls { certificate } = speech else { return Ok(Self { tls: None }) };
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(certificate)?)?;
        // Named, since another library of this program brings a second provider, and with
        // two of them rustls does not choose.
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: Some(TlsConnector::from(Arc::new(config))) })
    }

    async fn dial(&self, place: &Place) -> anyhow::Result<Box<dyn Io>> {
        let tcp = tcp(place.source, place.door).await?;
        let Some(tls) = &self.tls else { return Ok(Box::new(tcp)) };
        let name = ServerName::IpAddress(place.door.ip().into());
        Ok(Box::new(tls.connect(name, tcp).await?))
    }
}

/// A TCP connection from a source address.
///
/// # Errors
/// When it is refused.
pub async fn tcp(source: IpAddr, door: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    // The port is chosen at the connect: a free one for this pair of addresses.
    // Chosen at the bind it takes the kernel milliseconds among so many.
    setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
    socket.bind(SocketAddr::new(source, 0))?;
    let stream = socket.connect(door).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A welcomed connection.
pub struct Client {
    socket: WebSocketStream<Box<dyn Io>>,
    next_id: u32,
    /// The server's id of it.
    pub connection: String,
    pub conversation: Option<String>,
}

/// The server closed; what it said, and for how long to stay away.
#[derive(Clone, Debug, thiserror::Error)]
#[error("closed with {code} {reason}")]
pub struct Closed {
    pub code: u16,
    pub reason: String,
}

impl Closed {
    /// The delay that the server asks for, from `... retry_ms=1500`.
    pub fn retry(&self) -> Option<Duration> {
        let (_, number) = self.reason.rsplit_once("retry_ms=")?;
        Some(Duration::from_millis(number.parse().ok()?))
    }
}

impl Client {
    /// Connects and says hello.
    ///
    /// # Errors
    /// When the door is closed or the hello refused; see [`Closed`].
    pub async fn connect(
        dialer: &Dialer,
        place: &Place,
        previous: Option<&str>,
    ) -> anyhow::Result<Self> {
        let stream = tokio::time::timeout(PATIENCE, dialer.dial(place)).await??;
        let config = WebSocketConfig::default().read_buffer_size(1024).write_buffer_size(0);
        let url = format!("ws://{}/rt/v1", place.door);
        let opening = client_async_with_config(url, stream, Some(config));
        let (socket, _) = tokio::time::timeout(PATIENCE, opening).await??;
        let mut client = Self { socket, next_id: 1, connection: String::new(), conversation: None };
        let hello = json!({
            "protocol": 1, "token": place.token, "device": "load", "previous": previous,
        });
        let welcome = client.request("hello", hello).await.context("hello")?;
        client.connection = text_of(&welcome["connection"])?;
        client.conversation = welcome["conversation"].as_str().map(str::to_owned);
        Ok(client)
    }

    /// Sends a frame and waits for the answer's data; events in between are dropped.
    ///
    /// # Errors
    /// When the answer is an error, late, or the connection ends.
    pub async fn request(&mut self, kind: &str, data: Value) -> anyhow::Result<Value> {
        let id = self.send(kind, data).await?;
        tokio::time::timeout(PATIENCE, self.answer(id))
            .await
            .with_context(|| format!("no answer to {kind}"))?
    }

    async fn send(&mut self, kind: &str, data: Value) -> anyhow::Result<u32> {
        let id = self.next_id;
        self.next_id += 1;
        let text = json!({ "id": id, "type": kind, "data": data }).to_string();
        self.socket.send(Message::text(text)).await?;
        Ok(id)
    }

    async fn answer(&mut self, id: u32) -> anyhow::Result<Value> {
        loop {
            let mut frame = self.frame().await?;
            if frame["re"] == id {
                if frame["type"] == "error" {
                    bail!("refused: {}", frame["data"]["code"]);
                }
                return Ok(frame["data"].take());
            }
        }
    }

    /// The data of the next event of this type; others are dropped.
    ///
    /// # Errors
    /// When none comes in time, or the connection ends.
    pub async fn event(&mut self, kind: &str) -> anyhow::Result<Value> {
        tokio::time::timeout(PATIENCE, async {
            loop {
                let mut frame = self.frame().await?;
                if frame["type"] == kind {
                    return Ok(frame["data"].take());
                }
            }
        })
        .await
        .with_context(|| format!("no event {kind}"))?
    }

    /// The next frame. Pings are answered on the way.
    ///
    /// # Errors
    /// [`Closed`], or what the socket says.
    pub async fn frame(&mut self) -> anyhow::Result<Value> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text)?),
                Some(Ok(Message::Close(Some(frame)))) => {
                    let (code, reason) = (frame.code.into(), frame.reason.to_string());
                    return Err(Closed { code, reason }.into());
                }
                Some(Ok(Message::Close(None))) | None => bail!("closed without a word"),
                Some(Ok(_)) => {}
                Some(Err(WsError::ConnectionClosed)) => bail!("closed"),
                Some(Err(error)) => return Err(error.into()),
            }
        }
    }
}

/// A JSON text.
///
/// # Errors
/// When it is something else.
pub fn text_of(value: &Value) -> anyhow::Result<String> {
    Ok(value.as_str().context("a text was expected")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_inside_tls_can_be_made_beside_other_users_of_tls() {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let certificate = directory.path().join("certificate.pem");
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        assert!(Dialer::new(&Speech::Tls { certificate }).unwrap().tls.is_some());
    }
}
