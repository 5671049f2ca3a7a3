//! Pages, opening, the audit log.

use housecall_protocol::client::ErrorCode;
use housecall_protocol::cluster::{ChatCommand, ChatEvent, ChatReply};

use crate::house::{House, code};

/// Seqs of a page and whether there are more.
async fn page(
    house: &House,
    after: Option<i64>,
    before: Option<i64>,
    limit: u16,
) -> (Vec<i64>, bool) {
    let page = house.fetch(&house.patient, after, before, limit).await.unwrap();
    assert_eq!(page.head_seq, 10);
    (page.messages.iter().map(|message| message.seq).collect(), page.has_more)
}

#[tokio::test]
async fn pages_go_both_ways_and_are_ascending() {
    let house = House::new().await;
    // The first is preceded by the consultation's beginning.
    for n in 2..=10 {
        house.say(&n.to_string()).await;
    }
    assert_eq!(page(&house, Some(0), None, 4).await, (vec![1, 2, 3, 4], true));
    assert_eq!(page(&house, Some(6), None, 4).await, (vec![7, 8, 9, 10], false));
    assert_eq!(page(&house, Some(10), None, 4).await, (vec![], false));
    assert_eq!(page(&house, Some(99), None, 4).await, (vec![], false));
    assert_eq!(page(&house, None, Some(5), 3).await, (vec![2, 3, 4], true));
    assert_eq!(page(&house, None, Some(4), 3).await, (vec![1, 2, 3], false));
    assert_eq!(page(&house, None, Some(i64::MIN), 3).await, (vec![], false));
    assert_eq!(page(&house, None, None, 3).await, (vec![8, 9, 10], true));
    assert_eq!(page(&house, None, None, 10).await, ((1..=10).collect(), false));
    assert_eq!(page(&house, None, None, 0).await, (vec![10], true));
    let both = house.fetch(&house.patient, Some(1), Some(5), 3).await;
    assert_eq!(code(both), ErrorCode::BadFrame);
}

#[tokio::test]
async fn a_page_has_at_most_two_hundred() {
    let house = House::new().await;
    house.say("начало").await;
    house
        .execute(
            "SELECT a.seq FROM generate_series(1, 220) n,
                    LATERAL chat.append($1, $2, NULL, NULL, 'text', n::text, NULL, NULL) a",
            &[&house.conversation.0, &house.patient.person.0],
        )
        .await;
    let page = house.fetch(&house.patient, Some(0), None, u16::MAX).await.unwrap();
    assert_eq!((page.messages.len(), page.has_more, page.head_seq), (200, true, 222));
}

#[tokio::test]
async fn client_ids_are_shown_to_their_sender_alone() {
    let house = House::new().await;
    let doctor = house.holder().await;
    let ack = house.say("моё").await;
    let own = house.history(&house.patient).await.pop().unwrap();
    assert_eq!(own.client_message_id, Some(ack.client_message_id));
    let others = house.history(&doctor).await.pop().unwrap();
    assert_eq!(others.client_message_id, None);
}

#[tokio::test]
async fn opening_tells_the_head_and_everybodys_marks() {
    let house = House::new().await;
    let doctor = house.holder().await;
    let mut events = house.events().await;
    house.say("ещё").await;
    let (conversation, delivered_seq, read_seq) = (house.conversation, 3, 3);
    let receipt = ChatCommand::Receipt { conversation, delivered_seq, read_seq };
    house.ask(&house.patient, receipt).await.unwrap();
    // Marks are stored a moment later, and told then.
    while !matches!(events.news().await, ChatEvent::Receipt(_)) {}
    let open = ChatCommand::Open { conversation: house.conversation };
    let ChatReply::State(state) = house.ask(&doctor, open).await.unwrap() else { panic!() };
    assert_eq!(state.head_seq, 3);
    let mark = |person| {
        let receipt = state.receipts.iter().find(|receipt| receipt.person == person).unwrap();
        (receipt.delivered_seq, receipt.read_seq)
    };
    // Whoever only looks has no marks yet.
    assert_eq!(mark(house.patient.person), (3, 3));
    assert_eq!(mark(doctor.person), (0, 0));
}

#[tokio::test]
async fn an_operators_reading_is_in_the_audit_log_and_a_patients_is_not() {
    let house = House::new().await;
    let doctor = house.holder().await;
    let conversation = house.conversation;
    house.history(&house.patient).await;
    house.ask(&house.patient, ChatCommand::Open { conversation }).await.unwrap();
    assert_eq!(house.count("SELECT count(*) FROM crm.audit_log").await, 0);

    house.history(&doctor).await;
    house.history(&doctor).await;
    let read = "SELECT count(*) FROM crm.audit_log WHERE action = 'conversation.read'";
    assert_eq!(house.count(read).await, 1, "pages of one reading are one entry");
    house.ask(&doctor, ChatCommand::Open { conversation }).await.unwrap();
    house.ask(&doctor, ChatCommand::Open { conversation }).await.unwrap();
    let open = format!(
        "SELECT count(*) FROM crm.audit_log WHERE action = 'conversation.open'
         AND actor_id = '{}' AND patient_id = '{}' AND object_id = '{conversation}'",
        doctor.person, house.patient.person,
    );
    assert_eq!(house.count(&open).await, 2);
}
