//! What a decoder makes of one received video stream: frames put together from
//! packets in order, decoded if what they need was decoded, a key frame asked for
//! when it cannot go on. And what a person would see of it.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use super::camera::{FRAME, Mark, read};

/// A gap is given up when a key frame stands behind it after this and two round trips:
/// until then a retransmission, or a second one, may fill it.
const REPAIR_PATIENCE: Duration = Duration::from_millis(150);
/// After that many times as long a key frame is asked for, and again.
const PROGRESS_FACTOR: u32 = 2;
/// A picture that stands for this much longer than a frame's time is a freeze, as
/// browsers count it (`freezeCount` in webrtc-stats).
const FREEZE: Duration = Duration::from_millis(150);

#[derive(Clone, Copy, Debug)]
struct Packet {
    starts: bool,
    marker: bool,
    picture_id: u16,
    timestamp: u32,
    mark: Mark,
}

/// What was seen, from [`Viewer::begin`] on.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) frames: u32,
    /// Frames a decoder would have taken for whole though what they build on was
    /// missing, or that were torn: broken pictures. Never allowed.
    pub(super) broken: u32,
    pub(super) freezes: u32,
    pub(super) frozen: Duration,
    pub(super) longest_gap: Duration,
    /// Key frames asked for by the decoder.
    pub(super) key_requests: u32,
    pub(super) key_frames: u32,
    /// Changes of the layer that is shown.
    pub(super) switches: u32,
    /// From the camera to the screen, mean of all frames, and the worst one.
    pub(super) delay_sum: Duration,
    pub(super) longest_delay: Duration,
    pub(super) first_after: Option<Duration>,
    /// Frames of each layer.
    pub(super) of_layer: [u32; 3],
}

impl Seen {}

/// What stands first in line.
enum Head {
    /// A whole frame, up to this number.
    Frame(u64),
    /// Nothing that helps before this number.
    Useless(u64),
    Incomplete,
}

#[derive(Debug)]
pub(super) struct Viewer {
    stage_start: Instant,
    patience: Duration,
    packets: BTreeMap<u64, Packet>,
    next_seq: Option<u64>,
    /// Decoded since the last key frame.
    decoded: HashSet<(u32, u32)>,
    last: Option<Mark>,
    last_picture_id: Option<u16>,
    last_timestamp: Option<u32>,
    last_shown: Option<Instant>,
    last_progress: Instant,
    stuck_since: Option<Instant>,
    /// Something arrived since the last attempt.
    fresh: bool,
    /// What arrives is of no use before a key frame.
    lacks_key: bool,
    begun: Instant,
    pub(super) seen: Seen,
    /// Each change: when, which layer.
    pub(super) layers: Vec<(Duration, u8)>,
}

impl Viewer {
    pub(super) fn new(stage_start: Instant, now: Instant, rtt: Duration) -> Self {
        Self {
            stage_start,
            patience: REPAIR_PATIENCE + 2 * rtt,
            packets: BTreeMap::new(),
            next_seq: None,
            decoded: HashSet::new(),
            last: None,
            last_picture_id: None,
            last_timestamp: None,
            last_shown: None,
            last_progress: now,
            stuck_since: None,
            fresh: false,
            lacks_key: false,
            begun: now,
            seen: Seen::default(),
            layers: Vec::new(),
        }
    }

    /// Counts from now on.
    pub(super) fn begin(&mut self, now: Instant) {
        self.begun = now;
        self.seen = Seen::default();
        self.last_shown = Some(now);
    }

    /// Ends counting: a picture that still stands is a freeze, too.
    pub(super) fn end(&mut self, now: Instant) -> Seen {
        self.note_gap(now);
        self.last_shown = Some(now);
        self.seen.clone()
    }

    pub(super) fn receive(&mut self, seq: u64, timestamp: u32, marker: bool, payload: &[u8]) {
        let Some(read) = read(payload) else { return };
        if self.next_seq.is_some_and(|next| seq < next) {
            return;
        }
        let packet = Packet {
            starts: read.starts,
            marker,
            picture_id: read.picture_id,
            timestamp,
            mark: read.mark,
        };
        self.packets.insert(seq, packet);
        self.fresh = true;
    }

    /// Decodes what can be. Whether a key frame has to be asked for.
    pub(super) fn decode(&mut self, now: Instant) -> bool {
        if std::mem::take(&mut self.fresh) {
            self.decode_frames(now);
        }
        if self.packets.is_empty() && !self.lacks_key {
            self.stuck_since = None;
            return false;
        }
        let since = *self.stuck_since.get_or_insert(now);
        if now - since >= self.patience && self.skip_to_key() {
            self.stuck_since = None;
            self.decode_frames(now);
            return false;
        }
        let patience = self.patience * PROGRESS_FACTOR;
        let asks = now - since >= patience && now - self.last_progress >= patience;
        if asks {
            self.last_progress = now;
            self.seen.key_requests += 1;
        }
        asks
    }

    fn decode_frames(&mut self, now: Instant) {
        loop {
            match self.head() {
                Head::Frame(end) => self.show(now, end),
                Head::Useless(next) => {
                    self.lacks_key |= self.next_seq.is_none();
                    self.packets = self.packets.split_off(&next);
                }
                Head::Incomplete => return,
            }
        }
    }

    fn head(&self) -> Head {
        let Some((first, head)) = self.packets.first_key_value() else { return Head::Incomplete };
        match self.next_seq {
            // What a subscriber gets first is a key frame, and only that is of use.
            None if !(head.starts && head.mark.key) => return Head::Useless(first + 1),
            Some(next) if *first > next => return Head::Incomplete,
            _ => {}
        }
        self.frame_from(*first)
    }

    fn frame_from(&self, first: u64) -> Head {
        let begun = self.packets.get(&first).map(|packet| packet.timestamp);
        for (expected, (seq, packet)) in (first..).zip(self.packets.range(first..)) {
            if *seq != expected {
                return Head::Incomplete;
            }
            // Its source ended in the middle of a frame. A key frame of the next
            // source is as good a start as any.
            if packet.starts && packet.mark.key && Some(packet.timestamp) != begun {
                return Head::Useless(*seq);
            }
            if packet.marker {
                return Head::Frame(*seq);
            }
        }
        Head::Incomplete
    }

    fn skip_to_key(&mut self) -> bool {
        let keys = self.packets.iter().filter(|(_, packet)| packet.starts && packet.mark.key);
        let Some(seq) =
            keys.map(|(seq, _)| *seq).find(|seq| matches!(self.frame_from(*seq), Head::Frame(_)))
        else {
            return false;
        };
        self.packets = self.packets.split_off(&seq);
        self.next_seq = Some(seq);
        self.last = None;
        self.last_picture_id = None;
        true
    }

    fn show(&mut self, now: Instant, end: u64) {
        let rest = self.packets.split_off(&(end + 1));
        let frame = std::mem::replace(&mut self.packets, rest);
        self.next_seq = Some(end + 1);
        self.stuck_since = None;
        self.lacks_key = false;
        self.last_progress = now;
        let packets: Vec<_> = frame.into_values().collect();
        let mark = packets[0].mark;
        if self.is_broken(&packets) {
            self.seen.broken += 1;
            return;
        }
        if mark.key {
            self.decoded.clear();
            self.seen.key_frames += 1;
        }
        self.decoded.insert((mark.stream, mark.frame));
        self.note_gap(now);
        self.last_shown = Some(now);
        self.last_picture_id = Some(packets[0].picture_id);
        self.last_timestamp = Some(packets[0].timestamp);
        self.note_layer(now, &mark);
        let sent = self.stage_start + Duration::from_micros(mark.sent_us);
        self.seen.frames += 1;
        self.seen.delay_sum += now - sent;
        self.seen.longest_delay = self.seen.longest_delay.max(now - sent);
        self.seen.first_after.get_or_insert(now - self.begun);
        if let Some(count) = self.seen.of_layer.get_mut(usize::from(mark.layer)) {
            *count += 1;
        }
    }

    /// The numbers say that the frame is whole and follows; is it true?
    fn is_broken(&self, packets: &[Packet]) -> bool {
        let first = packets[0];
        let torn = !first.starts
            || packets.iter().any(|packet| {
                packet.mark != first.mark
                    || packet.timestamp != first.timestamp
                    || packet.picture_id != first.picture_id
            })
            || packets.iter().skip(1).any(|packet| packet.starts);
        let mark = first.mark;
        let missing = !mark.key && !self.decoded.contains(&(mark.stream, mark.needs));
        let picture_jumps =
            self.last_picture_id.is_some_and(|last| first.picture_id != (last + 1) & 0x7fff);
        let time_stands =
            self.last_timestamp.is_some_and(|last| first.timestamp.wrapping_sub(last) as i32 <= 0);
        torn || missing || picture_jumps || time_stands
    }

    fn note_gap(&mut self, now: Instant) {
        let Some(last) = self.last_shown else { return };
        let gap = now - last;
        self.seen.longest_gap = self.seen.longest_gap.max(gap);
        if gap > FRAME + FREEZE {
            self.seen.freezes += 1;
            self.seen.frozen += gap - FRAME;
        }
    }

    fn note_layer(&mut self, now: Instant, mark: &Mark) {
        let changed = self.last.is_some_and(|last| last.stream != mark.stream);
        if changed {
            self.seen.switches += 1;
        }
        if changed || self.layers.is_empty() {
            self.layers.push((now - self.stage_start, mark.layer));
        }
        self.last = Some(*mark);
    }
}
