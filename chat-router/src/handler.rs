//! What each request does, from its authorisation to its reply.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use housecall_platform::service::Settings;
use housecall_protocol::client::{
    ChatAck, ChatChangeAck, ChatChanges, ChatPage, ChatSend, ChatState, ErrorCode, ReceiptView,
    TypingView,
};
use housecall_protocol::cluster::{
    Actor, Answer, ChatCommand, ChatReply, ChatRequest, MAX_SENT_TOGETHER, Refusal,
};
use housecall_protocol::domain::{Message, PersonKind};
use housecall_protocol::ids::{ConversationId, PersonId};
use tokio::time::Instant;

use crate::announce::Announcer;
use crate::config::Config;
use crate::marks::Marks;
use crate::metrics::Metrics;
use crate::recent::Recent;
use crate::refusal;
use crate::retry::retrying;
use crate::storage::{
    Access, Change, Changed, Head, Mark, NewChange, NewMessage, Right, Span, Storage, StorageError,
    Unchanged,
};
use crate::validate;
use crate::writer::{Queued, Tools, Writer};

/// Longest page of a fetch, as the protocol says.
const MAX_PAGE: u16 = 200;

type Key = (PersonId, ConversationId);

pub(crate) struct Handler {
    pub(crate) storage: Storage,
    pub(crate) announcer: Announcer,
    pub(crate) metrics: Metrics,
    writer: Writer,
    marks: Marks,
    max_message_characters: u32,
    /// How long a message may be edited and deleted.
    change_window: Duration,
    /// Answers that typing and receipts may rely on.
    access: Mutex<Recent<(Key, Right), Access>>,
    /// Readings that the audit log has already.
    audited: Mutex<Recent<Key, ()>>,
}

impl Handler {
    pub(crate) fn new(config: &Config, settings: &Settings, tools: Tools, writer: Writer) -> Self {
        let Tools { storage, announcer, marks, metrics } = tools;
        let capacity = config.access_cache_entries;
        let audit_interval = Duration::from_secs(60 * config.audit_interval_minutes);
        let access_age = Duration::from_millis(config.access_cache_ms);
        Self {
            storage,
            announcer,
            metrics,
            writer,
            marks,
            max_message_characters: settings.max_message_characters,
            change_window: Duration::from_secs(settings.message_change_seconds.into()),
            access: Mutex::new(Recent::new(access_age, capacity)),
            audited: Mutex::new(Recent::new(audit_interval, capacity)),
        }
    }

    pub(crate) async fn handle(&self, request: ChatRequest) -> Result<ChatReply, Refusal> {
        let ChatRequest { actor, command } = request;
        match command {
            ChatCommand::Open { conversation } => self.open(&actor, conversation).await,
            ChatCommand::Send { messages } => self.send(&actor, messages).await,
            ChatCommand::Fetch { conversation, after_seq, before_seq, limit } => {
                let span = span(after_seq, before_seq)?;
                self.fetch(&actor, conversation, span, limit).await
            }
            ChatCommand::Change { conversation, seq, client_change_id, text } => {
                let what = match text {
                    Some(text) => Change::Edit { text },
                    None => Change::Delete,
                };
                let actor = actor.person;
                self.change(NewChange { conversation, actor, client_change_id, seq, what }).await
            }
            ChatCommand::FetchChanges { conversation, after_change, limit } => {
                self.fetch_changes(&actor, conversation, after_change, limit).await
            }
            ChatCommand::Receipt { conversation, delivered_seq, read_seq } => {
                self.receipt(&actor, conversation, delivered_seq, read_seq).await
            }
            ChatCommand::Typing { conversation, typing } => {
                self.typing(&actor, conversation, typing).await
            }
        }
    }

    fn queue(&self, actor: &Actor, message: ChatSend) -> Answer<Queued> {
        let ChatSend { conversation, client_message_id, reply_to, body } = message;
        let content = validate::content(body, actor.kind, self.max_message_characters)?;
        let sender = actor.person;
        self.writer.queue(NewMessage { conversation, sender, client_message_id, reply_to, content })
    }

    /// All are queued before the first is waited for: one commit may hold them all.
    async fn send(&self, actor: &Actor, messages: Vec<ChatSend>) -> Answer<ChatReply> {
        if messages.len() > MAX_SENT_TOGETHER {
            return Err(Refusal::new(ErrorCode::TooLarge, "too many messages at once"));
        }
        let queued: Vec<Answer<Queued>> =
            messages.into_iter().map(|message| self.queue(actor, message)).collect();
        let mut acks: Vec<Answer<ChatAck>> = Vec::with_capacity(queued.len());
        for queued in queued {
            acks.push(match queued {
                Ok(queued) => queued.answer().await,
                Err(refusal) => Err(refusal),
            });
        }
        Ok(ChatReply::Acks(acks))
    }

    /// Past the lanes: edits are rare, and a change that is announced before an earlier
    /// one shows as a gap, which is fetched.
    async fn change(&self, mut new: NewChange) -> Answer<ChatReply> {
        let NewChange { conversation, client_change_id, seq, .. } = new;
        if let Change::Edit { text } = new.what {
            new.what = Change::Edit { text: validate::edit(text, self.max_message_characters)? };
        }
        let changed =
            self.stored(conversation, || self.storage.change(&new, self.change_window)).await?;
        let change = match changed {
            Changed::New(change) | Changed::Stored(change) => change,
            Changed::Refused(why) => return Err(unchanged(why)),
        };
        self.metrics.changed(matches!(changed, Changed::New(_)));
        // Also after a resend: the first one may have committed and told nobody.
        match self.storage.message(conversation, seq).await {
            Ok(Some(message)) => self.announcer.changed(conversation, change, message).await,
            Ok(None) => tracing::error!(%conversation, seq, "a changed message is not there"),
            Err(error) => {
                tracing::warn!(%conversation, %error, "a change is announced by its number");
                self.announcer.head(conversation, Head { seq, change }).await;
            }
        }
        Ok(ChatReply::Changed(ChatChangeAck { conversation, client_change_id, change }))
    }

    async fn fetch_changes(
        &self,
        actor: &Actor,
        conversation: ConversationId,
        after_change: i64,
        limit: u16,
    ) -> Answer<ChatReply> {
        let head = self.authorise(actor, conversation, Right::Read).await?.head;
        self.audit_reading(actor, conversation).await?;
        let limit = limit.clamp(1, MAX_PAGE);
        let (messages, has_more) = self
            .stored(conversation, || self.storage.changes(conversation, after_change, limit))
            .await?;
        // A later change than `head` may be among them; without more, none before it is
        // missing either.
        let last = messages.last().map_or(0, |message| message.change);
        let up_to_change = if has_more { last } else { last.max(head.change) };
        let messages = messages.into_iter().map(|message| shown(message, actor)).collect();
        Ok(ChatReply::Changes(ChatChanges { conversation, messages, up_to_change, has_more }))
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
        let Head { seq: head_seq, change: head_change } = access.head;
        Ok(ChatReply::State(ChatState { conversation, head_seq, head_change, receipts }))
    }

    async fn fetch(
        &self,
        actor: &Actor,
        conversation: ConversationId,
        span: Span,
        limit: u16,
    ) -> Result<ChatReply, Refusal> {
        let head = self.authorise(actor, conversation, Right::Read).await?.head;
        let Head { seq: head_seq, change: head_change } = head;
        self.audit_reading(actor, conversation).await?;
        let limit = limit.clamp(1, MAX_PAGE);
        let (messages, has_more) = self
            .stored(conversation, || self.storage.page(conversation, span, head_seq, limit))
            .await?;
        let messages = messages.into_iter().map(|message| shown(message, actor)).collect();
        Ok(ChatReply::Page(ChatPage { conversation, messages, head_seq, head_change, has_more }))
    }

    async fn receipt(
        &self,
        actor: &Actor,
        conversation: ConversationId,
        delivered_seq: i64,
        read_seq: i64,
    ) -> Result<ChatReply, Refusal> {
        self.authorise_briefly(actor, conversation, Right::Read).await?;
        let mark = Mark { conversation, person: actor.person, delivered_seq, read_seq };
        self.marks.report(mark).map_err(|_| refusal::overloaded())?;
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

    /// Pages of one reading are one entry.
    async fn audit_reading(
        &self,
        actor: &Actor,
        conversation: ConversationId,
    ) -> Result<(), Refusal> {
        if actor.kind == PersonKind::Patient || self.was_audited(actor.person, conversation) {
            return Ok(());
        }
        self.audit(actor.person, conversation, "conversation.read").await
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

/// A message as this reader may see it.
fn shown(mut message: Message, reader: &Actor) -> Message {
    if message.sender != Some(reader.person) {
        message.client_message_id = None;
    }
    message.seen_by(reader.kind)
}

fn unchanged(why: Unchanged) -> Refusal {
    match why {
        Unchanged::Forbidden => refusal::forbidden(),
        Unchanged::NotFound => {
            Refusal::new(ErrorCode::NotFound, "you have no message with this seq here")
        }
        Unchanged::Deleted => Refusal::new(ErrorCode::Conflict, "the message was deleted"),
        Unchanged::Empty => Refusal::new(ErrorCode::BadFrame, "the message is empty"),
        Unchanged::Late => {
            Refusal::new(ErrorCode::Conflict, "the time to change the message is over")
        }
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
