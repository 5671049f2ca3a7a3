//! A device that stops reading is closed, others are served meanwhile, and when it comes
//! back it has every message exactly once.

use serde_json::json;
use uuid::Uuid;

use crate::client::{Client, text};
use crate::house::House;

/// Messages of 16 KB under way at once, and all of them: more than what sockets hold.
const WINDOW: usize = 30;
const MOST: usize = 4000;

#[tokio::test(flavor = "multi_thread")]
async fn who_did_not_read_resumes_with_every_message_once() {
    let plenty = || "1000000000".to_owned();
    let (house, _log) = House::start_watched(&[
        ("HOUSECALL_SIGNALING__OUTBOUND_BYTES", "1500000".to_owned()),
        ("HOUSECALL_SIGNALING__FRAMES_BURST", plenty()),
        ("HOUSECALL_SIGNALING__PERSON_FRAMES_BURST", plenty()),
        ("HOUSECALL_SIGNALING__BYTES_BURST", plenty()),
        ("HOUSECALL_SIGNALING__PERSON_BYTES_BURST", plenty()),
    ])
    .await;
    let patient = house.patient("+79005550077").await;
    let conversation = patient.conversation.clone().unwrap();
    let mut writer = Client::connect(&house, &patient.token).await;
    let mut stalled = Client::connect(&house, &patient.token).await;

    let mut written = Vec::new();
    let mut acknowledged = 0;
    while !is_closed(&house).await {
        assert!(written.len() < MOST, "{MOST} messages wait for who does not read");
        for _ in 0..WINDOW {
            let id = Uuid::now_v7();
            let words = "😷".repeat(4000);
            writer.send("chat.send", text(&conversation, id, &words)).await.unwrap();
            written.push(id.to_string());
        }
        while acknowledged < written.len() {
            let frame = writer.next().await.expect("who reads is served");
            assert_ne!(frame["type"], "error", "{frame}");
            acknowledged += usize::from(frame["type"] == "chat.ack");
        }
    }

    // What was written to it before the close, in order.
    let mut seen: Vec<(i64, String)> = Vec::new();
    while let Ok(frame) = stalled.next().await {
        if frame["type"] == "chat.message" {
            seen.push(place(&frame["data"]["message"]));
        }
    }
    // Who reads too late finds the connection reset.
    assert!(matches!(stalled.closed(), Some((4008, "slow_consumer")) | None));
    assert!(seen.len() < written.len(), "it missed some");
    let previous = stalled.connection();
    let mut back = Client::enter(&house.public, &patient.token, Some(&previous)).await.unwrap();
    let state = back.request("chat.open", json!({ "conversation": conversation })).await.unwrap();
    let head = state["data"]["head_seq"].as_i64().unwrap();
    while seen.last().map_or(0, |(seq, _)| *seq) < head {
        let after = seen.last().map_or(0, |(seq, _)| *seq);
        let ask = json!({ "conversation": conversation, "after_seq": after, "limit": 200 });
        let page = back.request("chat.fetch", ask).await.unwrap();
        seen.extend(page["data"]["messages"].as_array().unwrap().iter().map(place));
    }
    let seqs: Vec<i64> = seen.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(seqs, (1..=head).collect::<Vec<_>>(), "each once, in order");
    let ids: Vec<&String> = seen.iter().map(|(_, id)| id).filter(|id| !id.is_empty()).collect();
    assert_eq!(ids, written.iter().collect::<Vec<_>>());
    assert!(house.stop().await.success());
}

fn place(message: &serde_json::Value) -> (i64, String) {
    let id = message["client_message_id"].as_str().unwrap_or_default();
    (message["seq"].as_i64().unwrap(), id.to_owned())
}

async fn is_closed(house: &House) -> bool {
    let page = house.http.get(format!("{}/metrics", house.private)).send().await.unwrap();
    page.text().await.unwrap().contains("housecall_gateway_connections{kind=\"patient\"} 1\n")
}
