//! What the server sends.

use housecall_protocol::client::*;
use housecall_protocol::domain::*;
use housecall_protocol::media::*;

use crate::{by_type, id};

const AT: TimestampMs = TimestampMs(1_764_000_000_000);

fn therapy() -> Specialty {
    Specialty {
        code: "therapy".to_owned(),
        name_ru: "Терапия".to_owned(),
        name_en: "General practice".to_owned(),
        doctor_ru: "Терапевт".to_owned(),
        doctor_en: "General practitioner".to_owned(),
    }
}

fn party(n: u128, kind: PersonKind) -> CallParty {
    CallParty {
        person: id(n),
        name: "Илья".to_owned(),
        kind,
        specialty: (kind == PersonKind::Operator).then(therapy),
        media: MediaState { microphone: true, camera: false, screen: false },
        reconnecting: false,
        role: ParticipantRole::Member,
        allowed: MediaState::ALL,
    }
}

fn call(state: CallState) -> CallView {
    CallView {
        id: id(2),
        conversation: id(1),
        subject: CallSubject::Callback(id(6)),
        media: CallMedia::Audio,
        state,
        caller: party(5, PersonKind::Operator),
        callee: party(7, PersonKind::Patient),
        guests: vec![CallGuest {
            party: party(9, PersonKind::Operator),
            invited_by: id(5),
            ringing: true,
        }],
        created_at: AT,
        accepted_at: (state == CallState::Ended).then_some(AT),
        ended: (state == CallState::Ended).then_some(EndReason::HungUp),
    }
}

fn message(body: MessageBody) -> Message {
    Message {
        seq: 42,
        sender: Some(id(7)),
        sender_name: Some("Анна".to_owned()),
        sender_kind: Some(PersonKind::Patient),
        client_message_id: Some(id(4)),
        consultation: Some(id(6)),
        sent_at: AT,
        reply_to: Some(Quote {
            seq: 40,
            sender: Some(id(5)),
            sender_name: Some("Илья".to_owned()),
            sender_kind: Some(PersonKind::Operator),
            body: QuoteBody::Text { text: "Что беспокоит?".to_owned() },
        }),
        edited_at: Some(AT),
        change: 3,
        body,
    }
}

fn receipt() -> ReceiptView {
    ReceiptView {
        conversation: id(1),
        person: id(7),
        kind: PersonKind::Patient,
        delivered_seq: 42,
        read_seq: 41,
    }
}

fn welcome() -> Welcome {
    Welcome {
        protocol: 1,
        connection: id(3),
        session: id(8),
        person: id(7),
        kind: PersonKind::Patient,
        server_time: AT,
        heartbeat_ms: 25_000,
        ice_servers: vec![IceServer {
            urls: vec!["turns:turn.clinic.example:443?transport=tcp".to_owned()],
            username: Some("1764000000:person".to_owned()),
            credential: Some("base64".to_owned()),
        }],
        calls: vec![call(CallState::Ringing)],
        conversation: Some(id(1)),
        limits: Limits {
            message_characters: 4000,
            file_bytes: 26_214_400,
            ring_seconds: 45,
            change_seconds: 3600,
        },
    }
}

fn chat() -> Vec<ServerFrame> {
    let conversation = id(1);
    let text = || MessageBody::Text { text: "Болит горло".to_owned() };
    vec![
        ServerFrame::ChatState(ChatState {
            conversation,
            head_seq: 42,
            head_change: 3,
            receipts: vec![receipt()],
        }),
        ServerFrame::ChatAck(ChatAck {
            conversation,
            client_message_id: id(4),
            seq: 42,
            sent_at: AT,
        }),
        ServerFrame::ChatPage(ChatPage {
            conversation,
            messages: vec![message(text())],
            head_seq: 42,
            head_change: 3,
            has_more: true,
        }),
        ServerFrame::ChatMessage(ChatMessage { conversation, message: message(text()) }),
        ServerFrame::ChatChangeAck(ChatChangeAck {
            conversation,
            client_change_id: id(9),
            change: 3,
        }),
        ServerFrame::ChatChange(ChatChange {
            conversation,
            change: 3,
            message: message(MessageBody::Deleted),
        }),
        ServerFrame::ChatChanges(ChatChanges {
            conversation,
            messages: vec![message(text())],
            up_to_change: 3,
            has_more: false,
        }),
        ServerFrame::ChatHead(ChatHead { conversation, head_seq: 42, head_change: 3 }),
        ServerFrame::ChatReceipt(receipt()),
        ServerFrame::ChatTyping(TypingView {
            conversation,
            person: id(7),
            name: "Анна".to_owned(),
            typing: true,
        }),
    ]
}

fn calls() -> Vec<ServerFrame> {
    let slot = MediaSlot {
        mid: "1".to_owned(),
        person: Some(id(5)),
        source: Some(TrackSource::Screen),
        pause: Some(SlotPause::Bandwidth),
    };
    let sdp = || "v=0".to_owned();
    vec![
        ServerFrame::CallStarted(CallStarted { call: call(CallState::Ringing), sdp: sdp() }),
        ServerFrame::CallAnswer(CallAnswer { call: id(2), sdp: sdp() }),
        ServerFrame::CallIncoming(CallUpdate { call: call(CallState::Ringing) }),
        ServerFrame::CallUpdated(CallUpdate { call: call(CallState::Ended) }),
        ServerFrame::CallSlots(CallSlots { call: id(2), slots: vec![slot] }),
        ServerFrame::CallOfferNeeded(CallOfferNeeded {
            call: id(2),
            audio_slots: 2,
            video_slots: 2,
        }),
        ServerFrame::CallQuality(CallQuality {
            call: id(2),
            person: id(5),
            level: QualityLevel::Good,
            mos: Some(3.5),
            loss: Some(0.125),
            rtt_ms: Some(80.0),
        }),
        ServerFrame::CallLayers(CallLayers {
            call: id(2),
            source: TrackSource::Camera,
            rids: vec!["q".to_owned()],
        }),
        ServerFrame::CallMoved(CallMoved { call: id(2) }),
        ServerFrame::CallSpeakers(CallSpeakers {
            call: id(2),
            speakers: vec![Speaker { person: id(5), level: 96 }],
        }),
        ServerFrame::CallData(CallDataView {
            call: id(2),
            from: id(5),
            topic: "hand".to_owned(),
            payload: serde_json::json!({"raised": true}),
        }),
        ServerFrame::CallTrouble(CallTrouble {
            call: id(2),
            person: id(5),
            source: TrackSource::Microphone,
            receiver: None,
            fault: MediaFault::NotArriving,
            over: false,
        }),
    ]
}

fn examples() -> Vec<ServerFrame> {
    let mut frames = vec![
        ServerFrame::Welcome(Box::new(welcome())),
        ServerFrame::Ok(Empty {}),
        ServerFrame::Pong(Empty {}),
        ServerFrame::Error(ErrorFrame {
            code: ErrorCode::RateLimited,
            message: "too many frames".to_owned(),
            retry_after_ms: Some(250),
        }),
        ServerFrame::Changed(Changed { topic: Topic::Consultations, id: "6".to_owned() }),
        ServerFrame::Presence(PresenceView {
            people: vec![PersonPresence {
                person: id(5),
                status: PresenceStatus::Busy,
                last_seen: None,
            }],
        }),
    ];
    frames.extend(chat());
    frames.extend(calls());
    frames
}

/// One arm for each variant: a new frame does not compile until it has an example.
const fn has_example(frame: &ServerFrame) {
    match frame {
        ServerFrame::Welcome(_)
        | ServerFrame::Ok(_)
        | ServerFrame::Pong(_)
        | ServerFrame::Error(_)
        | ServerFrame::ChatState(_)
        | ServerFrame::ChatAck(_)
        | ServerFrame::ChatPage(_)
        | ServerFrame::ChatMessage(_)
        | ServerFrame::ChatChangeAck(_)
        | ServerFrame::ChatChange(_)
        | ServerFrame::ChatChanges(_)
        | ServerFrame::ChatHead(_)
        | ServerFrame::ChatReceipt(_)
        | ServerFrame::ChatTyping(_)
        | ServerFrame::Changed(_)
        | ServerFrame::Presence(_)
        | ServerFrame::CallStarted(_)
        | ServerFrame::CallAnswer(_)
        | ServerFrame::CallIncoming(_)
        | ServerFrame::CallUpdated(_)
        | ServerFrame::CallSlots(_)
        | ServerFrame::CallOfferNeeded(_)
        | ServerFrame::CallQuality(_)
        | ServerFrame::CallLayers(_)
        | ServerFrame::CallMoved(_)
        | ServerFrame::CallSpeakers(_)
        | ServerFrame::CallData(_)
        | ServerFrame::CallTrouble(_) => {}
    }
}

#[test]
fn every_frame_is_written_as_it_was() {
    examples().iter().for_each(has_example);
    let map = by_type(&examples());
    assert_eq!(map.len(), 28, "one example for each frame");
    insta::assert_json_snapshot!(map);
}

#[test]
fn every_frame_is_read_back_with_its_re() {
    for frame in examples() {
        let reply = Outgoing::reply(Some(7), frame.clone());
        let text = reply.to_text();
        assert!(text.contains(r#""re":7"#), "{text}");
        assert_eq!(serde_json::from_str::<Outgoing>(&text).unwrap(), reply);
        assert!(!Outgoing::event(frame).to_text().contains(r#""re""#));
    }
}

#[test]
fn message_bodies_of_every_kind_are_written_as_they_were() {
    let file = FileView {
        id: id(8),
        name: "горло.jpg".to_owned(),
        media_type: "image/jpeg".to_owned(),
        size_bytes: 120_000,
        width: Some(1280),
        height: Some(960),
        state: FileState::Ready,
        has_thumbnail: true,
    };
    let (consultation, callback) = (id(6), id(9));
    let system = |event| MessageBody::System { event };
    insta::assert_json_snapshot!([
        MessageBody::Text { text: "Болит горло".to_owned() },
        MessageBody::File { file, caption: String::new() },
        MessageBody::Note { text: "аллергия".to_owned() },
        MessageBody::Deleted,
        MessageBody::DeletedNote,
        MessageBody::Hidden,
        system(SystemEvent::ConsultationOpened { consultation, number: 10_001, specialty: None }),
        system(SystemEvent::ConsultationClaimed {
            consultation,
            operator: id(5),
            operator_name: "Илья".to_owned(),
            waited_s: 90,
        }),
        system(SystemEvent::ConsultationTransferred {
            consultation,
            operator: None,
            operator_name: None,
            specialty: Some("cardiology".to_owned()),
        }),
        system(SystemEvent::ConsultationClosed {
            consultation,
            operator: Some(id(5)),
            operator_name: Some("Илья".to_owned()),
            summary: "Полоскать".to_owned(),
        }),
        system(SystemEvent::CallbackRequested {
            callback,
            reason: "Вопрос".to_owned(),
            call_at: Some(AT),
        }),
        system(SystemEvent::CallbackDone { callback }),
        system(SystemEvent::CallbackCancelled { callback }),
        system(SystemEvent::CallEnded {
            call: id(2),
            media: CallMedia::Video,
            reason: EndReason::NoAnswer,
            started_by: id(5),
            started_by_name: "Илья".to_owned(),
            duration_s: 0,
        }),
    ]);
}

#[test]
fn patients_see_neither_notes_nor_what_quotes_them() {
    let note = || QuoteBody::Note { text: "аллергия".to_owned() };
    let quoting = |body, quoted| {
        let mut message = message(body);
        message.reply_to.as_mut().unwrap().body = quoted;
        message
    };
    let text = || MessageBody::Text { text: "Болит".to_owned() };
    for one in [
        quoting(MessageBody::Note { text: "?".to_owned() }, note()),
        quoting(MessageBody::DeletedNote, QuoteBody::DeletedNote),
        quoting(text(), note()),
    ] {
        assert!(one.has_operators_words());
        assert_eq!(one.clone().seen_by(PersonKind::Operator), one);
        let seen = one.clone().seen_by(PersonKind::Patient);
        assert!(!seen.has_operators_words());
        assert_eq!((seen.seq, seen.change, seen.reply_to), (one.seq, one.change, None));
        match one.body {
            MessageBody::Text { .. } => assert_eq!(seen.sender, one.sender),
            _ => assert_eq!((seen.body, seen.sender), (MessageBody::Hidden, None)),
        }
    }
    let open = quoting(text(), QuoteBody::Deleted);
    assert_eq!(open.clone().seen_by(PersonKind::Patient), open);
}
