//! A small clinic: one patient, some operators, one running router.

use std::time::Duration;

use futures::FutureExt;
use housecall_platform::bus::{Bus, Subscription};
use housecall_platform::postgres::Pool;
use housecall_platform::service::{Context, Settings};
use housecall_platform::testing::NatsServer;
use housecall_platform::token::Verifier;
use housecall_protocol::client::{ChatAck, ChatChanges, ChatPage, ChatSend, ErrorCode, SendBody};
use housecall_protocol::cluster::{
    Actor, Answer, ChatCommand, ChatEvent, ChatReply, ChatRequest, subject,
};
use housecall_protocol::domain::{Message, MessageBody, PersonKind, Role};
use housecall_protocol::ids::{
    ClientChangeId, ClientMessageId, ConsultationId, ConversationId, FileId, PersonId, SessionId,
};
use housecall_schema::testing::TestDatabase;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

/// Longer than any retry of the router; a test that waits it out has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct House {
    pub(crate) db: TestDatabase,
    pub(crate) bus: Bus,
    pub(crate) patient: Actor,
    pub(crate) conversation: ConversationId,
    pub(crate) metrics: prometheus::Registry,
    pub(crate) shutdown: CancellationToken,
    pub(crate) tasks: TaskTracker,
    _nats: Option<NatsServer>,
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(Bus::local(), None, housecall_chat_router::Config::default()).await
    }

    pub(crate) async fn over_nats() -> Self {
        let server = NatsServer::start().await;
        let bus = Bus::nats(&server.url()).await.unwrap();
        Self::with(bus, Some(server), housecall_chat_router::Config::default()).await
    }

    pub(crate) async fn configured(config: housecall_chat_router::Config) -> Self {
        Self::with(Bus::local(), None, config).await
    }

    async fn with(
        bus: Bus,
        nats: Option<NatsServer>,
        config: housecall_chat_router::Config,
    ) -> Self {
        let db = TestDatabase::fresh().await;
        let metrics = prometheus::Registry::new();
        let shutdown = CancellationToken::new();
        let context =
            Context { metrics: metrics.clone(), ..context(&bus, db.pool.clone(), &shutdown) };
        let (patient, conversation) = add_patient(&db.pool).await;
        let running = housecall_chat_router::start(context, config).await.unwrap();
        let tasks = running.tasks;
        Self { db, bus, patient, conversation, metrics, shutdown, tasks, _nats: nats }
    }

    /// Another router on the same database and bus, with lanes of its own.
    pub(crate) async fn second_router(&self, config: housecall_chat_router::Config) -> Router {
        let shutdown = CancellationToken::new();
        let context = context(&self.bus, self.db.pool.clone(), &shutdown);
        let running = housecall_chat_router::start(context, config).await.unwrap();
        Router { shutdown, tasks: running.tasks }
    }

    pub(crate) async fn another_patient(&self) -> (Actor, ConversationId) {
        add_patient(&self.db.pool).await
    }

    pub(crate) async fn operator(&self, role: Role, specialty: Option<&str>) -> Actor {
        add_operator(&self.db.pool, role, specialty).await
    }

    /// An operator who holds the consultation opened by the patient's question.
    pub(crate) async fn holder(&self) -> Actor {
        self.say("Здравствуйте").await;
        let doctor = self.operator(Role::Doctor, Some("therapy")).await;
        self.claim(&doctor).await;
        doctor
    }

    pub(crate) async fn claim(&self, operator: &Actor) {
        let changed = self
            .execute(
                "UPDATE crm.consultations SET state = 'active', operator_id = $2,
                        claimed_at = now(), waiting_since = NULL
                 WHERE conversation_id = $1 AND state = 'waiting'",
                &[&self.conversation.0, &operator.person.0],
            )
            .await;
        assert_eq!(changed, 1, "one consultation waits");
    }

    pub(crate) async fn close(&self) {
        self.execute(
            "UPDATE crm.consultations SET state = 'closed', closed_at = now(), waiting_since = NULL
             WHERE conversation_id = $1 AND state <> 'closed'",
            &[&self.conversation.0],
        )
        .await;
    }

    pub(crate) async fn upload(&self, uploader: PersonId, conversation: ConversationId) -> FileId {
        let id = Uuid::now_v7();
        self.execute(
            "INSERT INTO crm.files (id, conversation_id, uploader_id, name, media_type, size_bytes,
                                    sha256, width, height)
             VALUES ($1, $2, $3, 'фото.jpg', 'image/jpeg', 7, '', 640, 480)",
            &[&id, &conversation.0, &uploader.0],
        )
        .await;
        FileId(id)
    }

    pub(crate) async fn execute(
        &self,
        statement: &str,
        parameters: &[&(dyn tokio_postgres::types::ToSql + Sync)],
    ) -> u64 {
        self.db.pool.get().await.unwrap().execute(statement, parameters).await.unwrap()
    }

    pub(crate) async fn count(&self, query: &str) -> i64 {
        self.db.pool.get().await.unwrap().query_one(query, &[]).await.unwrap().get(0)
    }

    /// The value of a counter of the router.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let page = housecall_platform::telemetry::render(&self.metrics);
        let line = page.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().parse().unwrap()
    }

    pub(crate) async fn consultations(&self) -> Vec<ConsultationId> {
        let client = self.db.pool.get().await.unwrap();
        let query = "SELECT id FROM crm.consultations WHERE conversation_id = $1 ORDER BY number";
        let rows = client.query(query, &[&self.conversation.0]).await.unwrap();
        rows.iter().map(|row| ConsultationId(row.get(0))).collect()
    }

    pub(crate) async fn ask(&self, actor: &Actor, command: ChatCommand) -> Answer<ChatReply> {
        let request = ChatRequest { actor: actor.clone(), command };
        self.bus.request(subject::CHAT_REQUEST, &request, PATIENCE).await.unwrap()
    }

    /// The patient says something new.
    pub(crate) async fn say(&self, text: &str) -> ChatAck {
        self.send(&self.patient, ClientMessageId::generate(), text_body(text)).await.unwrap()
    }

    pub(crate) async fn send(
        &self,
        actor: &Actor,
        id: ClientMessageId,
        body: SendBody,
    ) -> Answer<ChatAck> {
        self.send_to(actor, self.conversation, id, body).await
    }

    pub(crate) async fn send_to(
        &self,
        actor: &Actor,
        conversation: ConversationId,
        client_message_id: ClientMessageId,
        body: SendBody,
    ) -> Answer<ChatAck> {
        let messages = vec![ChatSend { conversation, client_message_id, reply_to: None, body }];
        match self.ask(actor, ChatCommand::Send { messages }).await? {
            ChatReply::Acks(mut acks) => acks.pop().expect("an answer to each"),
            other => panic!("{other:?} instead of an ack"),
        }
    }

    pub(crate) async fn reply(&self, actor: &Actor, reply_to: i64, body: SendBody) -> ChatAck {
        let (conversation, client_message_id) = (self.conversation, ClientMessageId::generate());
        let message = ChatSend { conversation, client_message_id, reply_to: Some(reply_to), body };
        match self.ask(actor, ChatCommand::Send { messages: vec![message] }).await.unwrap() {
            ChatReply::Acks(mut acks) => acks.pop().expect("an answer to each").unwrap(),
            other => panic!("{other:?} instead of an ack"),
        }
    }

    pub(crate) async fn edit(&self, actor: &Actor, seq: i64, text: &str) -> Answer<i64> {
        self.change(actor, seq, ClientChangeId::generate(), Some(text)).await
    }

    pub(crate) async fn delete(&self, actor: &Actor, seq: i64) -> Answer<i64> {
        self.change(actor, seq, ClientChangeId::generate(), None).await
    }

    /// The change's number.
    pub(crate) async fn change(
        &self,
        actor: &Actor,
        seq: i64,
        client_change_id: ClientChangeId,
        text: Option<&str>,
    ) -> Answer<i64> {
        let (conversation, text) = (self.conversation, text.map(str::to_owned));
        let command = ChatCommand::Change { conversation, seq, client_change_id, text };
        match self.ask(actor, command).await? {
            ChatReply::Changed(ack) => {
                assert_eq!(ack.client_change_id, client_change_id);
                Ok(ack.change)
            }
            other => panic!("{other:?} instead of an ack"),
        }
    }

    pub(crate) async fn changes(
        &self,
        actor: &Actor,
        after_change: i64,
        limit: u16,
    ) -> ChatChanges {
        let conversation = self.conversation;
        let command = ChatCommand::FetchChanges { conversation, after_change, limit };
        match self.ask(actor, command).await.unwrap() {
            ChatReply::Changes(changes) => changes,
            other => panic!("{other:?} instead of changes"),
        }
    }

    pub(crate) async fn fetch(
        &self,
        actor: &Actor,
        after_seq: Option<i64>,
        before_seq: Option<i64>,
        limit: u16,
    ) -> Answer<ChatPage> {
        let conversation = self.conversation;
        let command = ChatCommand::Fetch { conversation, after_seq, before_seq, limit };
        self.ask(actor, command).await.map(|reply| match reply {
            ChatReply::Page(page) => page,
            other => panic!("{other:?} instead of a page"),
        })
    }

    /// The whole conversation as `actor` sees it.
    pub(crate) async fn history(&self, actor: &Actor) -> Vec<Message> {
        let page = self.fetch(actor, Some(0), None, 200).await.unwrap();
        assert!(!page.has_more, "a test's conversation fits into one page");
        page.messages
    }

    pub(crate) async fn events(&self) -> Events {
        Events(self.bus.subscribe(&subject::chat_event(self.conversation)).await.unwrap())
    }

    /// Stops the router and waits for its end.
    pub(crate) async fn stop(&self) {
        stop(&self.shutdown, &self.tasks).await;
    }
}

/// A router beside the house's own.
pub(crate) struct Router {
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

impl Router {
    pub(crate) async fn stop(&self) {
        stop(&self.shutdown, &self.tasks).await;
    }
}

async fn stop(shutdown: &CancellationToken, tasks: &TaskTracker) {
    shutdown.cancel();
    tokio::time::timeout(PATIENCE, tasks.wait()).await.expect("the router stops");
}

/// What gateways hear about the conversation.
pub(crate) struct Events(Subscription);

impl Events {
    pub(crate) async fn next(&mut self) -> ChatEvent {
        let delivery = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("an event comes");
        delivery.expect("the bus is open").parse().unwrap()
    }

    /// What was said already.
    pub(crate) async fn rest(&mut self) -> Vec<ChatEvent> {
        let mut rest = Vec::new();
        while let Some(Some(delivery)) = self.0.next().now_or_never() {
            rest.push(delivery.parse().unwrap());
        }
        rest
    }

    /// The next event that is not a beacon.
    pub(crate) async fn news(&mut self) -> ChatEvent {
        loop {
            let event = self.next().await;
            if !matches!(event, ChatEvent::Head { .. }) {
                return event;
            }
        }
    }

    pub(crate) async fn message(&mut self) -> Message {
        loop {
            if let ChatEvent::Message { message, .. } = self.next().await {
                return message;
            }
        }
    }
}

/// What a router of its own registry stands on.
pub(crate) fn context(bus: &Bus, pool: Pool, shutdown: &CancellationToken) -> Context {
    Context {
        node: Uuid::now_v7(),
        bus: bus.clone(),
        pool,
        verifier: Verifier::new(bus.clone(), subject::IDENTITY_JWKS),
        metrics: prometheus::Registry::new(),
        settings: Settings { max_message_characters: 100, ..Settings::default() }.into(),
        shutdown: shutdown.clone(),
    }
}

pub(crate) async fn add_patient(pool: &Pool) -> (Actor, ConversationId) {
    let (patient, conversation) = (Uuid::now_v7(), Uuid::now_v7());
    let client = pool.get().await.unwrap();
    client
        .batch_execute(&format!(
            "INSERT INTO crm.people (id, kind, name) VALUES ('{patient}', 'patient', 'Анна');
             INSERT INTO crm.patients (id, phone) VALUES ('{patient}', '{patient}');
             INSERT INTO chat.conversations (id, patient_id) VALUES ('{conversation}', '{patient}');"
        ))
        .await
        .unwrap();
    (actor(patient, PersonKind::Patient, None), ConversationId(conversation))
}

pub(crate) async fn add_operator(pool: &Pool, role: Role, specialty: Option<&str>) -> Actor {
    let id = Uuid::now_v7();
    let client = pool.get().await.unwrap();
    client
        .execute("INSERT INTO crm.people (id, kind, name) VALUES ($1, 'operator', 'Илья')", &[&id])
        .await
        .unwrap();
    client
        .execute(
            "INSERT INTO crm.operators (id, email, password_hash, role, specialty)
             VALUES ($1, $2, 'x', $3, $4)",
            &[&id, &format!("{id}@example.org"), &role.as_str(), &specialty],
        )
        .await
        .unwrap();
    actor(id, PersonKind::Operator, Some(role))
}

fn actor(id: Uuid, kind: PersonKind, role: Option<Role>) -> Actor {
    Actor { person: PersonId(id), session: SessionId::generate(), kind, role }
}

pub(crate) fn text_body(text: &str) -> SendBody {
    SendBody::Text { text: text.to_owned() }
}

pub(crate) fn note_body(text: &str) -> SendBody {
    SendBody::Note { text: text.to_owned() }
}

pub(crate) fn file_body(file: FileId) -> SendBody {
    SendBody::File { file, caption: "вот".to_owned() }
}

/// What a message says, in a word.
pub(crate) fn words(message: &Message) -> &str {
    match &message.body {
        MessageBody::Text { text } | MessageBody::Note { text } => text,
        MessageBody::File { caption, .. } => caption,
        MessageBody::System { .. } => "system",
        MessageBody::Deleted | MessageBody::DeletedNote => "deleted",
        MessageBody::Hidden => "hidden",
    }
}

pub(crate) fn code<T: std::fmt::Debug>(answer: Answer<T>) -> ErrorCode {
    answer.expect_err("refused").code
}
