//! From the bus to this process's connections: one subscription of each kind,
//! whatever the number of connections.

use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use housecall_platform::bus::{BusError, Delivery, Subscription};
use housecall_protocol::client::{
    Changed, ChatChange, ChatHead, ChatMessage, Outgoing, ServerFrame,
};
use housecall_protocol::cluster::{ChatEvent, DeskEvent, PersonEvent, PresenceEvent, subject};
use housecall_protocol::domain::{Message, PersonKind};
use housecall_protocol::{ConversationId, PersonId};
use tokio_util::sync::CancellationToken;

use super::desk::call_in;
use super::{Gateway, access, log_malformed};

/// Takes one event to the connections that it is for.
type Route = fn(&Gateway, &Delivery) -> Result<(), BusError>;

/// The subscriptions, made before the first connection is accepted.
pub(crate) struct Subscriptions {
    chat: Subscription,
    person: Subscription,
    desk: Subscription,
    presence: Subscription,
}

impl Subscriptions {
    pub(crate) async fn subscribe(gateway: &Gateway) -> Result<Self, BusError> {
        let bus = &gateway.context.bus;
        Ok(Self {
            chat: bus.subscribe(subject::CHAT_EVENTS).await?,
            person: bus.subscribe(subject::PERSON_EVENTS).await?,
            desk: bus.subscribe(subject::DESK_EVENT).await?,
            presence: bus.subscribe(subject::PRESENCE_EVENT).await?,
        })
    }

    /// Runs one task for each subscription, so that none waits for another.
    pub(crate) fn spawn(
        self,
        gateway: &Arc<Gateway>,
        tasks: &tokio_util::task::TaskTracker,
        stop: &CancellationToken,
    ) {
        let routes: [(Subscription, Route); 3] =
            [(self.chat, chat), (self.person, person), (self.presence, presence)];
        for (subscription, route) in routes {
            tasks.spawn(pump(Arc::clone(gateway), subscription, route, stop.clone()));
        }
        tasks.spawn(pump_desk(Arc::clone(gateway), self.desk, stop.clone()));
    }
}

async fn pump(
    gateway: Arc<Gateway>,
    mut subscription: Subscription,
    route: Route,
    stop: CancellationToken,
) {
    let mut lost = 0;
    loop {
        let delivery = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            delivery = subscription.next() => delivery,
        };
        let Some(delivery) = delivery else { return };
        if let Err(error) = route(&gateway, &delivery) {
            log_malformed(&error);
        }
        let total = subscription.lost();
        gateway.metrics.bus_lost.inc_by(total - lost);
        lost = total;
    }
}

/// Apart from the others: it asks the database who may still read.
async fn pump_desk(gateway: Arc<Gateway>, mut subscription: Subscription, stop: CancellationToken) {
    loop {
        let delivery = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            delivery = subscription.next() => delivery,
        };
        let Some(delivery) = delivery else { return };
        match delivery.parse::<DeskEvent>() {
            Ok(event) => {
                let frame =
                    ServerFrame::Changed(Changed { topic: event.topic, id: event.id.clone() });
                gateway.registry.send_to_operators(&text(frame));
                access::recheck(&gateway, &event).await;
            }
            Err(error) => log_malformed(&error),
        }
    }
}

fn text(frame: ServerFrame) -> Bytes {
    Outgoing::event(frame).to_text().into()
}

/// The id at the end of a subject, so that most events need not be parsed.
fn last_token<T: FromStr>(subject: &str) -> Option<T> {
    subject.rsplit('.').next()?.parse().ok()
}

fn chat(gateway: &Gateway, delivery: &Delivery) -> Result<(), BusError> {
    let Some(conversation) = last_token::<ConversationId>(&delivery.subject) else {
        return Ok(());
    };
    if !gateway.registry.is_followed(conversation) {
        return Ok(());
    }
    match delivery.parse::<ChatEvent>()? {
        ChatEvent::Message { message, .. } => {
            send_message(gateway, conversation, &message, |message| {
                ServerFrame::ChatMessage(ChatMessage { conversation, message })
            });
        }
        ChatEvent::Change { change, message, .. } => {
            send_message(gateway, conversation, &message, |message| {
                ServerFrame::ChatChange(ChatChange { conversation, change, message })
            });
        }
        ChatEvent::Head { head_seq, head_change, .. } => {
            let head = ChatHead { conversation, head_seq, head_change };
            let text = text(ServerFrame::ChatHead(head));
            gateway.registry.send_to_followers(conversation, |_| Some(text.clone()));
        }
        ChatEvent::Receipt(receipt) => {
            let text = text(ServerFrame::ChatReceipt(receipt));
            gateway.registry.send_to_followers(conversation, |_| Some(text.clone()));
        }
        ChatEvent::Typing(typing) => {
            let writer = typing.person;
            let text = text(ServerFrame::ChatTyping(typing));
            gateway.registry.send_to_followers(conversation, |handle| {
                (handle.person != writer).then(|| text.clone())
            });
        }
    }
    Ok(())
}

/// Sends each follower what `frame` makes of the message as that one may see it.
fn send_message(
    gateway: &Gateway,
    conversation: ConversationId,
    message: &Message,
    frame: impl Fn(Message) -> ServerFrame,
) {
    let render = |message: Message| text(frame(message));
    // At most three different texts, each made when first needed.
    let (mut own, mut others, mut hidden) = (None::<Bytes>, None::<Bytes>, None);
    gateway.registry.send_to_followers(conversation, |handle| {
        let text = if handle.kind == PersonKind::Patient && message.has_operators_words() {
            hidden.get_or_insert_with(|| render(message.clone().seen_by(PersonKind::Patient)))
        } else if message.sender == Some(handle.person) {
            own.get_or_insert_with(|| render(message.clone()))
        } else {
            others.get_or_insert_with(|| {
                render(Message { client_message_id: None, ..message.clone() })
            })
        };
        Some(text.clone())
    });
}

fn person(gateway: &Gateway, delivery: &Delivery) -> Result<(), BusError> {
    let Some(person) = last_token::<PersonId>(&delivery.subject) else { return Ok(()) };
    if !gateway.registry.is_here(person) {
        return Ok(());
    }
    match delivery.parse::<PersonEvent>()? {
        PersonEvent::Frame(frame) => {
            if let Some(call) = call_in(&frame) {
                // So that its owner is told when they leave, and presence meanwhile.
                gateway.note_call_state(person, call);
            }
            let text = text(*frame);
            for handle in gateway.registry.of_person(person) {
                handle.send_text(text.clone());
            }
        }
        PersonEvent::SessionRevoked { session } => {
            gateway.registry.close_session(person, session);
        }
        PersonEvent::Replaced { connection } => {
            gateway.registry.close_replaced(person, connection);
        }
    }
    Ok(())
}

fn presence(gateway: &Gateway, delivery: &Delivery) -> Result<(), BusError> {
    let event: PresenceEvent = delivery.parse()?;
    gateway.watchers.hear(event.people);
    Ok(())
}
