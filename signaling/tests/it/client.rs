//! A client that speaks the realtime protocol as JSON, as a browser would.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Longer than anything on one machine takes.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next_id: u32,
    /// Frames that came while something else was awaited.
    waiting: VecDeque<Value>,
    pub(crate) welcome: Value,
    /// What the close frame said.
    reason: String,
}

impl Client {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self::open_from(address, None).await.unwrap()
    }

    /// As a reverse proxy passes it on; the status when there is no WebSocket for it.
    pub(crate) async fn open_from(
        address: SocketAddr,
        forwarded_for: Option<&str>,
    ) -> Result<Self, u16> {
        let mut request = format!("ws://{address}/rt/v1").into_client_request().unwrap();
        if let Some(client) = forwarded_for {
            request.headers_mut().insert("x-forwarded-for", client.parse().unwrap());
        }
        match tokio_tungstenite::connect_async(request).await {
            Ok((socket, _)) => Ok(Self {
                socket,
                next_id: 1,
                waiting: VecDeque::new(),
                welcome: Value::Null,
                reason: String::new(),
            }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("no answer to the upgrade: {error}"),
        }
    }

    pub(crate) fn connection(&self) -> &str {
        self.welcome["data"]["connection"].as_str().unwrap()
    }

    pub(crate) async fn send_raw(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.send_raw(Message::text(text)).await;
    }

    /// Sends a frame and returns its id.
    pub(crate) async fn send(&mut self, kind: &str, data: Value) -> u32 {
        let id = self.next_id;
        self.next_id += 1;
        self.send_text(&json!({"id": id, "type": kind, "data": data}).to_string()).await;
        id
    }

    /// Sends a frame and waits for its answer.
    pub(crate) async fn request(&mut self, kind: &str, data: Value) -> Value {
        let id = self.send(kind, data).await;
        self.answer(id).await
    }

    pub(crate) async fn answer(&mut self, id: u32) -> Value {
        self.find(|frame| frame["re"] == id).await
    }

    /// The next event of this type.
    pub(crate) async fn event(&mut self, kind: &str) -> Value {
        self.find(|frame| frame["type"] == kind && frame.get("re").is_none()).await["data"].take()
    }

    /// The next `call.updated` that shows this state.
    pub(crate) async fn call_state(&mut self, state: &str) -> Value {
        self.call_when(|call| call["state"] == state).await
    }

    /// The next `call.updated` of such a call.
    pub(crate) async fn call_when(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let wanted =
            |frame: &Value| frame["type"] == "call.updated" && wanted(&frame["data"]["call"]);
        self.find(wanted).await["data"]["call"].take()
    }

    pub(crate) async fn find(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.waiting.iter().position(&wanted) {
            return self.waiting.remove(at).unwrap();
        }
        loop {
            let frame = self.frame().await.unwrap_or_else(|code| panic!("closed with {code:?}"));
            if wanted(&frame) {
                return frame;
            }
            self.waiting.push_back(frame);
        }
    }

    /// The next frame, or the close code.
    pub(crate) async fn frame(&mut self) -> Result<Value, Option<u16>> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.socket.next())
                .await
                .unwrap_or_else(|_| panic!("nothing came; waiting: {:?}", self.waiting));
            match message {
                Some(Ok(Message::Text(text))) => {
                    return Ok(serde_json::from_str(text.as_str()).unwrap());
                }
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map(|frame| {
                        self.reason = frame.reason.as_str().to_owned();
                        u16::from(frame.code)
                    }));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// Reads until the close and returns its code.
    pub(crate) async fn close_code(&mut self) -> Option<u16> {
        loop {
            if let Err(code) = self.frame().await {
                return code;
            }
        }
    }

    /// What the close frame said beside its code.
    pub(crate) fn close_reason(&self) -> &str {
        &self.reason
    }

    /// How long the close frame asked to stay away, if it did.
    pub(crate) fn asked_to_return_after_ms(&self) -> Option<u64> {
        self.reason.split_once(" retry_ms=")?.1.parse().ok()
    }

    /// Frames that came without being awaited.
    pub(crate) fn unexpected(&self) -> &VecDeque<Value> {
        &self.waiting
    }

    pub(crate) async fn leave(mut self) {
        let _ = self.socket.close(None).await;
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}
