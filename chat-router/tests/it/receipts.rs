//! Marks and typing.

use futures::future::join_all;
use housecall_chat_router::Config;
use housecall_protocol::client::ReceiptView;
use housecall_protocol::cluster::{Actor, ChatCommand, ChatEvent};
use housecall_protocol::ids::ClientMessageId;

use crate::house::{Events, House, text_body};

async fn mark(house: &House, actor: &Actor, delivered_seq: i64, read_seq: i64) {
    let conversation = house.conversation;
    let command = ChatCommand::Receipt { conversation, delivered_seq, read_seq };
    house.ask(actor, command).await.unwrap();
}

async fn told(events: &mut Events) -> (i64, i64) {
    match events.news().await {
        ChatEvent::Receipt(ReceiptView { delivered_seq, read_seq, .. }) => {
            (delivered_seq, read_seq)
        }
        other => panic!("{other:?} instead of a receipt"),
    }
}

#[tokio::test]
async fn marks_never_move_back_nor_past_the_end_and_only_moves_are_told() {
    let house = House::new().await;
    let doctor = house.holder().await;
    for n in 3..=6 {
        house.say(&n.to_string()).await;
    }
    let mut events = house.events().await;
    mark(&house, &doctor, 0, 0).await;
    mark(&house, &doctor, -5, -7).await;
    mark(&house, &doctor, 4, 2).await;
    assert_eq!(told(&mut events).await, (4, 2));
    mark(&house, &doctor, 3, 1).await;
    mark(&house, &doctor, 4, 2).await;
    mark(&house, &doctor, 2, 3).await;
    assert_eq!(told(&mut events).await, (4, 3));
    // Read implies delivered; nothing lies beyond the newest message.
    mark(&house, &doctor, 0, 5).await;
    assert_eq!(told(&mut events).await, (5, 5));
    mark(&house, &doctor, i64::MAX, i64::MAX).await;
    assert_eq!(told(&mut events).await, (6, 6));
}

#[tokio::test]
async fn concurrent_marks_end_at_the_highest() {
    let house = House::new().await;
    let doctor = house.holder().await;
    for n in 3..=20 {
        house.say(&n.to_string()).await;
    }
    join_all((0..=20).map(|n| mark(&house, &doctor, 20 - n / 2, n))).await;
    // The last of them are stored at the latest when the router stops.
    house.stop().await;
    let query = format!(
        "SELECT 100 * delivered_seq + read_seq FROM chat.receipts WHERE person_id = '{}'",
        doctor.person
    );
    assert_eq!(house.count(&query).await, 2020);
}

#[tokio::test]
async fn writing_is_reading_and_others_are_told_when_it_is_news() {
    let house = House::new().await;
    let doctor = house.holder().await;
    house.say("ещё").await;
    let mut events = house.events().await;
    house.send(&doctor, ClientMessageId::generate(), text_body("слушаю")).await.unwrap();
    assert!(matches!(events.news().await, ChatEvent::Message { .. }));
    assert_eq!(told(&mut events).await, (4, 4));
    // Nothing unread lay between the doctor's two messages.
    house.send(&doctor, ClientMessageId::generate(), text_body("говорите")).await.unwrap();
    assert!(matches!(events.news().await, ChatEvent::Message { .. }));
    house.stop().await;
    let query = format!("SELECT read_seq FROM chat.receipts WHERE person_id = '{}'", doctor.person);
    assert_eq!(house.count(&query).await, 5);
    assert!(events.rest().await.iter().all(|event| !matches!(event, ChatEvent::Receipt(_))));
}

#[tokio::test]
async fn marks_are_stored_while_messages_are_and_neither_waits_for_the_other() {
    let config = Config { receipt_flush_ms: 1, ..Config::default() };
    let house = House::configured(config).await;
    let doctor = house.holder().await;
    let mut events = house.events().await;
    for round in 3..23 {
        house.execute("DELETE FROM chat.receipts", &[]).await;
        let id = ClientMessageId::generate();
        let send = house.send(&doctor, id, text_body(&round.to_string()));
        let (ack, ()) = tokio::join!(send, mark(&house, &house.patient, 1, 1));
        assert_eq!(ack.unwrap().seq, round);
        while !matches!(events.news().await, ChatEvent::Receipt(_)) {}
    }
    let page = housecall_platform::telemetry::render(&house.metrics);
    assert!(page.contains("housecall_chat_retries_total 0"), "no deadlock was broken: {page}");
}

#[tokio::test]
async fn a_stopping_router_stores_the_marks_that_wait() {
    // Nothing is due before the end.
    let config = Config { receipt_flush_ms: 3_600_000, ..Config::default() };
    let house = House::configured(config).await;
    let doctor = house.holder().await;
    mark(&house, &doctor, 2, 1).await;
    house.stop().await;
    let marks = "SELECT sum(10 * delivered_seq + read_seq)::bigint FROM chat.receipts
                 WHERE person_id = ";
    assert_eq!(house.count(&format!("{marks}'{}'", doctor.person)).await, 21);
    // The patient's own question implies theirs.
    assert_eq!(house.count(&format!("{marks}'{}'", house.patient.person)).await, 22);
}

#[tokio::test]
async fn two_routers_never_move_a_mark_back() {
    let house = House::new().await;
    let doctor = house.holder().await;
    let second = house.second_router(Config::default()).await;
    for n in 3..=40 {
        house.say(&n.to_string()).await;
    }
    // In turn, so that each router has about half of them, in no order.
    join_all((0..=40).map(|n| mark(&house, &doctor, n, n * 7 % 41))).await;
    house.stop().await;
    second.stop().await;
    let query = format!(
        "SELECT 100 * delivered_seq + read_seq FROM chat.receipts WHERE person_id = '{}'",
        doctor.person
    );
    assert_eq!(house.count(&query).await, 4040);
}

#[tokio::test]
async fn typing_is_passed_on_with_the_name() {
    let house = House::new().await;
    let mut events = house.events().await;
    let conversation = house.conversation;
    for typing in [true, false] {
        house.ask(&house.patient, ChatCommand::Typing { conversation, typing }).await.unwrap();
        let ChatEvent::Typing(view) = events.news().await else { panic!("typing") };
        assert_eq!((view.name.as_str(), view.typing), ("Анна", typing));
        assert_eq!(view.person, house.patient.person);
    }
}
