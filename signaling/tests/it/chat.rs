//! Chat through the gateway: requests to the router, events from it.

use housecall_protocol::client::{
    ChatAck, ChatSend, ChatState, ErrorCode, ReceiptView, SendBody, TypingView,
};
use housecall_protocol::cluster::{
    Answer, ChatCommand, ChatEvent, ChatReply, ChatRequest, DeskEvent, Refusal, subject,
};
use housecall_protocol::domain::{Message, MessageBody, PersonKind, TimestampMs};
use housecall_protocol::{ClientMessageId, ConversationId, PersonId};
use housecall_signaling::Config;
use serde_json::{Value, json};

use crate::house::House;

/// The router's end of the bus: the test answers each request itself.
struct Router {
    house: housecall_platform::bus::Bus,
    requests: housecall_platform::bus::Subscription,
}

impl Router {
    async fn new(house: &House) -> Self {
        let requests = house.bus.subscribe_queue(subject::CHAT_REQUEST, "test").await.unwrap();
        Self { house: house.bus.clone(), requests }
    }

    async fn next(&mut self) -> (ChatRequest, housecall_platform::bus::Delivery) {
        let delivery = self.requests.next().await.unwrap();
        (delivery.parse().unwrap(), delivery)
    }

    async fn answer(&self, to: &housecall_platform::bus::Delivery, answer: Answer<ChatReply>) {
        self.house.reply(to, &answer).await.unwrap();
    }
}

fn text(house: &House, seq: i64, sender: PersonId, body: MessageBody) -> ChatEvent {
    ChatEvent::Message {
        conversation: house.conversation,
        message: Message {
            seq,
            sender: Some(sender),
            sender_name: Some("Илья".to_owned()),
            sender_kind: Some(PersonKind::Operator),
            client_message_id: Some(ClientMessageId::generate()),
            consultation: Some(house.consultation),
            sent_at: TimestampMs(1),
            reply_to: None,
            edited_at: None,
            change: 0,
            body,
        },
    }
}

async fn publish(house: &House, event: &ChatEvent) {
    house.bus.publish(&subject::chat_event(house.conversation), event).await.unwrap();
}

fn send(conversation: ConversationId, text: &str) -> Value {
    json!({"conversation": conversation, "client_message_id": ClientMessageId::generate(),
           "body": {"kind": "text", "text": text}})
}

#[tokio::test]
async fn without_a_router_the_client_is_told_and_stays() {
    let house = House::new().await;
    let mut client = house.connect(house.patient).await;
    let answer = client.request("chat.send", send(house.conversation, "hello")).await;
    assert_eq!(answer["data"]["code"], "unavailable");
    assert_eq!(client.request("ping", json!({})).await["type"], "pong");
}

/// The texts of a request, and the acknowledgement of each from `seq` on.
fn acknowledge(request: ChatRequest, seq: i64) -> (Vec<String>, Vec<Answer<ChatAck>>) {
    let ChatCommand::Send { messages } = request.command else { panic!("a send") };
    let text = |send: &ChatSend| match &send.body {
        SendBody::Text { text } => text.clone(),
        other => panic!("{other:?}"),
    };
    let texts = messages.iter().map(text).collect();
    let acks = (seq..).zip(messages).map(|(seq, send)| {
        let ChatSend { conversation, client_message_id, .. } = send;
        Ok(ChatAck { conversation, client_message_id, seq, sent_at: TimestampMs(1) })
    });
    (texts, acks.collect())
}

#[tokio::test]
async fn requests_keep_their_order_and_a_slow_one_delays_no_ping() {
    let house = House::new().await;
    let mut router = Router::new(&house).await;
    let mut client = house.connect(house.patient).await;
    let first = client.send("chat.send", send(house.conversation, "one")).await;
    let (request, slow) = router.next().await;
    assert_eq!(request.actor.person, house.patient.id);
    // Written ahead, without waiting for the first to be acknowledged.
    let ahead = [
        client.send("chat.send", send(house.conversation, "two")).await,
        client.send("chat.send", send(house.conversation, "three")).await,
    ];
    let fetch = json!({"conversation": house.conversation, "limit": 10});
    let fetch = client.send("chat.fetch", fetch).await;
    let last = client.send("chat.send", send(house.conversation, "four")).await;
    assert_eq!(client.request("ping", json!({})).await["type"], "pong");

    let (texts, acks) = acknowledge(request, 1);
    assert_eq!(texts, ["one"]);
    router.answer(&slow, Ok(ChatReply::Acks(acks))).await;
    assert_eq!(client.answer(first).await["data"]["seq"], 1);

    let (request, delivery) = router.next().await;
    let (texts, mut acks) = acknowledge(request, 2);
    assert_eq!(texts, ["two", "three"], "together, and not past the fetch");
    acks[1] = Err(Refusal::new(ErrorCode::TooLarge, "no"));
    router.answer(&delivery, Ok(ChatReply::Acks(acks))).await;
    assert_eq!(client.answer(ahead[0]).await["data"]["seq"], 2);
    assert_eq!(client.answer(ahead[1]).await["data"]["code"], "too_large");

    let (request, delivery) = router.next().await;
    assert!(matches!(request.command, ChatCommand::Fetch { .. }));
    router.answer(&delivery, Err(Refusal::new(ErrorCode::Unavailable, "later"))).await;
    assert_eq!(client.answer(fetch).await["data"]["code"], "unavailable");
    let (request, delivery) = router.next().await;
    let (texts, acks) = acknowledge(request, 3);
    assert_eq!(texts, ["four"]);
    router.answer(&delivery, Ok(ChatReply::Acks(acks))).await;
    assert_eq!(client.answer(last).await["data"]["seq"], 3);
}

#[tokio::test]
async fn a_router_that_hangs_is_not_waited_for_when_another_one_answers() {
    let config = Config { ask_again_ms: 20, ..Config::default() };
    let house = House::with(config).await;
    let mut router = Router::new(&house).await;
    let mut client = house.connect(house.patient).await;
    let id = client.send("chat.send", send(house.conversation, "one")).await;
    let (hung, unanswered) = router.next().await;
    let (again, delivery) = router.next().await;
    assert_eq!(hung, again, "the same message under the same id");
    let (_, acks) = acknowledge(again, 1);
    router.answer(&delivery, Ok(ChatReply::Acks(acks.clone()))).await;
    assert_eq!(client.answer(id).await["data"]["seq"], 1);
    // It wakes up and answers, too late: nobody hears it.
    router.answer(&unanswered, Ok(ChatReply::Acks(acks))).await;
    assert_eq!(client.request("ping", json!({})).await["type"], "pong");
    assert!(client.unexpected().is_empty(), "{:?}", client.unexpected());
}

#[tokio::test]
async fn when_nobody_answers_the_client_is_told_in_the_end() {
    let config = Config { ask_again_ms: 10, request_timeout_ms: 100, ..Config::default() };
    let house = House::with(config).await;
    let mut router = Router::new(&house).await;
    let mut client = house.connect(house.patient).await;
    let id = client.send("chat.send", send(house.conversation, "one")).await;
    let _unanswered = [router.next().await, router.next().await, router.next().await];
    assert_eq!(client.answer(id).await["data"]["code"], "unavailable");
}

#[tokio::test]
async fn a_refusal_reaches_the_client_as_an_error() {
    let house = House::new().await;
    let mut router = Router::new(&house).await;
    let mut client = house.connect(house.other_doctor).await;
    let id = client.send("chat.open", json!({"conversation": house.conversation})).await;
    let (_, delivery) = router.next().await;
    router.answer(&delivery, Err(Refusal::new(ErrorCode::Forbidden, "no"))).await;
    assert_eq!(client.answer(id).await["data"]["code"], "forbidden");
    // And its events do not come.
    let body = MessageBody::Text { text: "secret".to_owned() };
    publish(&house, &text(&house, 1, house.doctor.id, body)).await;
    assert_eq!(client.request("ping", json!({})).await["type"], "pong");
    assert!(client.unexpected().is_empty(), "{:?}", client.unexpected());
}

#[tokio::test]
async fn events_wait_for_the_answer_of_open_and_none_is_lost() {
    let house = House::new().await;
    let mut router = Router::new(&house).await;
    let mut client = house.connect(house.doctor).await;
    let id = client.send("chat.open", json!({"conversation": house.conversation})).await;
    let (_, delivery) = router.next().await;
    let body = MessageBody::Text { text: "between".to_owned() };
    publish(&house, &text(&house, 1, house.patient.id, body)).await;
    // Chat events are one subscription: once a typing of another conversation that
    // the patient follows has passed, so has the message.
    let state = ChatState {
        conversation: house.conversation,
        head_seq: 0,
        head_change: 0,
        receipts: vec![],
    };
    let mut watcher = house.connect(house.patient).await;
    let typing = TypingView {
        conversation: house.conversation,
        person: house.doctor.id,
        name: "Илья".to_owned(),
        typing: true,
    };
    publish(&house, &ChatEvent::Typing(typing)).await;
    watcher.event("chat.typing").await;
    router.answer(&delivery, Ok(ChatReply::State(state))).await;
    let frames = [client.frame().await.unwrap(), client.frame().await.unwrap()];
    assert_eq!((&frames[0]["re"], &frames[0]["type"]), (&json!(id), &json!("chat.state")));
    assert_eq!(frames[1]["data"]["message"]["body"]["text"], "between");
}

#[tokio::test]
async fn a_note_is_hidden_from_the_patient_and_client_ids_from_others() {
    let house = House::new().await;
    let mut router = Router::new(&house).await;
    let mut patient = house.connect(house.patient).await;
    let mut doctor = house.connect(house.doctor).await;
    let id = doctor.send("chat.open", json!({"conversation": house.conversation})).await;
    let (_, delivery) = router.next().await;
    let state = ChatState {
        conversation: house.conversation,
        head_seq: 0,
        head_change: 0,
        receipts: vec![],
    };
    router.answer(&delivery, Ok(ChatReply::State(state))).await;
    doctor.answer(id).await;

    let note = MessageBody::Note { text: "allergic".to_owned() };
    publish(&house, &text(&house, 1, house.doctor.id, note)).await;
    let body = MessageBody::Text { text: "good day".to_owned() };
    publish(&house, &text(&house, 2, house.doctor.id, body)).await;

    let hidden = patient.event("chat.message").await;
    assert_eq!(hidden["message"]["body"], json!({"kind": "hidden"}));
    assert_eq!(
        (&hidden["message"]["seq"], &hidden["message"]["sender"]),
        (&json!(1), &json!(null))
    );
    let seen = patient.event("chat.message").await;
    assert_eq!(seen["message"]["body"]["text"], "good day");
    assert_eq!(seen["message"]["client_message_id"], json!(null));
    assert_eq!(doctor.event("chat.message").await["message"]["body"]["text"], "allergic");
    let own = doctor.event("chat.message").await;
    assert!(own["message"]["client_message_id"].is_string());
}

#[tokio::test]
async fn typing_is_not_echoed_and_receipts_and_heads_pass() {
    let house = House::new().await;
    let mut patient = house.connect(house.patient).await;
    let conversation = house.conversation;
    let typing = |person| {
        ChatEvent::Typing(TypingView { conversation, person, name: "x".to_owned(), typing: true })
    };
    publish(&house, &typing(house.patient.id)).await;
    publish(&house, &typing(house.doctor.id)).await;
    let receipt = ReceiptView {
        conversation,
        person: house.doctor.id,
        kind: PersonKind::Operator,
        delivered_seq: 3,
        read_seq: 2,
    };
    publish(&house, &ChatEvent::Receipt(receipt)).await;
    publish(&house, &ChatEvent::Head { conversation, head_seq: 9, head_change: 0 }).await;
    assert_eq!(patient.event("chat.head").await["head_seq"], 9);
    assert_eq!(patient.event("chat.receipt").await["read_seq"], 2);
    let typed = patient.event("chat.typing").await;
    assert_eq!(typed["person"], house.doctor.id.to_string());
    assert!(patient.unexpected().is_empty(), "{:?}", patient.unexpected());
}

#[tokio::test]
async fn an_operator_who_lost_the_right_stops_hearing() {
    let house = House::new().await;
    let mut router = Router::new(&house).await;
    let mut doctor = house.connect(house.doctor).await;
    let id = doctor.send("chat.open", json!({"conversation": house.conversation})).await;
    let (_, delivery) = router.next().await;
    let state = ChatState {
        conversation: house.conversation,
        head_seq: 0,
        head_change: 0,
        receipts: vec![],
    };
    router.answer(&delivery, Ok(ChatReply::State(state))).await;
    doctor.answer(id).await;

    let (consultation, other) = (house.consultation, house.other_doctor.id);
    house
        .sql(&format!(
            "UPDATE crm.consultations SET operator_id = '{other}' WHERE id = '{consultation}'"
        ))
        .await;
    let event = DeskEvent {
        topic: housecall_protocol::client::Topic::Consultations,
        id: consultation.to_string(),
    };
    house.bus.publish(subject::DESK_EVENT, &event).await.unwrap();
    assert_eq!(doctor.event("changed").await["topic"], "consultations");
    // Desk events are handled in order: the second `changed` comes after the first's check.
    house.bus.publish(subject::DESK_EVENT, &event).await.unwrap();
    doctor.event("changed").await;
    publish(
        &house,
        &ChatEvent::Head { conversation: house.conversation, head_seq: 5, head_change: 0 },
    )
    .await;
    let mut patient = house.connect(house.patient).await;
    publish(
        &house,
        &ChatEvent::Head { conversation: house.conversation, head_seq: 6, head_change: 0 },
    )
    .await;
    patient.event("chat.head").await;
    assert_eq!(doctor.request("ping", json!({})).await["type"], "pong");
    assert!(doctor.unexpected().is_empty(), "{:?}", doctor.unexpected());
}
