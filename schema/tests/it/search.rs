//! The text as it is searched, before and after it became cheaper to make.

use housecall_schema::testing::TestDatabase;
use tokio_postgres::Client;

const CHEAPER: &str = include_str!("../../migrations/V14__searched_text.sql");

/// `chat.searched` as `V12__search.sql` made it, in the schema and under the name given.
fn first(name: &str) -> String {
    let before = include_str!("../../migrations/V12__search.sql");
    let begin = before.find("CREATE FUNCTION chat.searched").expect("the first definition");
    let end = begin + before[begin..].find("$$;").expect("its end") + "$$;".len();
    before[begin..end].replace("CREATE FUNCTION chat.searched", name)
}

async fn count(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.expect("a count").get(0)
}

#[tokio::test]
async fn every_text_is_searched_as_it_was_before() {
    let database = TestDatabase::fresh().await;
    let client = database.pool.get().await.expect("a connection");
    client.batch_execute(&first("CREATE FUNCTION pg_temp.before")).await.expect("made");
    let differs = |texts: &str| {
        format!(
            "SELECT count(*) FROM ({texts}) t (it)
             WHERE chat.searched(it) IS DISTINCT FROM pg_temp.before(it)"
        )
    };
    let characters = "SELECT chr(c) || 'ё' || chr(c) || chr(c) FROM generate_series(1, 1114111) c
                      WHERE c NOT BETWEEN 55296 AND 57343";
    assert_eq!(count(&client, &differs(characters)).await, 0);
    // Any two characters of ASCII side by side, and between letters that are two bytes long.
    let pairs = "SELECT format('Ё%s%sё', chr(a), chr(b))
                 FROM generate_series(1, 127) a, generate_series(1, 127) b";
    assert_eq!(count(&client, &differs(pairs)).await, 0);
    let edges = "VALUES (NULL), (''), ('ё'), ('-'), (E'\\n-\\r\\n'), (repeat('[-]\\Ё', 2000))";
    assert_eq!(count(&client, &differs(edges)).await, 0);
    // The comparison does see a difference.
    let other = "SELECT count(*) FROM (VALUES ('ё-'), ('e ')) t (it)
                 WHERE it IS DISTINCT FROM pg_temp.before(it)";
    assert_eq!(count(&client, other).await, 1);
}

/// The plan of a search that has no choice but the index, if it can have that.
async fn plan(client: &Client) -> String {
    let sql = "EXPLAIN (COSTS off) SELECT 1 FROM chat.messages m
               WHERE chat.words(m.text) @@ chat.wanted('', 'кашель') AND m.kind <> 'system'";
    let rows = client.query(sql, &[]).await.expect("a plan");
    rows.iter().map(|row| row.get::<_, String>(0) + "\n").collect()
}

#[tokio::test]
async fn a_session_that_was_open_over_the_upgrade_knows_the_index_still() {
    let database = TestDatabase::fresh().await;
    let upgrading = database.pool.get().await.expect("a connection");
    upgrading
        .batch_execute(&first("CREATE OR REPLACE FUNCTION chat.searched"))
        .await
        .expect("as before the upgrade");
    let open = database.pool.get().await.expect("another connection");
    open.batch_execute("SET enable_seqscan = off").await.expect("set");
    let before = plan(&open).await;
    assert!(before.contains("Index Cond") && before.contains("translate"), "{before}");
    upgrading.batch_execute(&format!("BEGIN; {CHEAPER} COMMIT")).await.expect("upgraded");
    let after = plan(&open).await;
    assert!(after.contains("Index Cond") && after.contains("regexp_replace"), "{after}");
}

#[tokio::test]
async fn what_was_written_before_the_upgrade_is_found_after_it() {
    let database = TestDatabase::fresh().await;
    let client = database.pool.get().await.expect("a connection");
    let fill = "INSERT INTO crm.people (id, kind, name)
                    VALUES ('00000000-0000-7000-8000-000000000001', 'patient', 'Анна');
                INSERT INTO crm.patients (id, phone)
                    VALUES ('00000000-0000-7000-8000-000000000001', '+79000000031');
                INSERT INTO chat.conversations (id, patient_id, last_seq)
                    VALUES ('00000000-0000-7000-8000-000000000002',
                            '00000000-0000-7000-8000-000000000001', 300);
                INSERT INTO chat.messages (conversation_id, seq, sender_id, kind, text)
                    SELECT '00000000-0000-7000-8000-000000000002', n,
                           '00000000-0000-7000-8000-000000000001', 'text',
                           CASE n % 3 WHEN 0 THEN 'всё-таки ещё кашель, 38.5!'
                                      WHEN 1 THEN 'Ёлки: anna@example.org' ELSE 'нет' END
                    FROM generate_series(1, 300) n";
    let first = first("CREATE OR REPLACE FUNCTION chat.searched");
    client.batch_execute(&format!("{first}; {fill}")).await.expect("written before");
    client.batch_execute(&format!("BEGIN; {CHEAPER} COMMIT")).await.expect("upgraded");
    client.batch_execute("SET enable_seqscan = off").await.expect("set");
    for words in [("всё таки ещё", "38"), ("38 5", "кашел"), ("елки anna", "exam"), ("", "нет")]
    {
        let found = client
            .query_one(
                "SELECT count(*) FROM chat.messages m
                 WHERE chat.words(m.text) @@ chat.wanted($1, $2) AND m.kind <> 'system'",
                &[&words.0, &words.1],
            )
            .await
            .expect("found");
        assert_eq!(found.get::<_, i64>(0), 100, "{words:?}");
    }
}
