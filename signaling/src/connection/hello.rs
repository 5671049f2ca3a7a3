//! The hello: who connects, whether they may, and what they are told first.

use std::sync::Arc;
use std::time::Duration;

use housecall_platform::token::{Claims, TokenError};
use housecall_protocol::client::{
    ClientFrame, ErrorCode, Hello, Limits, Outgoing, ServerFrame, Welcome,
};
use housecall_protocol::cluster::{Actor, PersonEvent, Refusal, subject};
use housecall_protocol::domain::{CallView, PersonKind, Role, TimestampMs};
use housecall_protocol::{ConnectionId, ConversationId, PROTOCOL_VERSION, PersonId, SessionId};
use tokio::time::Instant;

use super::{Connection, Identity, Stream, close_socket};
use crate::gateway::Gateway;
use crate::gateway::close::{CloseReason, Closing};
use crate::gateway::gate::ComeBack;
use crate::gateway::handle::{Handle, error_frame};
use crate::gateway::mailbox::{Bounds, Mailbox};
use crate::gateway::registry::Quota;
use crate::gateway::share::Share;
use crate::storage::people;
use crate::websocket::{Event, Outgoing as Message};

/// A peer that takes longer for one frame does not read.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);
const MAX_DEVICE_CHARACTERS: usize = 64;
/// The verifier's leeway: a token is good for this long after its `exp`.
const LEEWAY_S: i64 = 5;

/// A connection that has said hello and was welcomed.
pub(super) struct Greeted {
    pub(super) handle: Arc<Handle>,
    pub(super) identity: Identity,
    pub(super) share: Arc<Share>,
}

/// A refusal of the hello: what the frame says and how the socket closes.
struct Rejected {
    code: ErrorCode,
    message: &'static str,
    close: CloseReason,
}

const fn rejected(code: ErrorCode, message: &'static str, close: CloseReason) -> Rejected {
    Rejected { code, message, close }
}

/// Reads the hello and answers it; closes the socket when that fails.
pub(super) async fn greet(
    gateway: Arc<Gateway>,
    mut socket: Stream,
) -> Result<Box<Connection>, CloseReason> {
    match welcomed(&gateway, &mut socket).await {
        Ok(greeted) => Ok(Connection::new(gateway, socket, greeted)),
        Err(closing) => {
            close_socket(&mut socket, closing).await;
            Err(closing.reason)
        }
    }
}

async fn welcomed(gateway: &Arc<Gateway>, socket: &mut Stream) -> Result<Greeted, Closing> {
    let patience = Duration::from_secs(gateway.config.hello_timeout_s);
    let first = tokio::select! {
        biased;
        () = gateway.draining.cancelled() => {
            let retry = Some(gateway.return_after_drain());
            return Err(Closing { reason: CloseReason::Draining, retry });
        }
        first = tokio::time::timeout(patience, first_frame(gateway, socket)) => first,
    };
    let (id, hello) = match first {
        Ok(Ok(first)) => first,
        Ok(Err((id, refusal))) => {
            say(socket, id, error_frame(&refusal, None)).await;
            return Err(CloseReason::BadHello.into());
        }
        Err(_) => return Err(CloseReason::BadHello.into()),
    };
    let turn = gateway.gate.enter().await.map_err(|ComeBack(after)| Closing {
        reason: CloseReason::Overloaded,
        retry: Some(after),
    })?;
    let admitted = admit(gateway, &hello).await;
    drop(turn);
    match admitted {
        Ok((greeted, welcome)) => {
            if say(socket, id, ServerFrame::Welcome(Box::new(welcome))).await {
                return Ok(greeted);
            }
            leave(gateway, &greeted).await;
            Err(CloseReason::PeerGone.into())
        }
        Err(Rejected { code, message, close }) => {
            say(socket, id, error_frame(&Refusal::new(code, message), None)).await;
            Err(close.into())
        }
    }
}

/// Whether the peer took it in time.
async fn say(socket: &mut Stream, id: Option<u32>, frame: ServerFrame) -> bool {
    let text = Outgoing::reply(id, frame).to_text();
    let sending = socket.send(Message::Text(text.into()));
    matches!(tokio::time::timeout(WRITE_PATIENCE, sending).await, Ok(Ok(())))
}

/// Takes back what the hello announced, and tells the owner of the person's call.
async fn leave(gateway: &Gateway, greeted: &Greeted) {
    withdraw(gateway, &greeted.handle, &greeted.identity.actor).await;
}

/// Leaves every table and tells whoever counted on the connection.
pub(super) async fn withdraw(gateway: &Gateway, handle: &Handle, actor: &Actor) {
    gateway.watchers.forget(handle.id);
    let call = gateway.registry.remove(handle.id);
    gateway.beat_left(handle).await;
    if let Some(call) = call {
        gateway.calls.disconnected(gateway, actor.clone(), handle.id, call).await;
    }
}

/// The first text frame, which must be a hello.
async fn first_frame(
    gateway: &Gateway,
    socket: &mut Stream,
) -> Result<(Option<u32>, Hello), (Option<u32>, Refusal)> {
    let gone = || (None, Refusal::new(ErrorCode::BadFrame, "the first frame cannot be read"));
    loop {
        match socket.next().await {
            Ok(Event::Text(text)) => {
                if text.len() > gateway.config.max_frame_bytes {
                    return Err((None, Refusal::new(ErrorCode::TooLarge, "the frame is too long")));
                }
                let incoming = ClientFrame::parse(&text)
                    .map_err(|bad| (bad.id, Refusal::new(bad.code, bad.message)))?;
                gateway.metrics.frames_in.with_label_values(&[incoming.frame.kind()]).inc();
                return match incoming.frame {
                    ClientFrame::Hello(hello) => Ok((incoming.id, hello)),
                    _ => Err((
                        incoming.id,
                        Refusal::new(ErrorCode::Unauthenticated, "the first frame must be a hello"),
                    )),
                };
            }
            Ok(Event::Ping(_) | Event::Pong) => {}
            Ok(Event::Binary | Event::Close) | Err(_) => return Err(gone()),
        }
    }
}

async fn admit(gateway: &Arc<Gateway>, hello: &Hello) -> Result<(Greeted, Welcome), Rejected> {
    if hello.protocol != PROTOCOL_VERSION {
        return Err(rejected(
            ErrorCode::ProtocolVersion,
            "this server speaks another protocol version",
            CloseReason::ProtocolVersion,
        ));
    }
    if hello.device.is_empty() || hello.device.chars().count() > MAX_DEVICE_CHARACTERS {
        return Err(rejected(
            ErrorCode::BadFrame,
            "device: 1 to 64 characters",
            CloseReason::BadHello,
        ));
    }
    let identity = verify(gateway, &hello.token).await?;
    let (greeted, session) = register(gateway, identity)?;
    // Registered first, asked second: an end of the session between the two
    // reaches the connection as an event.
    let welcomed = match standing(gateway, &greeted.identity.actor).await {
        Ok(()) => welcome(gateway, &greeted, session, hello.previous).await,
        Err(rejected) => Err(rejected),
    };
    match welcomed {
        Ok(welcome) => Ok((greeted, welcome)),
        Err(rejected) => {
            leave(gateway, &greeted).await;
            Err(rejected)
        }
    }
}

fn register(gateway: &Arc<Gateway>, identity: Identity) -> Result<(Greeted, SessionId), Rejected> {
    let config = &gateway.config;
    let bounds = Bounds { frames: config.outbound_frames, bytes: config.outbound_bytes };
    let quota = Quota {
        of_person: config.max_connections_per_person,
        of_session: config.max_connections_per_session,
    };
    let actor = &identity.actor;
    let handle = Arc::new(Handle {
        id: ConnectionId::generate(),
        person: actor.person,
        session: actor.session,
        kind: actor.kind,
        mailbox: Mailbox::new(bounds),
        metrics: Arc::clone(&gateway.metrics),
    });
    let session = actor.session;
    let share = gateway.registry.add(Arc::clone(&handle), quota).map_err(|_| {
        rejected(
            ErrorCode::RateLimited,
            "too many connections of this person",
            CloseReason::TooMany,
        )
    })?;
    Ok((Greeted { handle, identity, share }, session))
}

async fn welcome(
    gateway: &Arc<Gateway>,
    greeted: &Greeted,
    session: SessionId,
    previous: Option<ConnectionId>,
) -> Result<Welcome, Rejected> {
    let Greeted { handle, identity, .. } = greeted;
    let actor = &identity.actor;
    let conversation = match actor.kind {
        PersonKind::Patient => follow_own(gateway, handle).await?,
        PersonKind::Operator => None,
    };
    gateway.beat_joined(handle).await;
    let calls = open_calls(gateway, actor, handle.id, previous).await?;
    for call in &calls {
        gateway.note_call_state(actor.person, call);
    }
    if calls.is_empty() && actor.kind == PersonKind::Operator {
        gateway.note_no_call(actor.person);
    }
    if let Some(connection) = previous {
        // The earlier connection may be on any gateway.
        let event = PersonEvent::Replaced { connection };
        gateway.publish(&subject::person_event(actor.person), &event).await;
    }
    let now = TimestampMs::now();
    let settings = &gateway.context.settings;
    Ok(Welcome {
        protocol: PROTOCOL_VERSION,
        connection: handle.id,
        session,
        person: actor.person,
        kind: actor.kind,
        server_time: now,
        heartbeat_ms: u32::try_from(gateway.config.heartbeat_s * 1000).unwrap_or(u32::MAX),
        ice_servers: crate::ice::servers(&gateway.config, actor.person, now.0 / 1000),
        calls,
        conversation,
        limits: Limits {
            message_characters: settings.max_message_characters,
            file_bytes: settings.max_file_bytes,
            ring_seconds: u32::try_from(gateway.config.call.ring_s).unwrap_or(u32::MAX),
            change_seconds: settings.message_change_seconds,
        },
    })
}

/// A patient hears their own conversation from the first moment.
async fn follow_own(
    gateway: &Gateway,
    handle: &Handle,
) -> Result<Option<ConversationId>, Rejected> {
    let conversation = people::conversation_of_patient(&gateway.context.pool, handle.person)
        .await
        .map_err(|error| unavailable(&error))?;
    if let Some(conversation) = conversation {
        gateway.registry.follow(handle.id, conversation);
    }
    Ok(conversation)
}

async fn open_calls(
    gateway: &Arc<Gateway>,
    actor: &Actor,
    connection: ConnectionId,
    previous: Option<ConnectionId>,
) -> Result<Vec<CallView>, Rejected> {
    gateway
        .calls
        .connected(gateway, actor, connection, previous)
        .await
        .map_err(|error| unavailable(&error))
}

fn unavailable(error: &dyn std::fmt::Display) -> Rejected {
    tracing::error!(%error, "hello");
    rejected(
        ErrorCode::Unavailable,
        "a part of the house is away; try again",
        CloseReason::Unavailable,
    )
}

/// Verifies a token. Also used by `auth.refresh`.
async fn verify(gateway: &Gateway, token: &str) -> Result<Identity, Rejected> {
    match gateway.context.verifier.verify(token).await {
        Ok(claims) => identity(&claims).ok_or_else(|| {
            rejected(
                ErrorCode::Unauthenticated,
                "the token names no kind of person we know",
                CloseReason::Unauthenticated,
            )
        }),
        Err(TokenError::KeysUnavailable) => Err(rejected(
            ErrorCode::Unavailable,
            "the token cannot be checked now",
            CloseReason::Unavailable,
        )),
        Err(TokenError::Expired) => Err(rejected(
            ErrorCode::Unauthenticated,
            "the token has expired",
            CloseReason::Unauthenticated,
        )),
        Err(TokenError::Invalid) => Err(rejected(
            ErrorCode::Unauthenticated,
            "the token is not valid",
            CloseReason::Unauthenticated,
        )),
    }
}

/// The session must still stand in the database: a token outlives its end by minutes.
async fn standing(gateway: &Gateway, actor: &Actor) -> Result<(), Rejected> {
    match people::session_stands(&gateway.context.pool, actor.session, actor.person).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(rejected(
            ErrorCode::Unauthenticated,
            "the session has ended",
            CloseReason::SessionRevoked,
        )),
        Err(error) => Err(unavailable(&error)),
    }
}

/// A newer token for a running connection: of the same session, which must stand.
pub(super) async fn refresh(
    gateway: &Gateway,
    current: &Actor,
    token: &str,
) -> Result<Identity, (Refusal, Option<CloseReason>)> {
    let split = |one: Rejected| {
        let ends = (one.close == CloseReason::SessionRevoked).then_some(one.close);
        (Refusal::new(one.code, one.message), ends)
    };
    let identity = verify(gateway, token).await.map_err(split)?;
    let same = identity.actor.person == current.person
        && identity.actor.session == current.session
        && identity.actor.kind == current.kind;
    if !same {
        let refusal = Refusal::new(ErrorCode::Forbidden, "the token is of another session");
        return Err((refusal, None));
    }
    standing(gateway, &identity.actor).await.map_err(split)?;
    Ok(identity)
}

fn identity(claims: &Claims) -> Option<Identity> {
    let kind = match claims.kind.as_str() {
        "patient" => PersonKind::Patient,
        "operator" => PersonKind::Operator,
        _ => return None,
    };
    let role = match (kind, claims.role.as_deref()) {
        (PersonKind::Patient, _) => None,
        (PersonKind::Operator, Some("doctor")) => Some(Role::Doctor),
        (PersonKind::Operator, Some("desk")) => Some(Role::Desk),
        (PersonKind::Operator, Some("supervisor")) => Some(Role::Supervisor),
        (PersonKind::Operator, Some("admin")) => Some(Role::Admin),
        (PersonKind::Operator, _) => return None,
    };
    let actor = Actor { person: PersonId(claims.sub), session: SessionId(claims.sid), kind, role };
    let now_s = TimestampMs::now().0 / 1000;
    let left_s = claims.exp.saturating_add(LEEWAY_S).saturating_sub(now_s).clamp(0, 86_400);
    let left = Duration::from_secs(u64::try_from(left_s).unwrap_or(0));
    Some(Identity { actor, expires: Instant::now() + left })
}
