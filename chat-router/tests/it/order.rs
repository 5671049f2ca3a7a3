//! Order, durability, idempotence.

use futures::future::join_all;
use housecall_chat_router::Config;
use housecall_protocol::domain::MessageBody;
use housecall_protocol::ids::ClientMessageId;

use crate::house::{House, note_body, text_body, words};

#[tokio::test]
async fn concurrent_senders_get_gapless_seqs_in_the_order_of_announcement() {
    concurrent_senders(House::new().await).await;
}

#[tokio::test]
async fn concurrent_senders_get_gapless_seqs_over_nats() {
    concurrent_senders(House::over_nats().await).await;
}

async fn concurrent_senders(house: House) {
    let doctor = house.holder().await;
    let mut events = house.events().await;
    let sends = (0..60).map(|n| {
        let sender = if n % 2 == 0 { &house.patient } else { &doctor };
        house.send(sender, ClientMessageId::generate(), text_body(&format!("№ {n}")))
    });
    let acks: Vec<_> = join_all(sends).await.into_iter().map(Result::unwrap).collect();
    let mut seqs: Vec<i64> = acks.iter().map(|ack| ack.seq).collect();
    seqs.sort_unstable();
    // 1 is the consultation's beginning, 2 the question of `holder`.
    assert_eq!(seqs, (3..63).collect::<Vec<i64>>());

    let history = house.history(&doctor).await;
    assert_eq!(history.iter().map(|m| m.seq).collect::<Vec<_>>(), (1..63).collect::<Vec<_>>());
    assert!(history.is_sorted_by_key(|message| message.sent_at), "time follows the order");
    for (n, ack) in acks.iter().enumerate() {
        let index = usize::try_from(ack.seq - 1).unwrap();
        assert_eq!(words(&history[index]), format!("№ {n}"));
        assert_eq!(history[index].sent_at, ack.sent_at);
    }
    for seq in 3..63 {
        assert_eq!(events.message().await.seq, seq);
    }
}

#[tokio::test]
async fn a_resend_gets_the_first_answer_and_is_not_announced() {
    let house = House::new().await;
    let id = ClientMessageId::generate();
    let mut events = house.events().await;
    let first = house.send(&house.patient, id, text_body("раз")).await.unwrap();
    let again = house.send(&house.patient, id, text_body("раз")).await.unwrap();
    assert_eq!(first, again);
    let next = house.say("два").await;
    assert_eq!(next.seq, first.seq + 1);
    let heard: Vec<i64> = [events.message().await, events.message().await, events.message().await]
        .map(|m| m.seq)
        .into();
    assert_eq!(heard, [1, 2, 3]);
}

#[tokio::test]
async fn concurrent_resends_of_a_first_question_store_it_once() {
    for _ in 0..5 {
        let house = House::new().await;
        let id = ClientMessageId::generate();
        let sends = (0..20).map(|_| house.send(&house.patient, id, text_body("болит")));
        let acks: Vec<_> = join_all(sends).await.into_iter().map(Result::unwrap).collect();
        assert!(acks.iter().all(|ack| *ack == acks[0]));
        assert_eq!(house.history(&house.patient).await.len(), 2);
        assert_eq!(house.consultations().await.len(), 1);
    }
}

#[tokio::test]
async fn two_routers_together_keep_the_order_and_the_identity() {
    let house = House::new().await;
    let _second = house.second_router(Config::default()).await;
    let ids: Vec<_> = (0..30).map(|_| ClientMessageId::generate()).collect();
    let sends = ids
        .iter()
        .chain(&ids)
        .map(|id| house.send(&house.patient, *id, text_body(&id.to_string())));
    let acks: Vec<_> = join_all(sends).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(acks[..30], acks[30..]);
    let history = house.history(&house.patient).await;
    assert_eq!(history.len(), 31);
    for ack in &acks[..30] {
        let stored = &history[usize::try_from(ack.seq - 1).unwrap()];
        assert_eq!(words(stored), ack.client_message_id.to_string());
    }
}

#[tokio::test]
async fn an_ack_comes_after_the_commit() {
    let house = House::new().await;
    for n in 0..20 {
        let ack = house.say(&n.to_string()).await;
        // Another connection sees the row as soon as the ack is here.
        let query = format!("SELECT count(*) FROM chat.messages WHERE seq = {}", ack.seq);
        assert_eq!(house.count(&query).await, 1);
    }
}

#[tokio::test]
async fn while_the_conversation_is_locked_nothing_is_acknowledged() {
    let house = House::new().await;
    let mut events = house.events().await;
    let mut other = house.db.pool.get().await.unwrap();
    let transaction = other.transaction().await.unwrap();
    let lock = "SELECT 1 FROM chat.conversations WHERE id = $1 FOR UPDATE";
    transaction.execute(lock, &[&house.conversation.0]).await.unwrap();
    let mut send = Box::pin(house.say("ждёт"));
    let held = async {
        while house.metric("housecall_chat_held_total") < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = &mut send => panic!("acknowledged before it could be stored"),
        () = held => {}
    }
    transaction.commit().await.unwrap();
    assert_eq!(send.await.seq, 2);
    assert_eq!(events.message().await.seq, 1);
}

#[tokio::test]
async fn a_question_opens_one_consultation_and_the_next_after_its_end_another() {
    let house = House::new().await;
    let mut events = house.events().await;
    let mut desk = house.bus.subscribe("desk.event").await.unwrap();
    assert_eq!(house.say("болит горло").await.seq, 2, "the consultation's beginning is 1");
    house.say("второй день").await;
    let [first] = house.consultations().await[..] else { panic!("one consultation") };
    let desk_event: housecall_protocol::cluster::DeskEvent =
        desk.next().await.unwrap().parse().unwrap();
    assert_eq!(desk_event.id, first.to_string());

    house.close().await;
    house.say("снова болит").await;
    let consultations = house.consultations().await;
    assert_eq!(consultations.len(), 2);

    let history = house.history(&house.patient).await;
    let of: Vec<_> = history.iter().map(|message| message.consultation).collect();
    let [a, b] = [Some(consultations[0]), Some(consultations[1])];
    assert_eq!(of, [a, a, a, b, b]);
    assert!(matches!(history[0].body, MessageBody::System { .. }));
    assert!(matches!(history[3].body, MessageBody::System { .. }));
    // Every stored message was announced, the house's own among them, as it is stored.
    for stored in &history {
        assert_eq!(events.message().await, *stored);
    }
}

#[tokio::test]
async fn a_resend_after_the_end_neither_opens_a_consultation_nor_is_refused() {
    let house = House::new().await;
    let doctor = house.holder().await;
    let (question, answer) = (ClientMessageId::generate(), ClientMessageId::generate());
    let first = house.send(&house.patient, question, text_body("?")).await.unwrap();
    let second = house.send(&doctor, answer, note_body("!")).await.unwrap();
    house.close().await;
    assert_eq!(house.send(&house.patient, question, text_body("?")).await.unwrap(), first);
    assert_eq!(house.send(&doctor, answer, note_body("!")).await.unwrap(), second);
    assert_eq!(house.consultations().await.len(), 1);
}
