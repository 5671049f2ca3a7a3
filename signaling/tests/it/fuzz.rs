//! Whatever a client sends, its connection stays or closes with a documented code.

use housecall_protocol::client::{ClientFrame, close};
use housecall_signaling::Config;
use proptest::prelude::*;
use proptest::test_runner::{Config as Runner, TestRunner};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::house::House;

const DOCUMENTED: [u16; 3] = [close::UNREADABLE, close::RATE_LIMITED, close::SLOW_CONSUMER];

fn message() -> impl Strategy<Value = Message> {
    let frame = (
        proptest::sample::select(ClientFrame::TYPES.to_vec()),
        proptest::option::of(any::<u32>()),
        proptest::string::string_regex(
            r#"(\{("[a-z_]{1,8}":("[a-z]{0,5}"|[0-9]{1,3}|null))?\}|\[\]|null|7|"x")"#,
        )
        .expect("a regular expression"),
    )
        .prop_map(|(kind, id, data)| {
            let id = id.map_or("null".to_owned(), |id| id.to_string());
            Message::text(format!(r#"{{"type":"{kind}","id":{id},"data":{data}}}"#))
        });
    prop_oneof![
        3 => frame,
        2 => ".{0,200}".prop_map(Message::text),
        1 => proptest::collection::vec(any::<u8>(), 0..200).prop_map(Message::binary),
        1 => proptest::collection::vec(any::<u8>(), 0..100)
            .prop_map(|bytes| Message::Ping(bytes.into())),
    ]
}

#[test]
fn no_input_ends_a_connection_without_saying_why() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let house = runtime.block_on(House::with(Config { frames_burst: 1000, ..Config::default() }));
    let mut runner = TestRunner::new(Runner { cases: 64, ..Runner::default() });
    let messages = proptest::collection::vec(message(), 1..12);
    runner
        .run(&messages, |messages| {
            runtime.block_on(async {
                let mut client = house.connect(house.patient).await;
                for message in messages {
                    client.send_raw(message).await;
                }
                client.send("ping", json!({})).await;
                loop {
                    match client.frame().await {
                        Ok(frame) if frame["type"] == "pong" && frame["re"] == 2 => break,
                        Ok(_) => {}
                        Err(code) => {
                            prop_assert!(code.is_some_and(|code| DOCUMENTED.contains(&code)));
                            return Ok(());
                        }
                    }
                }
                client.leave().await;
                Ok(())
            })
        })
        .unwrap();
}
