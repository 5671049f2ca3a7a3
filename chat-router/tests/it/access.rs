//! Who may do what.

use housecall_protocol::client::ErrorCode::{BadFrame, Forbidden, NotFound, TooLarge};
use housecall_protocol::client::SendBody;
use housecall_protocol::cluster::{Actor, ChatCommand, Refusal};
use housecall_protocol::domain::{MessageBody, Role};
use housecall_protocol::ids::{ClientMessageId, ConversationId, FileId};

use crate::house::{House, code, file_body, note_body, text_body, words};

/// What `actor` is allowed: open, fetch, receipt, typing, send.
async fn allowed(house: &House, actor: &Actor) -> [bool; 5] {
    let conversation = house.conversation;
    let commands = [
        ChatCommand::Open { conversation },
        ChatCommand::Fetch { conversation, after_seq: None, before_seq: None, limit: 10 },
        ChatCommand::Receipt { conversation, delivered_seq: 1, read_seq: 1 },
        ChatCommand::Typing { conversation, typing: true },
    ];
    let mut allowed = Vec::new();
    let is_allowed = |refused: Option<Refusal>| match refused {
        None => true,
        Some(refusal) => {
            assert_eq!(refusal.code, Forbidden, "{refusal}");
            false
        }
    };
    for command in commands {
        allowed.push(is_allowed(house.ask(actor, command).await.err()));
    }
    let sent = house.send(actor, ClientMessageId::generate(), text_body("можно?")).await;
    allowed.push(is_allowed(sent.err()));
    allowed.try_into().expect("five")
}

const NOTHING: [bool; 5] = [false; 5];
const READING: [bool; 5] = [true, true, true, false, false];
const EVERYTHING: [bool; 5] = [true; 5];

#[tokio::test]
async fn the_matrix_of_access() {
    let house = House::new().await;
    let (stranger, _) = house.another_patient().await;
    let holder = house.holder().await;
    let colleague = house.operator(Role::Doctor, Some("therapy")).await;
    let desk = house.operator(Role::Desk, None).await;
    let supervisor = house.operator(Role::Supervisor, None).await;
    let admin = house.operator(Role::Admin, None).await;
    for (who, actor, expected) in [
        ("patient", &house.patient, EVERYTHING),
        ("another patient", &stranger, NOTHING),
        ("holder", &holder, EVERYTHING),
        ("colleague", &colleague, NOTHING),
        ("desk", &desk, NOTHING),
        ("supervisor", &supervisor, READING),
        ("admin", &admin, NOTHING),
    ] {
        assert_eq!(allowed(&house, actor).await, expected, "{who}, while active");
    }
}

#[tokio::test]
async fn while_it_waits_those_of_the_queue_read_and_nobody_but_the_patient_writes() {
    let house = House::new().await;
    house.say("болит сердце").await;
    house.execute("UPDATE crm.consultations SET specialty = 'cardiology'", &[]).await;
    let cardiologist = house.operator(Role::Doctor, Some("cardiology")).await;
    let therapist = house.operator(Role::Doctor, Some("therapy")).await;
    let desk = house.operator(Role::Desk, None).await;
    assert_eq!(allowed(&house, &cardiologist).await, READING);
    assert_eq!(allowed(&house, &desk).await, READING);
    assert_eq!(allowed(&house, &therapist).await, NOTHING);
}

#[tokio::test]
async fn after_the_end_the_former_holder_reads_and_writes_no_more() {
    let house = House::new().await;
    let doctor = house.holder().await;
    house.close().await;
    assert_eq!(allowed(&house, &doctor).await, READING);
    house.execute("UPDATE crm.operators SET disabled = true", &[]).await;
    let fetch = house.fetch(&doctor, None, None, 10).await;
    assert_eq!(code(fetch), Forbidden);
}

#[tokio::test]
async fn an_unknown_conversation_is_forbidden_like_any_other() {
    let house = House::new().await;
    let nowhere = ConversationId::generate();
    let id = ClientMessageId::generate();
    let answer = house.send_to(&house.patient, nowhere, id, text_body("?")).await;
    assert_eq!(code(answer), Forbidden);
    let open = house.ask(&house.patient, ChatCommand::Open { conversation: nowhere }).await;
    assert_eq!(code(open), Forbidden);
}

#[tokio::test]
async fn notes_are_hidden_from_the_patient_and_keep_their_place() {
    let house = House::new().await;
    let doctor = house.holder().await;
    let mut events = house.events().await;
    house.send(&doctor, ClientMessageId::generate(), note_body("подозрение")).await.unwrap();
    house.say("что со мной?").await;

    let seen = house.history(&house.patient).await;
    assert_eq!(
        seen.iter().map(words).collect::<Vec<_>>(),
        ["system", "Здравствуйте", "hidden", "что со мной?"]
    );
    assert_eq!(seen.iter().map(|m| m.seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!((seen[2].sender, &seen[2].sender_name), (None, &None));

    assert_eq!(words(&house.history(&doctor).await[2]), "подозрение");
    // Gateways hear the note itself and hide it.
    assert_eq!(events.message().await.body, MessageBody::Note { text: "подозрение".to_owned() });

    let patients_note =
        house.send(&house.patient, ClientMessageId::generate(), note_body("моё")).await;
    assert_eq!(code(patients_note), Forbidden);
}

#[tokio::test]
async fn only_ones_own_file_of_this_conversation_can_be_sent() {
    let house = House::new().await;
    let doctor = house.holder().await;
    let (other, elsewhere) = house.another_patient().await;
    let mine = house.upload(house.patient.person, house.conversation).await;
    let doctors = house.upload(doctor.person, house.conversation).await;
    let in_another = house.upload(house.patient.person, elsewhere).await;
    let foreign = house.upload(other.person, elsewhere).await;
    for file in [doctors, in_another, foreign, FileId::generate()] {
        let id = ClientMessageId::generate();
        assert_eq!(code(house.send(&house.patient, id, file_body(file)).await), NotFound);
    }
    let ack =
        house.send(&house.patient, ClientMessageId::generate(), file_body(mine)).await.unwrap();
    let history = house.history(&doctor).await;
    assert_eq!(history.len(), 3, "what was refused left nothing behind");
    let stored = history.last().unwrap();
    assert_eq!(stored.seq, ack.seq);
    let MessageBody::File { file, caption } = &stored.body else { panic!("{stored:?}") };
    assert_eq!((file.id, file.name.as_str(), file.width), (mine, "фото.jpg", Some(640)));
    assert_eq!(caption, "вот");
}

#[tokio::test]
async fn what_cannot_be_a_message_is_refused_and_opens_nothing() {
    let house = House::new().await;
    for (body, expected) in [
        (text_body(""), BadFrame),
        (text_body(" \t\n"), BadFrame),
        (text_body("a\0b"), BadFrame),
        (text_body(&"ж".repeat(101)), TooLarge),
        (SendBody::File { file: FileId::generate(), caption: "ж".repeat(101) }, TooLarge),
    ] {
        let answer = house.send(&house.patient, ClientMessageId::generate(), body).await;
        assert_eq!(code(answer), expected);
    }
    assert_eq!(house.consultations().await, []);
    house.say(&"ж".repeat(100)).await;
}
