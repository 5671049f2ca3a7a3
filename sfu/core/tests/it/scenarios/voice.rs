//! A microphone and what the others hear of it.

use std::time::{Duration, Instant};

pub(super) const FRAME: Duration = Duration::from_millis(20);
/// 20 ms of Opus at 40 kb/s.
const BYTES: usize = 100;

/// The payload of the `number`th packet.
pub(super) fn payload(speaker: u32, number: u32, since_start: Duration) -> Vec<u8> {
    let mut payload = vec![0x78; BYTES];
    payload[1..5].copy_from_slice(&speaker.to_be_bytes());
    payload[5..9].copy_from_slice(&number.to_be_bytes());
    payload[9..17].copy_from_slice(&(since_start.as_micros() as u64).to_be_bytes());
    payload
}

/// What was heard in one stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    pub(super) packets: u32,
    pub(super) longest_gap: Duration,
    pub(super) longest_delay: Duration,
    pub(super) delay_sum: Duration,
    /// Packets that arrived more than once.
    pub(super) repeated: u32,
    /// Packets in each second since the beginning.
    pub(super) by_second: Vec<u32>,
}

#[derive(Debug)]
pub(super) struct Listener {
    stage_start: Instant,
    begun: Instant,
    last: Option<Instant>,
    last_of: Option<(u32, u32)>,
    pub(super) heard: Heard,
}

impl Listener {
    pub(super) fn new(stage_start: Instant, now: Instant) -> Self {
        Self { stage_start, begun: now, last: None, last_of: None, heard: Heard::default() }
    }

    pub(super) fn begin(&mut self, now: Instant) {
        self.begun = now;
        self.heard = Heard::default();
        self.last = None;
    }

    pub(super) fn receive(&mut self, now: Instant, payload: &[u8]) {
        let word = |at: usize| payload.get(at..at + 4)?.try_into().map(u32::from_be_bytes).ok();
        let (Some(speaker), Some(number)) = (word(1), word(5)) else { return };
        let Some(sent) = payload.get(9..17).and_then(|bytes| bytes.try_into().ok()) else { return };
        if self.last_of == Some((speaker, number)) {
            self.heard.repeated += 1;
            return;
        }
        self.last_of = Some((speaker, number));
        let delay = now - (self.stage_start + Duration::from_micros(u64::from_be_bytes(sent)));
        let heard = &mut self.heard;
        heard.packets += 1;
        heard.delay_sum += delay;
        heard.longest_delay = heard.longest_delay.max(delay);
        if let Some(last) = self.last.replace(now) {
            heard.longest_gap = heard.longest_gap.max(now - last);
        }
        let second = (now - self.begun).as_secs() as usize;
        if heard.by_second.len() <= second {
            heard.by_second.resize(second + 1, 0);
        }
        heard.by_second[second] += 1;
    }
}
