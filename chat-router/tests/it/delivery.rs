//! Beacons, bounds, the end.

use futures::future::join_all;
use housecall_chat_router::Config;
use housecall_protocol::client::ErrorCode;
use housecall_protocol::cluster::ChatEvent;
use housecall_protocol::ids::ClientMessageId;

use crate::house::{House, text_body};

#[tokio::test]
async fn the_beacon_uncovers_the_loss_of_the_last_message() {
    let house = House::configured(Config { beacon_interval_ms: 20, ..Config::default() }).await;
    house.say("потеряется").await;
    // Subscribed after the message: it is lost to this listener.
    let mut events = house.events().await;
    let head = events.next().await;
    let conversation = house.conversation;
    assert_eq!(head, ChatEvent::Head { conversation, head_seq: 2, head_change: 0 });
}

#[tokio::test]
async fn a_router_announces_at_its_start_what_a_crashed_one_could_not() {
    let house = House::new().await;
    let message = house.say("записано").await;
    house.stop().await;
    let mut events = house.events().await;
    let context = housecall_platform::service::Context {
        node: uuid::Uuid::now_v7(),
        bus: house.bus.clone(),
        pool: house.db.pool.clone(),
        verifier: housecall_platform::token::Verifier::new(house.bus.clone(), "identity.jwks"),
        metrics: prometheus::Registry::new(),
        settings: housecall_platform::service::Settings::default().into(),
        shutdown: tokio_util::sync::CancellationToken::new(),
    };
    housecall_chat_router::start(context, Config::default()).await.unwrap();
    let head = events.next().await;
    let (conversation, head_seq) = (house.conversation, message.seq);
    assert_eq!(head, ChatEvent::Head { conversation, head_seq, head_change: 0 });
}

#[tokio::test]
async fn more_requests_than_the_bound_are_refused_and_can_be_sent_again() {
    let house = House::configured(Config { max_in_flight: 2, ..Config::default() }).await;
    let ids: Vec<_> = (0..40).map(|_| ClientMessageId::generate()).collect();
    let mut left = ids.clone();
    let mut refusals = 0;
    while !left.is_empty() {
        let sends = left.iter().map(|id| house.send(&house.patient, *id, text_body("много")));
        let answers = join_all(sends).await;
        let mut again = Vec::new();
        for (id, answer) in left.iter().zip(answers) {
            if let Err(refusal) = answer {
                assert_eq!(refusal.code, ErrorCode::Unavailable);
                refusals += 1;
                again.push(*id);
            }
        }
        assert!(again.len() < left.len(), "each round stores something");
        left = again;
    }
    assert!(refusals > 0, "the bound was reached");
    assert_eq!(house.history(&house.patient).await.len(), 41);
    let page = housecall_platform::telemetry::render(&house.metrics);
    let line = format!("housecall_chat_refusals_total{{code=\"unavailable\"}} {refusals}");
    assert!(page.contains(&line), "{page}");
    assert!(page.contains("housecall_chat_messages_total{kind=\"text\"} 40"), "{page}");
}

#[tokio::test]
async fn a_stopping_router_answers_everybody_and_keeps_what_it_acknowledged() {
    let house = House::new().await;
    let sends = (0..50)
        .map(|_| house.send(&house.patient, ClientMessageId::generate(), text_body("успею?")));
    let (answers, ()) = tokio::join!(join_all(sends), async {
        tokio::task::yield_now().await;
        house.stop().await;
    });
    let mut acknowledged: Vec<i64> =
        answers.into_iter().filter_map(|answer| answer.ok().map(|ack| ack.seq)).collect();
    acknowledged.sort_unstable();
    let stored = house.count("SELECT count(*) FROM chat.messages WHERE kind = 'text'").await;
    assert_eq!(i64::try_from(acknowledged.len()).unwrap(), stored);
    assert!(acknowledged.windows(2).all(|pair| pair[0] + 1 == pair[1]));
}
