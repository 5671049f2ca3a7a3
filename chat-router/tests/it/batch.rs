//! Many messages in one commit: each has its own fate.

use futures::future::join_all;
use housecall_chat_router::Config;
use housecall_protocol::client::{ChatAck, ChatSend, ErrorCode, SendBody};
use housecall_protocol::cluster::{Actor, Answer, ChatCommand, ChatReply, MAX_SENT_TOGETHER};
use housecall_protocol::domain::MessageBody;
use housecall_protocol::ids::{ClientMessageId, ConversationId, FileId};

use crate::house::{House, code, file_body, text_body, words};

/// One lane, so that everything is a neighbour of everything.
async fn one_lane() -> House {
    House::configured(Config { writer_lanes: 1, ..Config::default() }).await
}

fn message(conversation: ConversationId, body: SendBody) -> ChatSend {
    let client_message_id = ClientMessageId::generate();
    ChatSend { conversation, client_message_id, reply_to: None, body }
}

async fn send_many(house: &House, actor: &Actor, messages: Vec<ChatSend>) -> Vec<Answer<ChatAck>> {
    match house.ask(actor, ChatCommand::Send { messages }).await.unwrap() {
        ChatReply::Acks(acks) => acks,
        other => panic!("{other:?} instead of acks"),
    }
}

#[tokio::test]
async fn messages_sent_together_are_one_commit_in_the_order_of_writing() {
    let house = one_lane().await;
    house.say("начало").await;
    let batches = house.metric("housecall_chat_batch_messages_count");
    let messages: Vec<_> = (0..MAX_SENT_TOGETHER)
        .map(|n| message(house.conversation, text_body(&n.to_string())))
        .collect();
    let acks = send_many(&house, &house.patient, messages).await;
    let seqs: Vec<i64> = acks.into_iter().map(|ack| ack.unwrap().seq).collect();
    assert_eq!(seqs, (3..3 + MAX_SENT_TOGETHER as i64).collect::<Vec<_>>());
    // The first may go alone when the lane is idle; the rest wait for it together.
    assert!(house.metric("housecall_chat_batch_messages_count") - batches <= 2);
    let history = house.history(&house.patient).await;
    for (n, stored) in history[2..].iter().enumerate() {
        assert_eq!(words(stored), n.to_string());
    }
}

#[tokio::test]
async fn one_too_many_at_once_is_refused_as_a_whole() {
    let house = House::new().await;
    let messages = vec![message(house.conversation, text_body("!")); MAX_SENT_TOGETHER + 1];
    let answer = house.ask(&house.patient, ChatCommand::Send { messages }).await;
    assert_eq!(code(answer), ErrorCode::TooLarge);
}

#[tokio::test]
async fn a_refused_message_changes_nothing_for_its_neighbours() {
    let house = one_lane().await;
    house.say("начало").await;
    let (neighbour, theirs) = house.another_patient().await;
    let own_file = house.upload(house.patient.person, house.conversation).await;
    let their_file = house.upload(neighbour.person, theirs).await;
    let here = house.conversation;
    let messages = vec![
        message(here, text_body("раз")),
        message(theirs, text_body("чужая беседа")),
        message(ConversationId::generate(), text_body("нет такой")),
        message(here, file_body(own_file)),
        message(here, file_body(their_file)),
        message(theirs, file_body(own_file)),
        message(here, file_body(FileId::generate())),
        message(here, text_body("")),
        message(here, text_body("два")),
    ];
    let acks = send_many(&house, &house.patient, messages).await;
    let outcomes: Vec<_> =
        acks.into_iter().map(|ack| ack.map(|ack| ack.seq).map_err(|r| r.code)).collect();
    use ErrorCode::{BadFrame, Forbidden, NotFound};
    assert_eq!(
        outcomes,
        [
            Ok(3),
            Err(Forbidden),
            Err(Forbidden),
            Ok(4),
            Err(NotFound),
            Err(Forbidden),
            Err(NotFound),
            Err(BadFrame),
            Ok(5)
        ]
    );
    assert_eq!(house.history(&house.patient).await.len(), 5);
    assert_eq!(house.count("SELECT count(*) FROM chat.messages").await, 5);
}

#[tokio::test]
async fn what_the_database_itself_finds_fault_with_fails_alone() {
    let house = one_lane().await;
    house.say("начало").await;
    house.execute("ALTER TABLE chat.messages ADD CHECK (text NOT LIKE 'яд%') NOT VALID", &[]).await;
    let texts: Vec<String> =
        (0..40).map(|n| if n % 13 == 5 { format!("яд {n}") } else { n.to_string() }).collect();
    let messages = texts.iter().map(|text| message(house.conversation, text_body(text))).collect();
    let acks = send_many(&house, &house.patient, messages).await;
    let mut next = 3;
    for (text, ack) in texts.iter().zip(acks) {
        if text.starts_with("яд") {
            assert_eq!(code(ack), ErrorCode::Internal);
        } else {
            assert_eq!(ack.unwrap().seq, next, "in the order of writing");
            next += 1;
        }
    }
    assert_eq!(house.history(&house.patient).await.len() as i64, next - 1);
}

#[tokio::test]
async fn a_conversation_that_is_held_does_not_hold_up_the_others() {
    let house = one_lane().await;
    house.say("начало").await;
    let (neighbour, theirs) = house.another_patient().await;
    let mut other = house.db.pool.get().await.unwrap();
    let transaction = other.transaction().await.unwrap();
    let lock = "SELECT 1 FROM chat.conversations WHERE id = $1 FOR UPDATE";
    transaction.execute(lock, &[&house.conversation.0]).await.unwrap();
    let held: Vec<_> =
        (0..10).map(|n| message(house.conversation, text_body(&n.to_string()))).collect();
    let mut held = Box::pin(send_many(&house, &house.patient, held));
    let others = async {
        for n in 0..20 {
            let id = ClientMessageId::generate();
            let ack = house.send_to(&neighbour, theirs, id, text_body(&n.to_string())).await;
            assert_eq!(ack.unwrap().seq, n + 2);
        }
    };
    tokio::select! {
        _ = &mut held => panic!("acknowledged before it could be stored"),
        () = others => {}
    }
    transaction.commit().await.unwrap();
    let seqs: Vec<i64> = held.await.into_iter().map(|ack| ack.unwrap().seq).collect();
    assert_eq!(seqs, (3..13).collect::<Vec<_>>(), "in the order of writing");
}

#[tokio::test]
async fn questions_of_many_patients_open_a_consultation_each_in_one_commit() {
    let house = one_lane().await;
    let mut patients = Vec::new();
    for _ in 0..12 {
        patients.push(house.another_patient().await);
    }
    let sends = patients.iter().flat_map(|(patient, conversation)| {
        ["болит", "и ещё"].map(|text| {
            house.send_to(patient, *conversation, ClientMessageId::generate(), text_body(text))
        })
    });
    let acks: Vec<_> = join_all(sends).await.into_iter().map(Result::unwrap).collect();
    assert!(acks.chunks(2).all(|pair| (pair[0].seq, pair[1].seq) == (2, 3)));
    let query = "SELECT count(*) FROM crm.consultations WHERE state = 'waiting'";
    assert_eq!(house.count(query).await, 12);
    for (patient, conversation) in &patients {
        let command = ChatCommand::Fetch {
            conversation: *conversation,
            after_seq: Some(0),
            before_seq: None,
            limit: 10,
        };
        let ChatReply::Page(page) = house.ask(patient, command).await.unwrap() else { panic!() };
        assert!(matches!(page.messages[0].body, MessageBody::System { .. }));
        assert_eq!(page.messages.len(), 3);
    }
}

#[tokio::test]
async fn two_routers_at_the_same_conversations_never_wait_for_each_other() {
    let house = one_lane().await;
    let second = house.second_router(Config { writer_lanes: 1, ..Config::default() }).await;
    let mut patients = Vec::new();
    for _ in 0..8 {
        patients.push(house.another_patient().await);
    }
    // Resends among them, so that the same message is at both routers at once.
    let ids: Vec<_> = (0..25).map(|_| ClientMessageId::generate()).collect();
    let house = &house;
    let sends = ids.iter().chain(&ids).flat_map(|id| {
        patients.iter().map(move |(patient, conversation)| {
            house.send_to(patient, *conversation, *id, text_body(&id.to_string()))
        })
    });
    let acks: Vec<_> = join_all(sends).await.into_iter().map(Result::unwrap).collect();
    let (first, again) = acks.split_at(acks.len() / 2);
    assert_eq!(first, again);
    let gaps = "SELECT count(*) FROM chat.conversations c WHERE last_seq <>
                (SELECT count(*) FROM chat.messages m WHERE m.conversation_id = c.id)";
    assert_eq!(house.count(gaps).await, 0);
    let stored = "SELECT count(*) FROM chat.messages WHERE kind = 'text'";
    assert_eq!(house.count(stored).await, 200);
    house.stop().await;
    second.stop().await;
}
