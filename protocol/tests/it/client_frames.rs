//! What clients send.

use housecall_protocol::client::*;
use housecall_protocol::domain::{CallMedia, CallSubject, MediaState, PresenceStatus, TrackSource};
use housecall_protocol::media::*;
use serde_json::json;

use crate::{by_type, id};

const ON: MediaState = MediaState { microphone: true, camera: true, screen: false };

fn examples() -> Vec<ClientFrame> {
    let conversation = id(1);
    let call = id(2);
    vec![
        ClientFrame::Hello(Hello {
            protocol: 1,
            token: "header.claims.signature".to_owned(),
            device: "phone-1".to_owned(),
            previous: Some(id(3)),
        }),
        ClientFrame::AuthRefresh(AuthRefresh { token: "header.claims.signature".to_owned() }),
        ClientFrame::Ping(Empty {}),
        ClientFrame::ChatOpen(ChatOpen { conversation }),
        ClientFrame::ChatClose(ChatClose { conversation }),
        ClientFrame::ChatSend(ChatSend {
            conversation,
            client_message_id: id(4),
            reply_to: Some(40),
            body: SendBody::Text { text: "Добрый день".to_owned() },
        }),
        ClientFrame::ChatEdit(ChatEdit {
            conversation,
            seq: 41,
            client_change_id: id(9),
            text: "Добрый вечер".to_owned(),
        }),
        ClientFrame::ChatDelete(ChatDelete { conversation, seq: 41, client_change_id: id(9) }),
        ClientFrame::ChatFetch(ChatFetch {
            conversation,
            after_seq: Some(41),
            before_seq: None,
            limit: 50,
        }),
        ClientFrame::ChatFetchChanges(ChatFetchChanges {
            conversation,
            after_change: 3,
            limit: 50,
        }),
        ClientFrame::ChatReceipt(ChatReceipt { conversation, delivered_seq: 42, read_seq: 41 }),
        ClientFrame::ChatTyping(ChatTyping { conversation, typing: true }),
        ClientFrame::PresenceSet(PresenceSet { status: PresenceStatus::Away }),
        ClientFrame::PresenceActive(Empty {}),
        ClientFrame::PresenceWatch(PresenceWatch { people: vec![id(5)] }),
        ClientFrame::CallStart(CallStart {
            subject: CallSubject::Consultation(id(6)),
            media: CallMedia::Video,
            state: ON,
            sdp: "v=0".to_owned(),
        }),
        ClientFrame::CallPrepare(CallOffer { call, sdp: "v=0".to_owned() }),
        ClientFrame::CallAccept(CallAccept { call, state: ON, sdp: None }),
        ClientFrame::CallDecline(CallRef { call }),
        ClientFrame::CallHangUp(CallRef { call }),
        ClientFrame::CallOffer(CallOffer { call, sdp: "v=0".to_owned() }),
        ClientFrame::CallMedia(CallMediaChange { call, state: ON }),
        ClientFrame::CallReport(CallReport {
            call,
            first_frame_ms: Some(240),
            loss_percent: Some(0.5),
            rtt_ms: Some(32.0),
            jitter_ms: None,
            freezes: Some(0),
            concealed_percent: Some(0.25),
            jitter_buffer_ms: Some(60.0),
            estimate_bps: Some(1_200_000),
            path: Some(MediaPath::TurnTls),
            tracks: vec![TrackQuality {
                source: TrackSource::Camera,
                direction: Direction::Down,
                person: Some(id(5)),
                loss: 0.0625,
                jitter_ms: Some(4.0),
                bitrate_bps: 900_000,
                frames_per_second: Some(30.0),
                freezes: Some(0),
            }],
            faults: vec![TrackFault {
                person: id(5),
                source: TrackSource::Microphone,
                fault: MediaFault::NotDecoded,
            }],
        }),
        ClientFrame::CallTiles(CallTiles {
            call,
            tiles: vec![Tile { mid: "1".to_owned(), width: 640, height: 360 }],
        }),
        ClientFrame::CallData(CallData {
            call,
            topic: "hand".to_owned(),
            payload: json!({"raised": true}),
            to: Some(id(5)),
        }),
        ClientFrame::CallMute(CallMute {
            call,
            person: id(5),
            allowed: MediaState { microphone: false, ..ON },
        }),
        ClientFrame::CallInvite(CallInvite {
            call,
            person: id(5),
            role: ParticipantRole::Listener,
        }),
        ClientFrame::CallRemove(CallRemove { call, person: id(5) }),
        ClientFrame::CallListen(CallOffer { call, sdp: "v=0".to_owned() }),
    ]
}

#[test]
fn every_frame_is_written_as_it_was() {
    insta::assert_json_snapshot!(by_type(&examples()));
}

#[test]
fn every_type_has_an_example_and_is_read_back() {
    let kinds: Vec<_> = examples().iter().map(ClientFrame::kind).collect();
    assert_eq!(kinds, ClientFrame::TYPES);
    for frame in examples() {
        let mut value = serde_json::to_value(&frame).unwrap();
        value["id"] = json!(7);
        let read = ClientFrame::parse(&value.to_string()).unwrap();
        assert_eq!(read, Incoming { id: Some(7), frame });
    }
}

#[test]
fn bodies_of_every_kind_are_written_as_they_were() {
    insta::assert_json_snapshot!([
        SendBody::Text { text: "Добрый день".to_owned() },
        SendBody::File { file: id(8), caption: String::new() },
        SendBody::Note { text: "аллергия".to_owned() },
    ]);
}

#[test]
fn what_cannot_be_read_says_why() {
    let code = |text: &str| ClientFrame::parse(text).map_err(|bad| (bad.id, bad.code)).unwrap_err();
    assert_eq!(code(r#"{"id":1,"type":"x.y"}"#), (Some(1), ErrorCode::UnknownFrame));
    assert_eq!(code(r#"{"id":1,"type":"ping","data":{"a":1}}"#), (Some(1), ErrorCode::BadFrame));
    assert_eq!(code(r#"{"id":1,"type":"hello","data":{}}"#), (Some(1), ErrorCode::BadFrame));
    assert_eq!(code(r#"{"id":-1,"type":"ping"}"#), (None, ErrorCode::BadFrame));
    assert_eq!(code(r#"{"id":1,"type":"ping","more":1}"#), (None, ErrorCode::BadFrame));
    assert_eq!(code("{"), (None, ErrorCode::BadFrame));
}

#[test]
fn a_frame_without_fields_needs_no_data() {
    let read = ClientFrame::parse(r#"{"type":"ping"}"#).unwrap();
    assert_eq!(read, Incoming { id: None, frame: ClientFrame::Ping(Empty {}) });
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in ".*", kind in "[a-z.\"\\\\]{0,12}", data in ".{0,40}") {
        let _ = ClientFrame::parse(&text);
        let _ = ClientFrame::parse(&format!(r#"{{"type":"{kind}","data":{data}}}"#));
    }
}
