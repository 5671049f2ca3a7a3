//! Messages between the participants that nobody keeps: a raised hand, a pointer.

use housecall_protocol::PersonId;
use housecall_protocol::client::{CallDataView, ErrorCode, ServerFrame};
use housecall_protocol::cluster::{Answer, CallReply, Refusal};
use housecall_protocol::media::{ParticipantRole, Tile};

use super::commands::{conflict, forbidden};
use super::{Ask, CallMachine, Effect, RelayStep, Signaling, State};

/// As the protocol says.
const MAX_TOPIC_BYTES: usize = 32;
const MAX_PAYLOAD_BYTES: usize = 2048;
/// As the protocol says; the longest `a=mid` of a browser has 2 characters, the
/// longest that anybody sends has 36.
const MAX_TILES: usize = 64;
const MAX_MID_BYTES: usize = 64;

impl CallMachine {
    pub(super) fn pass_data(
        &mut self,
        ask: Ask,
        topic: String,
        payload: serde_json::Value,
        to: Option<PersonId>,
        effects: &mut Vec<Effect>,
    ) -> Answer<Option<CallReply>> {
        check_topic(&topic)?;
        if payload.to_string().len() > MAX_PAYLOAD_BYTES {
            let most = format!("payload: at most {MAX_PAYLOAD_BYTES} bytes");
            return Err(Refusal::new(ErrorCode::TooLarge, most));
        }
        self.may_speak_up(ask)?;
        let heard_by: Vec<PersonId> = self
            .parties()
            .filter(|party| party.who.person != ask.person && self.counts_as_joined(party))
            .map(|party| party.who.person)
            .filter(|person| to.is_none_or(|to| to == *person && !self.is_hidden(to)))
            .collect();
        if to.is_some() && heard_by.is_empty() {
            return Err(Refusal::new(ErrorCode::NotFound, "they are not in the call"));
        }
        let view = CallDataView { call: self.info.id, from: ask.person, topic, payload };
        for to in heard_by {
            effects.push(Effect::notify(to, ServerFrame::CallData(view.clone())));
        }
        Ok(Some(CallReply::Done))
    }

    fn may_speak_up(&mut self, ask: Ask) -> Answer<()> {
        let rules = self.rules;
        if matches!(self.state, State::Ringing { .. }) {
            return Err(conflict("the call was not answered yet"));
        }
        if self.is_hidden(ask.person) {
            return Err(forbidden("a hidden listener says nothing"));
        }
        let joined = self.party(ask.person).is_some_and(|party| self.counts_as_joined(party));
        let Some(party) = self.party_mut(ask.person).filter(|_| joined) else {
            return Err(conflict("accept first"));
        };
        if party.allowance.take(ask.now, rules.data_per_second, rules.data_burst) {
            return Ok(());
        }
        Err(Refusal::new(ErrorCode::RateLimited, "too many messages in this call"))
    }

    pub(super) fn is_hidden(&self, person: PersonId) -> bool {
        self.party(person).is_some_and(|party| party.who.role == ParticipantRole::Hidden)
    }

    pub(super) fn set_tiles(
        &mut self,
        ask: Ask,
        tiles: Vec<Tile>,
        effects: &mut Vec<Effect>,
    ) -> Answer<Option<CallReply>> {
        let person = ask.person;
        if tiles.len() > MAX_TILES || tiles.iter().any(|tile| tile.mid.len() > MAX_MID_BYTES) {
            return Err(Refusal::new(ErrorCode::TooLarge, format!("at most {MAX_TILES} tiles")));
        }
        let here = Signaling::Here(ask.connection);
        if self.party(person).is_none_or(|party| party.signaling != here) {
            return Err(conflict("another device of yours is in the call"));
        }
        effects.push(Effect::Relay(RelayStep::SetTiles { person, tiles }));
        Ok(Some(CallReply::Done))
    }
}

fn check_topic(topic: &str) -> Answer<()> {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.');
    if (1..=MAX_TOPIC_BYTES).contains(&topic.len()) && topic.bytes().all(allowed) {
        return Ok(());
    }
    Err(Refusal::new(ErrorCode::BadFrame, "topic: 1 to 32 of a-z, 0-9, _ and ."))
}
