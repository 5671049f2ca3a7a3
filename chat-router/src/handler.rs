//! What each request does, from its authorisation to its reply.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use housecall_protocol::client::{
    ChatPage, ChatState, ErrorCode, ReceiptView, SendBody, TypingView,
};
use housecall_protocol::cluster::{Actor, ChatCommand, ChatReply, ChatRequest, Refusal};
use housecall_protocol::domain::PersonKind;
use housecall_protocol::ids::{ClientMessageId, ConversationId, PersonId};
use tokio::time::Instant;

use crate::announce::Announcer;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::recent::Recent;
use crate::refusal;
use crate::retry::retrying;
use crate::storage::{Access, NewMessage, Right, Span, Storage, StorageError};
use crate::validate;
use crate::writer::Writer;

/// Longest page of a fetch, as the protocol says.
const MAX_PAGE: u16 = 200;

type Key = (PersonId, ConversationId);

pub(crate) struct Handler {
    pub(crate) storage: Storage,
    pub(crate) writer: Writer,
    pub(crate) announcer: Announcer,
    pub(crate) metrics: Metrics,
    max_message_characters: u32,
    /// Answers that typing and receipts may rely on.
    access: Mutex<Recent<(Key, Right), Access>>,
    /// Readings that the audit log has already.
    audited: Mutex<Recent<Key, ()>>,
}

impl Handler {
    pub(crate) fn new(
        config: &Config,
        max_message_characters: u32,
        storage: Storage,
        writer: Writer,
        announcer: Announcer,
        metrics: Metrics,
    ) -> Self {
        let capacity = config.access_cache_entries;
        let audit_interval = Duration::from_secs(60 * config.audit_interval_minutes);
        let access_age = Duration::from_millis(config.access_cache_ms);
        Self {
            storage,
            writer,
            announcer,
            metrics,
            max_message_characters,
            access: Mutex::new(Recent::new(access_age, capacity)),
            audited: Mutex::new(Recent::new(audit_interval, capacity)),
        }
    }

    pub(crate) async fn handle(&self, request: ChatRequest) -> Result<ChatReply, Refusal> {
        let ChatRequest { actor, command } = request;
        match command {
            ChatCommand::Open { conversation } => self.open(&actor, conversation).await,
            ChatCommand::Send { conversation, client_message_id, body } => {
                self.send(&actor, conversation, client_message_id, body).await
            }
            ChatCommand::Fetch { conversation, after_seq, before_seq, limit } => {
                let span = span(after_seq, before_seq)?;
                self.fetch(&actor, conversation, span, limit).await
            }
            ChatCommand::Receipt { conversation, delivered_seq, read_seq } => {
                self.receipt(&actor, conversation, delivered_seq, read_seq).await
            }
            ChatCommand::Typing { conversation, typing } => {
                self.typing(&actor, conversation, typing).await
            }
        }
    }

    async fn send(
        &self,
        actor: &Actor,
        conversation: ConversationId,
        client_message_id: ClientMessageId,
        body: SendBody,
    ) -> Result<ChatReply, Refusal> {
        let content = validate::content(body, actor.kind, self.max_message_characters)?;
        let message = NewMessage { conversation, sender: actor.person, client_message_id, content };
        self.writer.send(message).await.map(ChatReply::Ack)
    }

    /// The head is read first: whatever is written later reaches the reader as an
    /// event, or is uncovered by its seq.
    async fn open(
        &self,
        actor: &Actor,
        conversation: ConversationId,
    ) -> Result<ChatReply, Refusal> {
        let access = self.authorise(actor, conversation, Right::Read).await?;
        if actor.kind == PersonKind::Operator {
            self.audit(actor.person, conversation, "conversation.open").await?;
        }
        let mut receipts =
            self.stored(conversation, || self.storage.receipts(conversation)).await?;
        if !receipts.iter().any(|receipt| receipt.person == actor.person) {
            receipts.push(ReceiptView {
                conversation,
                person: actor.person,
                kind: actor.kind,
                delivered_seq: 0,
                read_seq: 0,
            });
        }
        Ok(ChatReply::State(ChatState { conversation, head_seq: access.head_seq, receipts }))
    }

    async fn fetch(
        &self,
        actor: &Actor,
        conversation: ConversationId,
        span: Span,
        limit: u16,
    ) -> Result<ChatReply, Refusal> {
        let head_seq = self.authorise(actor, conversation, Right::Read).await?.head_seq;
        if actor.kind == PersonKind::Operator && !self.was_audited(actor.person, conversation) {
            self.audit(actor.person, conversation, "conversation.read").await?;
        }
        let limit = limit.clamp(1, MAX_PAGE);
        let (messages, has_more) = self
            .stored(conversation, || self.storage.page(conversation, span, head_seq, limit))
            .await?;
        let messages = messages
            .into_iter()
            .map(|mut message| {
                if message.sender != Some(actor.person) {
                    message.client_message_id = None;
                }
                message.seen_by(actor.kind)
            })
            .collect();
        Ok(ChatReply::Page(ChatPage { conversation, messages, head_seq, has_more }))
    }

    async fn receipt(
        &self,
        actor: &Actor,
        conversation: ConversationId,
        delivered_seq: i64,
        read_seq: i64,
    ) -> Result<ChatReply, Refusal> {
        self.authorise_briefly(actor, conversation, Right::Read).await?;
        let (person, kind) = (actor.person, actor.kind);
        let moved = self
            .stored(conversation, || {
                self.storage.advance_receipt(conversation, person, kind, delivered_seq, read_seq)
            })
            .await?;
        if let Some(view) = moved {
            self.announcer.receipt(view).await;
        }
        Ok(ChatReply::Done)
    }

    async fn typing(
        &self,
        actor: &Actor,
        conversation: ConversationId,
        typing: bool,
    ) -> Result<ChatReply, Refusal> {
        let access = self.authorise_briefly(actor, conversation, Right::Write).await?;
        let view = TypingView { conversation, person: actor.person, name: access.name, typing };
        self.announcer.typing(view).await;
        Ok(ChatReply::Done)
    }

    async fn authorise(
        &self,
        actor: &Actor,
        conversation: ConversationId,
        right: Right,
    ) -> Result<Access, Refusal> {
        let person = actor.person;
        let access =
            self.stored(conversation, || self.storage.access(person, conversation, right)).await?;
        access.filter(|access| access.allowed).ok_or_else(refusal::forbidden)
    }

    /// As [`Self::authorise`], but an earlier yes may be a little old.
    async fn authorise_briefly(
        &self,
        actor: &Actor,
        conversation: ConversationId,
        right: Right,
    ) -> Result<Access, Refusal> {
        let key = ((actor.person, conversation), right);
        let known =
            self.access.lock().unwrap_or_else(PoisonError::into_inner).find(Instant::now(), &key);
        if let Some(access) = known {
            return Ok(access);
        }
        let access = self.authorise(actor, conversation, right).await?;
        self.access.lock().unwrap_or_else(PoisonError::into_inner).remember(
            Instant::now(),
            key,
            access.clone(),
        );
        Ok(access)
    }

    fn was_audited(&self, operator: PersonId, conversation: ConversationId) -> bool {
        let audited = self.audited.lock().unwrap_or_else(PoisonError::into_inner);
        audited.find(Instant::now(), &(operator, conversation)).is_some()
    }

    /// Before the answer: what was read is never missing from the log.
    async fn audit(
        &self,
        operator: PersonId,
        conversation: ConversationId,
        action: &'static str,
    ) -> Result<(), Refusal> {
        self.stored(conversation, || self.storage.audit(operator, conversation, action)).await?;
        let mut audited = self.audited.lock().unwrap_or_else(PoisonError::into_inner);
        audited.remember(Instant::now(), (operator, conversation), ());
        Ok(())
    }

    /// Runs a step of the storage that is safe to repeat.
    async fn stored<T, Step>(
        &self,
        conversation: ConversationId,
        mut step: impl FnMut() -> Step,
    ) -> Result<T, Refusal>
    where
        Step: Future<Output = Result<T, StorageError>>,
    {
        retrying(&self.metrics, StorageError::is_passing, |_| step())
            .await
            .map_err(|error| refusal::storage(&error, conversation))
    }
}

fn span(after_seq: Option<i64>, before_seq: Option<i64>) -> Result<Span, Refusal> {
    match (after_seq, before_seq) {
        (Some(after), None) => Ok(Span::After(after)),
        (None, Some(before)) => Ok(Span::Before(before)),
        (None, None) => Ok(Span::Newest),
        (Some(_), Some(_)) => {
            Err(Refusal::new(ErrorCode::BadFrame, "after_seq and before_seq exclude each other"))
        }
    }
}
