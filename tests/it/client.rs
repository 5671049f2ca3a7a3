//! A realtime client that knows only the documented JSON.

use std::collections::VecDeque;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use uuid::Uuid;

use crate::house::House;

const ANSWER_LIMIT: Duration = Duration::from_secs(30);

pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next_id: u32,
    events: VecDeque<Value>,
    pub(crate) welcome: Value,
    closed: Option<(u16, String)>,
}

/// The connection ended.
#[derive(Debug)]
pub(crate) struct Gone;

impl Client {
    pub(crate) async fn connect(house: &House, token: &str) -> Self {
        Self::enter(&house.public, token, None).await.expect("a welcome")
    }

    /// Says hello at a gateway, which may be away or unable to welcome anybody now.
    pub(crate) async fn enter(
        gateway: &str,
        token: &str,
        previous: Option<&str>,
    ) -> Result<Self, Gone> {
        let url = gateway.replacen("http", "ws", 1) + "/rt/v1";
        let (socket, _) = connect_async(url).await.map_err(|_| Gone)?;
        let mut client = Self {
            socket,
            next_id: 0,
            events: VecDeque::new(),
            welcome: Value::Null,
            closed: None,
        };
        let hello = json!({
            "protocol": 1, "token": token, "device": Uuid::new_v4().to_string(), "previous": previous,
        });
        client.welcome = client.request("hello", hello).await?;
        let refused = client.welcome["data"]["code"] == "unavailable";
        if refused {
            return Err(Gone);
        }
        assert_eq!(client.welcome["type"], "welcome", "{}", client.welcome);
        Ok(client)
    }

    /// What the server calls this connection.
    pub(crate) fn connection(&self) -> String {
        self.welcome["data"]["connection"].as_str().unwrap().to_owned()
    }

    /// Events that came while answers were awaited.
    pub(crate) fn take_events(&mut self) -> VecDeque<Value> {
        std::mem::take(&mut self.events)
    }

    /// The next event of this type for which `wanted` holds.
    pub(crate) async fn event_where(
        &mut self,
        kind: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        loop {
            let event = self.event(kind).await;
            if wanted(&event["data"]) {
                return event["data"].clone();
            }
        }
    }

    /// Sends one frame and returns its id.
    pub(crate) async fn send(&mut self, kind: &str, data: Value) -> Result<u32, Gone> {
        self.next_id += 1;
        let frame = json!({ "id": self.next_id, "type": kind, "data": data });
        self.socket.send(Message::text(frame.to_string())).await.map_err(|_| Gone)?;
        Ok(self.next_id)
    }

    /// The next frame, answer or event.
    pub(crate) async fn next(&mut self) -> Result<Value, Gone> {
        loop {
            let message = tokio::time::timeout(ANSWER_LIMIT, self.socket.next())
                .await
                .expect("a frame within the limit");
            match message {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => {
                    self.closed = frame.map(|frame| (frame.code.into(), frame.reason.to_string()));
                    return Err(Gone);
                }
                Some(Err(_)) | None => return Err(Gone),
                Some(Ok(_)) => {}
            }
        }
    }

    /// How the server closed the connection, if it said so.
    pub(crate) fn closed(&self) -> Option<(u16, &str)> {
        self.closed.as_ref().map(|(code, reason)| (*code, reason.as_str()))
    }

    /// Sends a frame and waits for its answer; events are kept for [`Self::event`].
    pub(crate) async fn request(&mut self, kind: &str, data: Value) -> Result<Value, Gone> {
        let id = self.send(kind, data).await?;
        loop {
            let frame = self.next().await?;
            if frame["re"] == id {
                return Ok(frame);
            }
            self.events.push_back(frame);
        }
    }

    /// The next event of this type.
    pub(crate) async fn event(&mut self, kind: &str) -> Value {
        loop {
            let frame = match self.events.pop_front() {
                Some(frame) => frame,
                None => self.next().await.expect("the connection stays"),
            };
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// Events that came so far and were not asked for, among them everything the
    /// server had sent before it answered this.
    pub(crate) async fn heard(&mut self) -> Vec<Value> {
        let pong = self.request("ping", json!({})).await.unwrap();
        assert_eq!(pong["type"], "pong", "{pong}");
        self.events.drain(..).collect()
    }

    /// All messages of a conversation, by pages.
    pub(crate) async fn history(&mut self, conversation: &str) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let after = all.last().map_or(0, |message| message["seq"].as_i64().unwrap());
            let ask = json!({ "conversation": conversation, "after_seq": after, "limit": 200 });
            let page = self.request("chat.fetch", ask).await.unwrap();
            assert_eq!(page["type"], "chat.page", "{page}");
            all.extend(page["data"]["messages"].as_array().unwrap().iter().cloned());
            if page["data"]["has_more"] == false {
                return all;
            }
        }
    }
}

/// A WebSocket without manners: it says what it is told to.
pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// `Err` with the status when the upgrade is refused.
    pub(crate) async fn open(house: &House, origin: Option<&str>) -> Result<Self, u16> {
        let url = house.public.replacen("http", "ws", 1) + "/rt/v1";
        let mut request = url.into_client_request().unwrap();
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("no answer to the upgrade: {error}"),
        }
    }

    pub(crate) async fn hello(&mut self, token: &str) {
        let hello = json!({ "protocol": 1, "token": token, "device": "test" });
        let frame = json!({ "id": 1, "type": "hello", "data": hello });
        self.say(Message::text(frame.to_string())).await;
    }

    /// False once the other side is gone.
    pub(crate) async fn say(&mut self, message: Message) -> bool {
        self.0.send(message).await.is_ok()
    }

    /// The next text frame, or the code of the close.
    pub(crate) async fn next(&mut self) -> Result<Value, u16> {
        loop {
            let message = tokio::time::timeout(ANSWER_LIMIT, self.0.next())
                .await
                .expect("a frame within the limit");
            match message {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(Some(close)))) => return Err(close.code.into()),
                Some(Ok(Message::Close(None)) | Err(_)) | None => return Err(0),
                Some(Ok(_)) => {}
            }
        }
    }

    /// The code of the close, whatever comes before it; 0 without a close frame.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }
}

/// `chat.send` of a text.
pub(crate) fn text(conversation: &str, client_message_id: Uuid, text: &str) -> Value {
    json!({
        "conversation": conversation,
        "client_message_id": client_message_id,
        "body": { "kind": "text", "text": text },
    })
}
