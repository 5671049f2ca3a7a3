//! What each frame of a client asks for, and of whom.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use housecall_protocol::client::{
    CallData, CallInvite, CallMute, CallRemove, CallStarted, ChatDelete, ChatEdit, ChatFetch,
    ChatFetchChanges, ChatReceipt, ChatSend, ChatTyping, ClientFrame, Empty, ErrorCode, Incoming,
    Outgoing, ServerFrame,
};
use housecall_protocol::cluster::{
    Actor, Answer, BeatKind, CallCommand, CallReply, CallRequest, ChatCommand, ChatReply,
    ChatRequest, ChosenStatus, PresenceReply, PresenceRequest, Refusal, subject,
};
use housecall_protocol::domain::{PersonKind, PresenceStatus, TimestampMs};
use housecall_protocol::{CallId, ConversationId, PersonId};
use tokio::time::Instant;

use super::sends::Sends;
use super::{Connection, Done, hello};
use crate::gateway::Gateway;
use crate::gateway::desk::shows_use;
use crate::gateway::handle::Handle;
use crate::lane::LaneFull;
use crate::storage::people;

/// A patient watches the doctors they talk to, never a list.
const MAX_WATCHED_BY_PATIENT: usize = 20;

/// How often presence is told that an operator uses a device.
const USE_INTERVAL: Duration = Duration::from_secs(30);

/// What a piece of work needs, apart from the connection that waits for it.
struct Desk {
    gateway: Arc<Gateway>,
    handle: Arc<Handle>,
    actor: Actor,
    re: Option<u32>,
}

impl Connection {
    /// Answers a frame, or puts the work for it into its lane.
    pub(super) fn take(&mut self, incoming: Incoming) {
        let Incoming { id, frame } = incoming;
        if shows_use(&frame) {
            self.note_use();
        }
        let desk = Desk {
            gateway: Arc::clone(&self.gateway),
            handle: Arc::clone(&self.handle),
            actor: self.identity.actor.clone(),
            re: id,
        };
        let queued = match frame {
            ClientFrame::Ping(Empty {}) => {
                self.handle.send(&Outgoing::reply(id, ServerFrame::Pong(Empty {})));
                Ok(())
            }
            ClientFrame::PresenceActive(Empty {}) => {
                self.handle.answer(id, Ok(ServerFrame::Ok(Empty {})));
                Ok(())
            }
            ClientFrame::Hello(_) => {
                let refusal = Refusal::new(ErrorCode::Conflict, "hello was said already");
                self.handle.refuse(id, &refusal, None);
                Ok(())
            }
            ClientFrame::AuthRefresh(refresh) => {
                self.calls.push(desk.refresh(refresh.token).boxed())
            }
            frame @ (ClientFrame::CallStart(_)
            | ClientFrame::CallPrepare(_)
            | ClientFrame::CallAccept(_)
            | ClientFrame::CallDecline(_)
            | ClientFrame::CallHangUp(_)
            | ClientFrame::CallOffer(_)
            | ClientFrame::CallMedia(_)
            | ClientFrame::CallReport(_)
            | ClientFrame::CallTiles(_)
            | ClientFrame::CallData(_)
            | ClientFrame::CallMute(_)
            | ClientFrame::CallInvite(_)
            | ClientFrame::CallRemove(_)
            | ClientFrame::CallListen(_)) => self.calls.push(desk.call(frame).boxed()),
            ClientFrame::ChatSend(send) => self.send(desk, send),
            frame => {
                // Messages that come after it must not go before it.
                self.sends = None;
                self.chat.push(desk.talk(frame).boxed())
            }
        };
        if queued == Err(LaneFull) {
            let refusal = Refusal::new(ErrorCode::Busy, "too many requests wait already");
            self.handle.refuse(id, &refusal, Some(1000));
        }
    }

    /// Only operators are shown as away.
    fn note_use(&mut self) {
        let now = Instant::now();
        let recent = self.used_at.is_some_and(|at| now < at + USE_INTERVAL);
        if self.identity.actor.kind == PersonKind::Operator && !recent {
            self.used_at = Some(now);
            self.gateway.note_use(self.identity.actor.person);
        }
    }

    fn send(&mut self, desk: Desk, send: ChatSend) -> Result<(), LaneFull> {
        let first = match &self.sends {
            None => (desk.re, send),
            Some(sends) => match sends.add((desk.re, send)) {
                Ok(()) => return Ok(()),
                Err(first) => first,
            },
        };
        let sends = Sends::of(first);
        self.chat.push(desk.send(sends.clone()).boxed())?;
        self.sends = Some(sends);
        Ok(())
    }
}

fn check_limit(limit: u16) -> Result<(), Refusal> {
    if (1..=200).contains(&limit) {
        return Ok(());
    }
    Err(Refusal::new(ErrorCode::BadFrame, "limit: 1 to 200"))
}

fn amiss() -> Refusal {
    Refusal::new(ErrorCode::Internal, "the chat router answered amiss")
}

impl Desk {
    async fn refresh(self, token: String) -> Done {
        match hello::refresh(&self.gateway, &self.actor, &token).await {
            Ok(identity) => {
                self.handle.answer(self.re, Ok(ServerFrame::Ok(Empty {})));
                Done::Refreshed(identity)
            }
            Err((refusal, ends)) => {
                self.handle.refuse(self.re, &refusal, None);
                if let Some(reason) = ends {
                    self.handle.close(reason);
                }
                Done::Nothing
            }
        }
    }

    async fn talk(self, frame: ClientFrame) -> Done {
        let answer = match frame {
            ClientFrame::ChatOpen(open) => return self.open(open.conversation).await,
            ClientFrame::ChatClose(close) => {
                self.gateway.registry.unfollow(self.handle.id, close.conversation);
                Ok(ServerFrame::Ok(Empty {}))
            }
            ClientFrame::ChatEdit(ChatEdit { conversation, seq, client_change_id, text }) => {
                let text = Some(text);
                self.chat(ChatCommand::Change { conversation, seq, client_change_id, text }).await
            }
            ClientFrame::ChatDelete(ChatDelete { conversation, seq, client_change_id }) => {
                let text = None;
                self.chat(ChatCommand::Change { conversation, seq, client_change_id, text }).await
            }
            ClientFrame::ChatFetch(fetch) => self.fetch(fetch).await,
            ClientFrame::ChatFetchChanges(fetch) => self.fetch_changes(fetch).await,
            ClientFrame::ChatReceipt(ChatReceipt { conversation, delivered_seq, read_seq }) => {
                self.chat(ChatCommand::Receipt { conversation, delivered_seq, read_seq }).await
            }
            ClientFrame::ChatTyping(ChatTyping { conversation, typing }) => {
                self.chat(ChatCommand::Typing { conversation, typing }).await
            }
            ClientFrame::PresenceSet(set) => self.set_status(set.status).await,
            ClientFrame::PresenceWatch(watch) => return self.watch(watch.people).await,
            other => unreachable!("{} is not for this lane", other.kind()),
        };
        self.handle.answer(self.re, answer);
        Done::Nothing
    }

    async fn send(self, sends: Sends) -> Done {
        let (ids, messages): (Vec<_>, Vec<_>) = sends.take().into_iter().unzip();
        match self.ask_chat(ChatCommand::Send { messages }).await {
            Ok(ChatReply::Acks(acks)) if acks.len() == ids.len() => {
                for (re, ack) in ids.into_iter().zip(acks) {
                    self.handle.answer(re, ack.map(ServerFrame::ChatAck));
                }
            }
            Ok(_) => ids.iter().for_each(|re| self.handle.refuse(*re, &amiss(), None)),
            Err(refusal) => ids.iter().for_each(|re| self.handle.refuse(*re, &refusal, None)),
        }
        Done::Nothing
    }

    async fn chat(&self, command: ChatCommand) -> Answer<ServerFrame> {
        Ok(match self.ask_chat(command).await? {
            ChatReply::State(state) => ServerFrame::ChatState(state),
            ChatReply::Page(page) => ServerFrame::ChatPage(page),
            ChatReply::Changed(ack) => ServerFrame::ChatChangeAck(ack),
            ChatReply::Changes(changes) => ServerFrame::ChatChanges(changes),
            ChatReply::Done => ServerFrame::Ok(Empty {}),
            ChatReply::Acks(_) => return Err(amiss()),
        })
    }

    async fn ask_chat(&self, command: ChatCommand) -> Answer<ChatReply> {
        let request = ChatRequest { actor: self.actor.clone(), command };
        self.gateway.ask_again(subject::CHAT_REQUEST, &request).await
    }

    async fn fetch(&self, fetch: ChatFetch) -> Answer<ServerFrame> {
        let ChatFetch { conversation, after_seq, before_seq, limit } = fetch;
        check_limit(limit)?;
        self.chat(ChatCommand::Fetch { conversation, after_seq, before_seq, limit }).await
    }

    async fn fetch_changes(&self, fetch: ChatFetchChanges) -> Answer<ServerFrame> {
        let ChatFetchChanges { conversation, after_change, limit } = fetch;
        check_limit(limit)?;
        self.chat(ChatCommand::FetchChanges { conversation, after_change, limit }).await
    }

    /// Events wait from before the position is read until it is answered.
    async fn open(self, conversation: ConversationId) -> Done {
        let registry = &self.gateway.registry;
        let max = self.gateway.config.max_open_conversations;
        if registry.opening(self.handle.id, conversation, max).is_err() {
            let refusal = Refusal::new(ErrorCode::Busy, "too many conversations are open here");
            self.handle.refuse(self.re, &refusal, None);
            return Done::Nothing;
        }
        match self.chat(ChatCommand::Open { conversation }).await {
            Ok(state) => {
                let answer = Outgoing::reply(self.re, state).to_text();
                registry.opened(self.handle.id, conversation, answer.into());
            }
            Err(refusal) => {
                // Forbidden also ends what was allowed before; any other failure leaves
                // a live subscription, as a patient's own, in place.
                if refusal.code == ErrorCode::Forbidden {
                    registry.unfollow(self.handle.id, conversation);
                } else {
                    registry.abandon(self.handle.id, conversation);
                }
                self.handle.refuse(self.re, &refusal, None);
            }
        }
        Done::Nothing
    }

    async fn set_status(&self, status: PresenceStatus) -> Answer<ServerFrame> {
        if self.actor.kind != PersonKind::Operator {
            return Err(Refusal::new(ErrorCode::Forbidden, "only operators choose a status"));
        }
        let chosen = ChosenStatus { person: self.actor.person, status, at: TimestampMs::now() };
        self.gateway.registry.choose(chosen);
        self.gateway.beat(BeatKind::Status(chosen)).await;
        Ok(ServerFrame::Ok(Empty {}))
    }

    /// `ok` first, then what is known now as an event; changes follow.
    async fn watch(self, people: Vec<PersonId>) -> Done {
        if let Err(refusal) = self.may_watch(&people).await {
            self.handle.refuse(self.re, &refusal, None);
            return Done::Nothing;
        }
        // Watched before asked, so that no change is missed between the two.
        self.gateway.watchers.watch(&self.handle, &people);
        if people.is_empty() {
            self.handle.answer(self.re, Ok(ServerFrame::Ok(Empty {})));
            return Done::Nothing;
        }
        let request = PresenceRequest::Query { people };
        match self.gateway.ask(subject::PRESENCE_REQUEST, &request).await {
            Ok(PresenceReply::People(people)) => {
                self.handle.answer(self.re, Ok(ServerFrame::Ok(Empty {})));
                self.gateway.watchers.answer(self.handle.id, people);
            }
            Ok(PresenceReply::Operators(_)) => {
                let refusal = Refusal::new(ErrorCode::Internal, "presence answered amiss");
                self.handle.refuse(self.re, &refusal, None);
            }
            Err(refusal) => self.handle.refuse(self.re, &refusal, None),
        }
        Done::Nothing
    }

    async fn may_watch(&self, people: &[PersonId]) -> Result<(), Refusal> {
        let max = match self.actor.kind {
            PersonKind::Patient => MAX_WATCHED_BY_PATIENT,
            PersonKind::Operator => self.gateway.config.max_watched_people,
        };
        if people.len() > max {
            return Err(Refusal::new(ErrorCode::TooLarge, format!("at most {max} people")));
        }
        if self.actor.kind == PersonKind::Operator || people.is_empty() {
            return Ok(());
        }
        match people::all_operators(&self.gateway.context.pool, people).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refusal::new(ErrorCode::Forbidden, "patients watch operators only")),
            Err(error) => {
                tracing::error!(%error, "presence.watch");
                Err(Refusal::new(ErrorCode::Unavailable, "try again"))
            }
        }
    }

    async fn call(self, frame: ClientFrame) -> Done {
        let answer = match frame {
            ClientFrame::CallStart(start) => {
                let calls = &self.gateway.calls;
                calls
                    .start(&self.gateway, &self.actor, self.handle.id, start)
                    .await
                    .map(ServerFrame::CallStarted)
            }
            ClientFrame::CallPrepare(offer) => {
                self.command(offer.call, CallCommand::Prepare { sdp: offer.sdp }).await
            }
            ClientFrame::CallAccept(accept) => {
                self.command(accept.call, CallCommand::Accept(accept)).await
            }
            ClientFrame::CallDecline(one) => self.command(one.call, CallCommand::Decline).await,
            ClientFrame::CallHangUp(one) => self.command(one.call, CallCommand::HangUp).await,
            ClientFrame::CallOffer(offer) => {
                self.command(offer.call, CallCommand::Offer { sdp: offer.sdp }).await
            }
            ClientFrame::CallMedia(change) => {
                self.command(change.call, CallCommand::Media(change.state)).await
            }
            ClientFrame::CallReport(report) => {
                self.command(report.call, CallCommand::Report(report)).await
            }
            ClientFrame::CallTiles(shown) => {
                self.command(shown.call, CallCommand::Tiles(shown.tiles)).await
            }
            ClientFrame::CallData(CallData { call, topic, payload, to }) => {
                self.command(call, CallCommand::Data { topic, payload, to }).await
            }
            ClientFrame::CallMute(CallMute { call, person, allowed }) => {
                self.command(call, CallCommand::Mute { person, allowed }).await
            }
            ClientFrame::CallInvite(CallInvite { call, person, role }) => {
                self.command(call, CallCommand::Invite { person, role }).await
            }
            ClientFrame::CallRemove(CallRemove { call, person }) => {
                self.command(call, CallCommand::Remove { person }).await
            }
            ClientFrame::CallListen(offer) => {
                self.command(offer.call, CallCommand::Listen { sdp: offer.sdp }).await
            }
            other => unreachable!("{} is not for this lane", other.kind()),
        };
        self.handle.answer(self.re, answer);
        Done::Nothing
    }

    async fn command(&self, call: CallId, command: CallCommand) -> Answer<ServerFrame> {
        let request =
            CallRequest { actor: self.actor.clone(), connection: self.handle.id, call, command };
        let reply = self.gateway.calls.request(&self.gateway, request).await?;
        Ok(match reply {
            CallReply::Answer { sdp } => {
                ServerFrame::CallAnswer(housecall_protocol::client::CallAnswer { call, sdp })
            }
            CallReply::Joined { view, sdp } => {
                self.gateway.registry.note_call(self.actor.person, call, true);
                ServerFrame::CallStarted(CallStarted { call: *view, sdp })
            }
            CallReply::View(_) | CallReply::Done => ServerFrame::Ok(Empty {}),
        })
    }
}
