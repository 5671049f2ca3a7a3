//! One contract, two buses: in one process and over NATS.

mod outage;

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use housecall_platform::bus::{Bus, BusError, Delivery, SUBSCRIPTION_CAPACITY, Subscription};
use housecall_platform::testing::NatsServer;

/// A test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Two handles, as two services have them; over NATS two connections.
struct Pair {
    one: Bus,
    other: Bus,
    _server: Option<NatsServer>,
}

impl Pair {
    fn local() -> Self {
        let bus = Bus::local();
        Self { one: bus.clone(), other: bus, _server: None }
    }

    async fn nats() -> Self {
        let server = NatsServer::start().await;
        let one = Bus::nats(&server.url()).await.unwrap();
        let other = Bus::nats(&server.url()).await.unwrap();
        Self { one, other, _server: Some(server) }
    }
}

macro_rules! for_both {
    ($($rule:ident),+ $(,)?) => {
        mod local {
            $(#[tokio::test]
            async fn $rule() {
                super::$rule(super::Pair::local()).await;
            })+
        }
        mod nats {
            $(#[tokio::test]
            async fn $rule() {
                super::$rule(super::Pair::nats().await).await;
            })+
        }
    };
}

for_both!(
    a_message_reaches_every_subscriber_in_order,
    a_pattern_matches_what_nats_says,
    a_dropped_subscription_hears_nothing,
    a_group_shares_and_others_hear_all,
    a_request_is_answered_once,
    many_requests_find_their_answers,
    a_request_nobody_serves_fails_at_once,
    a_request_whose_server_is_silent_times_out,
    an_answer_of_the_wrong_shape_is_an_error,
    a_slow_subscriber_loses_and_the_publisher_does_not_wait,
);

async fn next(subscription: &mut Subscription) -> Delivery {
    let next = tokio::time::timeout(PATIENCE, subscription.next()).await;
    next.expect("a message comes").expect("the bus is open")
}

async fn number(subscription: &mut Subscription) -> u32 {
    next(subscription).await.parse().unwrap()
}

async fn a_message_reaches_every_subscriber_in_order(Pair { one, other, _server }: Pair) {
    let mut first = one.subscribe("a.b").await.unwrap();
    let mut second = other.subscribe("a.b").await.unwrap();
    for n in 0..100_u32 {
        one.publish("a.b", &n).await.unwrap();
    }
    for n in 0..100 {
        assert_eq!(number(&mut first).await, n);
        assert_eq!(number(&mut second).await, n);
    }
}

async fn a_pattern_matches_what_nats_says(Pair { one, other, _server }: Pair) {
    let mut star = one.subscribe("chat.*").await.unwrap();
    let mut rest = one.subscribe("chat.>").await.unwrap();
    for (n, subject) in ["chat", "chat.a.b", "chats.a", "chat.a"].into_iter().enumerate() {
        other.publish(subject, &u32::try_from(n).unwrap()).await.unwrap();
    }
    let delivery = next(&mut star).await;
    assert_eq!((delivery.subject.as_str(), delivery.parse::<u32>().unwrap()), ("chat.a", 3));
    assert!(!delivery.is_request());
    assert_eq!([number(&mut rest).await, number(&mut rest).await], [1, 3]);
}

async fn a_dropped_subscription_hears_nothing(Pair { one, other, _server }: Pair) {
    let dropped = one.subscribe_queue("job", "group").await.unwrap();
    let mut kept = one.subscribe_queue("job", "group").await.unwrap();
    drop(dropped);
    // Over NATS the word of it travels on the connection; this follows it.
    one.flush().await;
    let mut marker = one.subscribe("marker").await.unwrap();
    one.publish("marker", &0_u32).await.unwrap();
    number(&mut marker).await;
    for n in 0..50_u32 {
        other.publish("job", &n).await.unwrap();
    }
    for n in 0..50 {
        assert_eq!(number(&mut kept).await, n);
    }
}

async fn a_group_shares_and_others_hear_all(Pair { one, other, _server }: Pair) {
    let mut members = [
        one.subscribe_queue("job.*", "workers").await.unwrap(),
        other.subscribe_queue("job.*", "workers").await.unwrap(),
    ];
    let mut auditor = other.subscribe_queue("job.*", "auditors").await.unwrap();
    let mut everyone = one.subscribe("job.*").await.unwrap();
    for n in 0..200_u32 {
        one.publish("job.x", &n).await.unwrap();
    }
    for n in 0..200 {
        assert_eq!(number(&mut auditor).await, n);
        assert_eq!(number(&mut everyone).await, n);
    }
    let mut shares = [0, 0];
    let mut seen = BTreeSet::new();
    let [first, second] = &mut members;
    while seen.len() < 200 {
        let (member, delivery) = tokio::select! {
            delivery = next(first) => (0, delivery),
            delivery = next(second) => (1, delivery),
        };
        shares[member] += 1;
        assert!(seen.insert(delivery.parse::<u32>().unwrap()), "delivered to one member only");
    }
    assert!(shares.iter().all(|share| *share > 20), "{shares:?}");
}

/// Answers every request on `subject` with the number after it.
fn serve(bus: &Bus, mut requests: Subscription) -> tokio::task::JoinHandle<()> {
    let bus = bus.clone();
    tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            assert!(request.is_request());
            let number: u32 = request.parse().unwrap();
            bus.reply(&request, &(number + 1)).await.unwrap();
            // The first answer counts.
            bus.reply(&request, &0_u32).await.unwrap();
        }
    })
}

async fn a_request_is_answered_once(Pair { one, other, _server }: Pair) {
    let server = serve(&one, one.subscribe_queue("next", "group").await.unwrap());
    for n in 0..20_u32 {
        let answer: u32 = other.request("next", &n, PATIENCE).await.unwrap();
        assert_eq!(answer, n + 1);
    }
    server.abort();
}

async fn many_requests_find_their_answers(Pair { one, other, _server }: Pair) {
    let first = serve(&one, one.subscribe_queue("next", "group").await.unwrap());
    let second = serve(&other, other.subscribe_queue("next", "group").await.unwrap());
    let requests = (0..500_u32).map(|n| {
        let bus = if n % 2 == 0 { &one } else { &other };
        async move { bus.request::<_, u32>("next", &n, PATIENCE).await.unwrap() }
    });
    let answers = join_all(requests).await;
    assert_eq!(answers, (1..=500).collect::<Vec<_>>());
    first.abort();
    second.abort();
}

async fn a_request_nobody_serves_fails_at_once(Pair { one, other, _server }: Pair) {
    let answer = one.request::<_, u32>("nobody", &1_u32, PATIENCE).await;
    assert!(matches!(answer, Err(BusError::NoResponders { .. })), "{answer:?}");
    // Nor does it help that somebody once did.
    drop(other.subscribe("nobody").await.unwrap());
    other.flush().await;
    let answer = other.request::<_, u32>("nobody", &1_u32, PATIENCE).await;
    assert!(matches!(answer, Err(BusError::NoResponders { .. })), "{answer:?}");
}

async fn a_request_whose_server_is_silent_times_out(Pair { one, other, _server }: Pair) {
    let mut requests = one.subscribe("silent").await.unwrap();
    let timeout = Duration::from_millis(50);
    let answer = other.request::<_, u32>("silent", &1_u32, timeout).await;
    assert!(matches!(answer, Err(BusError::Timeout { .. })), "{answer:?}");
    // An answer after the time hurts nobody.
    let late = next(&mut requests).await;
    one.reply(&late, &2_u32).await.unwrap();
}

async fn an_answer_of_the_wrong_shape_is_an_error(Pair { one, other, _server }: Pair) {
    let server = serve(&one, one.subscribe("next").await.unwrap());
    let answer = other.request::<_, String>("next", &1_u32, PATIENCE).await;
    assert!(matches!(answer, Err(BusError::Malformed { .. })), "{answer:?}");
    server.abort();
}

async fn a_slow_subscriber_loses_and_the_publisher_does_not_wait(
    Pair { one, other, _server }: Pair,
) {
    let mut slow = one.subscribe("flood").await.unwrap();
    let mut quick = other.subscribe("flood").await.unwrap();
    let sent = u32::try_from(2 * SUBSCRIPTION_CAPACITY).unwrap();
    let reading = async {
        let mut last = 0;
        while last < sent {
            last = number(&mut quick).await;
        }
    };
    let publishing = async {
        for n in 1..=sent {
            one.publish("flood", &n).await.unwrap();
            if n % 64 == 0 {
                // The quick subscriber keeps up, in whatever order tasks run.
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::time::timeout(PATIENCE, async { tokio::join!(publishing, reading) })
        .await
        .expect("a slow subscriber holds up nobody");
    // It has what fitted and nothing is out of order.
    let mut marker = one.subscribe("marker").await.unwrap();
    one.publish("marker", &0_u32).await.unwrap();
    number(&mut marker).await;
    for n in 1..=u32::try_from(SUBSCRIPTION_CAPACITY).unwrap() {
        assert_eq!(number(&mut slow).await, n);
    }
    // It hears again what comes after its pause.
    other.publish("flood", &u32::MAX).await.unwrap();
    assert_eq!(number(&mut slow).await, u32::MAX);
}

#[tokio::test]
async fn the_local_bus_counts_losses_and_hands_a_full_members_share_to_another() {
    let bus = Bus::local();
    let full = bus.subscribe_queue("job", "group").await.unwrap();
    for n in 0..SUBSCRIPTION_CAPACITY {
        bus.publish("job", &n).await.unwrap();
    }
    let mut free = bus.subscribe_queue("job", "group").await.unwrap();
    for n in 0..10_u32 {
        bus.publish("job", &n).await.unwrap();
    }
    for n in 0..10 {
        assert_eq!(number(&mut free).await, n);
    }
    assert_eq!((full.lost(), free.lost()), (0, 0), "another member took what one could not");
    drop(free);
    bus.publish("job", &0_u32).await.unwrap();
    assert_eq!(full.lost(), 1);
}
