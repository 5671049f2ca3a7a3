//! Search in messages: what is found, by whom, and what it may cost.

use serde_json::{Value, json};

use crate::house::{House, Person};

/// `Болит горло` as it is in an address.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

async fn find(house: &House, person: &Person, words: &str) -> Vec<Value> {
    let path = format!("/api/v1/messages/search?q={}", encoded(words));
    house.get(&path, person).await.ok()["items"].as_array().unwrap().clone()
}

/// The text of each hit with the words found in brackets.
fn shown(hits: &[Value]) -> Vec<String> {
    let part = |part: &Value| {
        let text = part["text"].as_str().unwrap();
        if part["hit"] == true { format!("[{text}]") } else { text.to_owned() }
    };
    let text = |hit: &Value| hit["snippet"].as_array().unwrap().iter().map(part).collect();
    hits.iter().map(text).collect()
}

/// A patient who wrote these messages, the newest last.
async fn patient(house: &House, phone: &str, messages: &[&str]) -> Person {
    let patient = house.patient(phone).await;
    house.question(&patient).await;
    for text in messages {
        house.say(&patient, patient.conversation(), text).await;
    }
    patient
}

#[tokio::test]
async fn words_are_found_in_their_other_forms_and_unfinished() {
    let house = House::open().await;
    let texts = [
        "Второй день болит горло, температура 38",
        "Всё ещё кашель после антибиотиков",
        "Doctor prescribed two tablets yesterday",
        "Спасибо, стало лучше",
        "Давление 120/80, сахар 5.4; <b>нет</b> ли анализов на e-mail?",
    ];
    let patient = patient(&house, "+79000000701", &texts).await;
    for (words, expected) in [
        ("горла", "Второй день болит [горло], температура 38"),
        ("болит горла", "Второй день [болит] [горло], температура 38"),
        ("температу", "Второй день болит горло, [температура] 38"),
        ("болит тем", "Второй день [болит] горло, [температура] 38"),
        ("38", "Второй день болит горло, температура [38]"),
        ("АНТИБИОТИК", "Всё ещё кашель после [антибиотиков]"),
        ("еще кашляю кашель", ""),
        ("tablet", "Doctor prescribed two [tablets] yesterday"),
        ("prescribe tablets", "Doctor [prescribed] two [tablets] yesterday"),
        ("лучш", "Спасибо, стало [лучше]"),
        ("стало лучше", "Спасибо, [стало] [лучше]"),
        ("кашель и антибиотики", "Всё ещё [кашель] после [антибиотиков]"),
        ("анализы", "Давление 120/80, сахар 5.4; <b>нет</b> ли [анализов] на e-mail?"),
        ("давления 120/80", "[Давление] [120]/[80], сахар 5.4; <b>нет</b> ли анализов на e-mail?"),
        ("сахар 5.4", "Давление 120/80, [сахар] [5].[4]; <b>нет</b> ли анализов на e-mail?"),
        ("насморк", ""),
        ("больница", ""),
    ] {
        let hits = shown(&find(&house, &patient, words).await);
        let expected: Vec<&str> = [expected].into_iter().filter(|text| !text.is_empty()).collect();
        assert_eq!(hits, expected, "{words}");
    }
    for nothing in ["", " ", "а", "!&|:*"] {
        assert_eq!(find(&house, &patient, nothing).await, Vec::<Value>::new(), "{nothing:?}");
    }
}

#[tokio::test]
async fn pages_go_back_in_time_and_miss_nothing() {
    let house = House::open().await;
    let texts: Vec<String> = (0..25).map(|n| format!("кашель номер {n}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let patient = patient(&house, "+79000000702", &texts).await;
    // As many of one millisecond as may come of one commit.
    house.execute("UPDATE chat.messages SET sent_at = date_trunc('second', sent_at)").await;
    let (mut seqs, mut next) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/messages/search?q={}&limit=7{next}", encoded("кашель"));
        let page = house.get(&path, &patient).await.ok();
        seqs.extend(
            page["items"].as_array().unwrap().iter().map(|hit| hit["seq"].as_i64().unwrap()),
        );
        match page["next"].as_str() {
            Some(cursor) => next = format!("&after={cursor}"),
            None => break,
        }
    }
    assert_eq!(seqs, (2..27).rev().collect::<Vec<_>>());
    let broken = format!("/api/v1/messages/search?q={}&after=zzz", encoded("кашель"));
    house.get(&broken, &patient).await.refused(422, "invalid-body");
}

#[tokio::test]
async fn everybody_finds_what_they_may_read_and_nothing_else() {
    let house = House::open().await;
    let anna = patient(&house, "+79000000703", &["кашель у Анны"]).await;
    let boris = patient(&house, "+79000000704", &["кашель у Бориса"]).await;
    let doctor = house.operator("petrov", "doctor", Some("therapy")).await;
    let other = house.operator("ivanov", "doctor", Some("therapy")).await;
    let desk = house.operator("desk", "desk", None).await;
    let supervisor = house.operator("chief", "supervisor", None).await;
    let admin = house.operator("admin", "admin", None).await;
    let queue = house.get("/api/v1/consultations?state=waiting", &doctor).await.ok();
    let of_anna = queue["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["conversation"] == anna.conversation())
        .unwrap();
    let id = of_anna["id"].as_str().unwrap();
    house.post(&format!("/api/v1/consultations/{id}/claim"), &doctor, json!({})).await.ok();
    house.note(&doctor, anna.conversation(), "кашель курильщика").await;

    let count = async |person: &Person| find(&house, person, "кашель").await.len();
    assert_eq!(count(&anna).await, 1, "not the note");
    assert_eq!(count(&boris).await, 1);
    assert_eq!(count(&doctor).await, 3, "held, its note, and the queue");
    assert_eq!(count(&other).await, 1, "the queue alone");
    assert_eq!(count(&desk).await, 1);
    assert_eq!(count(&supervisor).await, 3);
    let path = format!("/api/v1/messages/search?q={}", encoded("кашель"));
    house.get(&path, &admin).await.refused(403, "forbidden");

    let mut opened = find(&house, &doctor, "кашель").await;
    opened.retain(|hit| hit["conversation"] == anna.conversation());
    assert!(opened.iter().all(|hit| hit["consultation"] == id), "{opened:?}");

    let within = |conversation: &str| format!("{path}&conversation={conversation}");
    let found = house.get(&within(anna.conversation()), &doctor).await.ok();
    assert_eq!(found["items"].as_array().unwrap().len(), 2);
    house.get(&within(anna.conversation()), &other).await.refused(404, "not-found");
    house.get(&within(anna.conversation()), &boris).await.refused(404, "not-found");
    let of_colleague = house.get("/api/v1/consultations?state=active", &other).await.ok();
    assert_eq!(of_colleague["items"], json!([]));
}

#[tokio::test]
async fn what_was_changed_is_found_by_its_new_words_and_what_was_deleted_by_none() {
    let house = House::open().await;
    let patient = patient(&house, "+79000000705", &["кашель", "насморк"]).await;
    house
        .execute(
            "SELECT h.outcome FROM chat.messages m, LATERAL chat.change(m.conversation_id,
                    m.sender_id, gen_random_uuid(), m.seq,
                    CASE m.text WHEN 'кашель' THEN 'чихание' END, interval '1 hour') h
             WHERE m.kind = 'text'",
        )
        .await;
    assert_eq!(shown(&find(&house, &patient, "чихан").await), ["[чихание]"]);
    for gone in ["кашель", "насморк"] {
        assert_eq!(find(&house, &patient, gone).await, Vec::<Value>::new(), "{gone}");
    }
}

#[tokio::test]
async fn an_operators_search_is_in_the_audit_log_for_each_patient_it_showed() {
    let house = House::open().await;
    let anna = patient(&house, "+79000000706", &["кашель", "сильный кашель"]).await;
    patient(&house, "+79000000707", &["насморк"]).await;
    let chief = house.operator("chief", "supervisor", None).await;
    find(&house, &chief, "кашель").await;
    find(&house, &anna, "кашель").await;
    let log = format!(
        "SELECT count(*) FROM crm.audit_log WHERE action = 'message.search'
         AND actor_id = '{}' AND patient_id = '{}'",
        chief.id(),
        anna.id()
    );
    assert_eq!(house.count(&log).await, 1);
    let all = "SELECT count(*) FROM crm.audit_log WHERE action = 'message.search'";
    assert_eq!(house.count(all).await, 1);
}

#[tokio::test]
async fn files_are_found_by_their_names_and_captions() {
    let house = House::open().await;
    let anna = patient(&house, "+79000000708", &["посмотрите"]).await;
    let boris = patient(&house, "+79000000709", &["добрый день"]).await;
    let path = |name: &str| {
        format!("/api/v1/conversations/{}/files?name={}", anna.conversation(), encoded(name))
    };
    let file = house.post(&path("Анализы_крови-2026.txt"), &anna, json!("text")).await.ok();
    house.post(&path("не отправлен: анализы.txt"), &anna, json!("text")).await.ok();
    let id = file["id"].as_str().expect("an id");
    house.send_file(&anna, anna.conversation(), id, "вчерашние").await;
    for words in ["анализ", "крови", "кровь 2026", "вчера", "txt"] {
        let hits = find(&house, &anna, words).await;
        assert_eq!(hits.len(), 1, "{words}");
        assert_eq!((&hits[0]["seq"], &hits[0]["kind"]), (&json!(3), &json!("file")));
    }
    let name = &find(&house, &anna, "крови").await[0]["file_name"];
    let expected = json!([
        { "text": "Анализы_", "hit": false },
        { "text": "крови", "hit": true },
        { "text": "-2026.txt", "hit": false },
    ]);
    assert_eq!(name, &expected);
    assert_eq!(find(&house, &boris, "анализы").await, Vec::<Value>::new());
    house
        .execute(
            "SELECT h.outcome FROM chat.messages m, LATERAL chat.change(m.conversation_id,
                    m.sender_id, gen_random_uuid(), m.seq, NULL, interval '1 hour') h
             WHERE m.kind = 'file'",
        )
        .await;
    assert_eq!(find(&house, &anna, "анализы").await, Vec::<Value>::new(), "taken back");
}

#[tokio::test]
async fn one_person_cannot_search_without_end() {
    let house = House::open_with(|config| {
        config.searches_per_person.burst = 2;
        config.searches_per_person.every_s = 600;
    })
    .await;
    let anna = patient(&house, "+79000000711", &["кашель"]).await;
    let boris = patient(&house, "+79000000712", &["кашель"]).await;
    let path = format!("/api/v1/messages/search?q={}", encoded("кашель"));
    for _ in 0..2 {
        house.get(&path, &anna).await.ok();
    }
    house.get(&path, &anna).await.refused(429, "rate-limited");
    house.get(&path, &boris).await.ok();
}

#[tokio::test]
async fn a_search_that_takes_too_long_is_refused_and_keeps_nobody_waiting() {
    let house = House::open_with(|config| {
        config.search_connections = 1;
        config.search_timeout_ms = 50;
    })
    .await;
    let patient = patient(&house, "+79000000710", &["кашель"]).await;
    // A lock makes any reading of messages as slow as a search through millions.
    let mut other = house.database.pool.get().await.expect("a connection");
    let transaction = other.transaction().await.expect("a transaction");
    transaction.batch_execute("LOCK TABLE chat.messages").await.expect("locked");
    let path = format!("/api/v1/messages/search?q={}", encoded("кашель"));
    house.get(&path, &patient).await.refused(422, "search-too-broad");
    // What does not search has connections and time enough.
    house.get("/api/v1/me", &patient).await.ok();
    transaction.commit().await.expect("released");
    assert_eq!(find(&house, &patient, "кашель").await.len(), 1);
}

#[tokio::test]
async fn new_words_are_merged_into_the_index_by_nobody_who_writes() {
    let house = House::open_with(|config| config.search_merge_ms = 10).await;
    let patient = patient(&house, "+79000000713", &["кашель"]).await;
    // Found whether it is merged yet or not.
    assert_eq!(find(&house, &patient, "кашель").await.len(), 1);
    let merged = || {
        let families = house.context.metrics.gather();
        let name = "housecall_search_merged_pages_total";
        let family = families.iter().find(|family| family.name() == name).expect("the counter");
        family.get_metric()[0].get_counter().get_value()
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), async {
        while merged() < 1.0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("merged");
    assert_eq!(find(&house, &patient, "кашель").await.len(), 1);
}
