//! Edits, deletions, replies.

use futures::future::join_all;
use housecall_protocol::client::ErrorCode;
use housecall_protocol::cluster::ChatEvent;
use housecall_protocol::domain::{Message, MessageBody, QUOTE_CHARACTERS, QuoteBody, Role};
use housecall_protocol::ids::ClientChangeId;

use crate::house::{Events, House, code, file_body, note_body, text_body, words};

async fn change(events: &mut Events) -> (i64, Message) {
    loop {
        if let ChatEvent::Change { change, message, .. } = events.next().await {
            return (change, message);
        }
    }
}

#[tokio::test]
async fn an_edit_replaces_the_text_for_everybody_and_keeps_the_first_on_record() {
    let house = House::new().await;
    let doctor = house.holder().await;
    let seq = house.say("болит горо").await.seq;
    let mut events = house.events().await;
    assert_eq!(house.edit(&house.patient, seq, "болит горло").await.unwrap(), 1);
    let (number, told) = change(&mut events).await;
    assert_eq!((number, told.change, words(&told)), (1, 1, "болит горло"));
    assert!(told.edited_at.is_some());
    assert_eq!(house.edit(&house.patient, seq, "очень болит горло").await.unwrap(), 2);

    let seen = house.history(&doctor).await.pop().unwrap();
    assert_eq!((seen.seq, seen.change, words(&seen)), (seq, 2, "очень болит горло"));
    assert_eq!(seen.client_message_id, None);
    let record = "SELECT count(*) FROM chat.changes WHERE kind = 'edited' AND
                  old_text = CASE change WHEN 1 THEN 'болит горо' ELSE 'болит горло' END";
    assert_eq!(house.count(record).await, 2);
    // Neither the order nor the time of writing changes.
    assert_eq!(house.say("дальше").await.seq, seq + 1);
}

#[tokio::test]
async fn a_deletion_takes_the_words_and_the_file_from_everywhere_but_the_record() {
    let house = House::new().await;
    let doctor = house.holder().await;
    let file = house.upload(house.patient.person, house.conversation).await;
    let id = housecall_protocol::ids::ClientMessageId::generate();
    let photo = house.send(&house.patient, id, file_body(file)).await.unwrap().seq;
    let words = house.say("секрет").await.seq;
    let answer = house.reply(&doctor, words, text_body("понял")).await.seq;
    assert_eq!(house.delete(&house.patient, photo).await.unwrap(), 1);
    assert_eq!(house.delete(&house.patient, words).await.unwrap(), 2);

    let history = house.history(&doctor).await;
    let at = |seq: i64| &history[usize::try_from(seq - 1).unwrap()];
    for seq in [photo, words] {
        assert_eq!(at(seq).body, MessageBody::Deleted);
        assert_eq!(at(seq).sender, Some(house.patient.person), "who wrote stays");
    }
    assert_eq!(at(answer).reply_to.as_ref().unwrap().body, QuoteBody::Deleted);
    let gone = "SELECT count(*) FROM chat.messages WHERE deleted_at IS NOT NULL
                AND text = '' AND file_id IS NULL";
    assert_eq!(house.count(gone).await, 2);
    let record = "SELECT count(*) FROM chat.changes WHERE kind = 'deleted'
                  AND (old_text = 'секрет' OR old_file_id IS NOT NULL)";
    assert_eq!(house.count(record).await, 2);
    // A resend of the first message neither brings it back nor stores it again.
    let again = house.send(&house.patient, id, file_body(file)).await.unwrap();
    assert_eq!(again.seq, photo);
    assert_eq!(house.history(&doctor).await.len(), history.len());
}

#[tokio::test]
async fn the_record_of_changes_cannot_be_changed() {
    let house = House::new().await;
    let seq = house.say("!").await.seq;
    house.edit(&house.patient, seq, "?").await.unwrap();
    let client = house.db.pool.get().await.unwrap();
    for statement in ["UPDATE chat.changes SET old_text = ''", "DELETE FROM chat.changes"] {
        assert!(client.execute(statement, &[]).await.is_err(), "{statement}");
    }
}

#[tokio::test]
async fn only_ones_own_living_and_recent_messages_are_changed() {
    let house = House::new().await;
    let doctor = house.holder().await;
    let supervisor = house.operator(Role::Supervisor, None).await;
    let (stranger, _) = house.another_patient().await;
    let own = house.say("моё").await.seq;
    use ErrorCode::{BadFrame, Conflict, Forbidden, NotFound, TooLarge};
    for (actor, seq, text, expected) in [
        (&doctor, own, "чужое", NotFound),
        (&supervisor, own, "чужое", Forbidden),
        (&stranger, own, "чужое", Forbidden),
        (&house.patient, 1, "о системе", NotFound),
        (&house.patient, own + 1, "нет такого", NotFound),
        (&house.patient, i64::MAX, "нет такого", NotFound),
        (&house.patient, own, " \n", BadFrame),
        (&house.patient, own, "a\0b", BadFrame),
        (&house.patient, own, &"ё".repeat(101), TooLarge),
    ] {
        let refused = house.edit(actor, seq, text).await;
        assert_eq!(code(refused), expected, "{text}");
    }
    house.delete(&house.patient, own).await.unwrap();
    assert_eq!(code(house.edit(&house.patient, own, "снова").await), Conflict);
    assert_eq!(code(house.delete(&house.patient, own).await), Conflict);

    let late = house.say("давно").await.seq;
    let hour_ago = "UPDATE chat.messages SET sent_at = now() - interval '3601 s' WHERE seq = $1";
    house.execute(hour_ago, &[&late]).await;
    assert_eq!(code(house.edit(&house.patient, late, "поздно").await), Conflict);

    let answer = house.reply(&doctor, late, text_body("ответ")).await.seq;
    house.close().await;
    assert_eq!(code(house.edit(&doctor, answer, "другой ответ").await), Forbidden);
    assert_eq!(house.count("SELECT max(last_change) FROM chat.conversations").await, 1);
}

#[tokio::test]
async fn a_caption_may_be_taken_away_and_a_text_may_not() {
    let house = House::new().await;
    house.say("начало").await;
    let file = house.upload(house.patient.person, house.conversation).await;
    let id = housecall_protocol::ids::ClientMessageId::generate();
    let seq = house.send(&house.patient, id, file_body(file)).await.unwrap().seq;
    house.edit(&house.patient, seq, "").await.unwrap();
    let message = house.history(&house.patient).await.pop().unwrap();
    assert!(matches!(message.body, MessageBody::File { caption, .. } if caption.is_empty()));
}

#[tokio::test]
async fn a_resent_change_has_its_effect_once() {
    let house = House::new().await;
    let seq = house.say("раз").await.seq;
    let id = ClientChangeId::generate();
    let changes =
        join_all((0..10).map(|_| house.change(&house.patient, seq, id, Some("два")))).await;
    assert!(changes.iter().all(|change| *change == Ok(1)), "{changes:?}");
    house.edit(&house.patient, seq, "три").await.unwrap();
    assert_eq!(house.change(&house.patient, seq, id, Some("два")).await, Ok(1));
    assert_eq!(words(&house.history(&house.patient).await[1]), "три", "not undone");
    house.delete(&house.patient, seq).await.unwrap();
    assert_eq!(house.change(&house.patient, seq, id, Some("два")).await, Ok(1));
    assert_eq!(house.count("SELECT count(*) FROM chat.changes").await, 3);
}

#[tokio::test]
async fn who_missed_changes_fetches_the_messages_as_they_are_now() {
    let house = House::new().await;
    let doctor = house.holder().await;
    let mut seqs = Vec::new();
    for n in 0..5 {
        seqs.push(house.say(&n.to_string()).await.seq);
    }
    // Changes 1 to 5, then 6 and 7 of messages that were changed before.
    for seq in &seqs {
        house.edit(&house.patient, *seq, &format!("{seq}!")).await.unwrap();
    }
    house.delete(&house.patient, seqs[0]).await.unwrap();
    house.edit(&house.patient, seqs[3], "последнее").await.unwrap();

    let all = house.changes(&doctor, 0, 200).await;
    assert_eq!((all.up_to_change, all.has_more), (7, false));
    let numbers: Vec<i64> = all.messages.iter().map(|message| message.change).collect();
    assert_eq!(numbers, [2, 3, 5, 6, 7], "each message once, by its last change");
    let (mut after, mut paged) = (0, Vec::new());
    loop {
        let page = house.changes(&doctor, after, 2).await;
        assert!(page.messages.len() <= 2);
        paged.extend(page.messages);
        after = page.up_to_change;
        if !page.has_more {
            break;
        }
    }
    assert_eq!((after, paged), (7, all.messages));
    assert_eq!(house.changes(&doctor, 7, 200).await.messages, []);
    let after_the_end = house.changes(&doctor, 99, 200).await;
    assert_eq!((after_the_end.messages.len(), after_the_end.up_to_change), (0, 7));
}

#[tokio::test]
async fn changes_of_notes_are_hidden_from_the_patient_and_keep_their_numbers() {
    let house = House::new().await;
    let doctor = house.holder().await;
    let id = housecall_protocol::ids::ClientMessageId::generate();
    let note = house.send(&doctor, id, note_body("подозрение")).await.unwrap().seq;
    let reply = house.reply(&doctor, note, note_body("проверить")).await.seq;
    let open = house.reply(&doctor, note, text_body("сдайте анализ")).await.seq;
    house.edit(&doctor, note, "подтвердилось").await.unwrap();
    let seen = house.changes(&house.patient, 0, 200).await;
    assert_eq!((seen.up_to_change, seen.messages.len()), (1, 1));
    assert_eq!((&seen.messages[0].body, seen.messages[0].edited_at), (&MessageBody::Hidden, None));
    let history = house.history(&house.patient).await;
    assert!(history.iter().all(|message| message.reply_to.is_none()));
    let of_doctor = house.history(&doctor).await;
    let quoted = |seq: i64| of_doctor[usize::try_from(seq - 1).unwrap()].reply_to.as_ref();
    assert!(matches!(&quoted(reply).unwrap().body,
                     QuoteBody::Note { text } if text == "подтвердилось"));
    assert_eq!(quoted(open), None, "a note is quoted by notes alone");
    house.delete(&doctor, note).await.unwrap();
    let seen = house.changes(&house.patient, 1, 200).await;
    assert_eq!(seen.messages[0].body, MessageBody::Hidden);
}

#[tokio::test]
async fn a_reply_quotes_what_it_answers_and_goes_without_what_cannot_be_quoted() {
    let house = House::new().await;
    let doctor = house.holder().await;
    let long = house.say(&"ё".repeat(90)).await.seq;
    let mut events = house.events().await;
    let reply = house.reply(&doctor, long, text_body("да")).await.seq;
    let told = events.message().await;
    let stored = house.history(&doctor).await.pop().unwrap();
    assert_eq!((told.seq, &told.reply_to), (reply, &stored.reply_to));
    let quote = told.reply_to.unwrap();
    assert_eq!((quote.seq, quote.sender), (long, Some(house.patient.person)));
    let QuoteBody::Text { text } = quote.body else { panic!("a text") };
    assert!(text.chars().count() <= QUOTE_CHARACTERS);

    let deleted = house.say("ой").await.seq;
    house.delete(&house.patient, deleted).await.unwrap();
    for target in [1, deleted, 10_000, 0, -1, i64::MIN, i64::MAX] {
        house.reply(&doctor, target, text_body("всё равно")).await;
        let stored = house.history(&doctor).await.pop().unwrap();
        assert_eq!((words(&stored), &stored.reply_to), ("всё равно", &None), "to {target}");
    }
}

#[tokio::test]
async fn concurrent_changes_get_gapless_numbers_and_every_reader_ends_with_the_same() {
    let house = House::new().await;
    let doctor = house.holder().await;
    let second = house.second_router(housecall_chat_router::Config::default()).await;
    let mut own = Vec::new();
    for n in 0..4 {
        own.push(house.say(&n.to_string()).await.seq);
    }
    let answer = house.reply(&doctor, own[0], text_body("?")).await.seq;
    let mut events = house.events().await;
    let (house, doctor) = (&house, &doctor);
    let edits = (0..40).map(|n| {
        let (actor, seq) = match n % 5 {
            4 => (doctor, answer),
            index => (&house.patient, own[index]),
        };
        async move { house.edit(actor, seq, &format!("№ {n}")).await.unwrap() }
    });
    let mut numbers = join_all(edits).await;
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=40).collect::<Vec<i64>>());
    // What was announced, in whatever order, leaves a reader with what is stored.
    let mut seen = std::collections::HashMap::new();
    for _ in 0..40 {
        let (_, message) = change(&mut events).await;
        let known = seen.entry(message.seq).or_insert_with(|| message.clone());
        if known.change < message.change {
            *known = message;
        }
    }
    for stored in house.history(doctor).await.iter().filter(|message| message.change > 0) {
        assert_eq!(words(&seen[&stored.seq]), words(stored));
    }
    second.stop().await;
}

#[tokio::test]
async fn the_beacon_tells_of_changes_too() {
    let config = housecall_chat_router::Config { beacon_interval_ms: 20, ..Default::default() };
    let house = House::configured(config).await;
    let seq = house.say("раз").await.seq;
    house.edit(&house.patient, seq, "два").await.unwrap();
    // Subscribed after the change: it is lost to this listener.
    let mut events = house.events().await;
    let head = events.next().await;
    let conversation = house.conversation;
    assert_eq!(head, ChatEvent::Head { conversation, head_seq: seq, head_change: 1 });
}
