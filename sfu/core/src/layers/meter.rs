//! What each layer of a track costs, how large it is, and whether it is alive.

use std::time::{Duration, Instant};

use crate::codec::{MAX_SPATIAL, MAX_TEMPORAL, Size};
use crate::layers::{Content, Layer};

/// Time over which bytes are counted before they become a rate.
const PERIOD: Duration = Duration::from_millis(500);
/// A camera's layer without a packet for this long, while others of the track go on,
/// was given up by its publisher: encoders do so when the uplink has no room for it.
const CAMERA_SILENCE: Duration = Duration::from_millis(1_200);
/// The same of a screen: encoders repeat a still picture about once a second.
const SCREEN_SILENCE: Duration = Duration::from_millis(3_000);
/// Longest time between packets over which a rate makes sense.
const MAX_GAP_MS: u64 = 3_000;
/// Shortest time over which what came at first is taken for a rate.
const MIN_PERIOD_MS: u64 = 200;
/// How long a layer may take from being switched on to its first packet: the wish
/// travels to the publisher, whose encoder then has to start.
const START: Duration = Duration::from_secs(4);
/// What a simulcast layer is taken to cost before it was seen: what browsers spend on
/// 180, 360 and 720 lines.
const EXPECTED_BPS: [u64; MAX_SPATIAL] = [150_000, 500_000, 1_700_000];

/// How the layers of a track are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stacking {
    /// Each spatial layer is a stream of its own: one replaces the other.
    Simulcast,
    /// One stream, in which each spatial layer needs those below.
    Scalable,
}

/// One spatial layer as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// Bits per second by temporal layer, with all that it needs.
    pub bps: [u64; MAX_TEMPORAL],
    pub size: Option<Size>,
    /// Whether a subscriber who wants it can expect to get it.
    pub available: bool,
}

/// The spatial layers of a track, lowest first; `None` for those that it does not have.
pub type Encodings = [Option<Encoding>; MAX_SPATIAL];

/// Measures one track.
#[derive(Clone, Debug)]
pub struct Meter {
    stacking: Stacking,
    layers: [Gauge; MAX_SPATIAL],
    /// How many spatial layers there are.
    count: u8,
    silence: Duration,
    counted_from: Instant,
    /// When packets came again after a silence of the whole track.
    live_since: Instant,
    newest: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Gauge {
    /// Counted in this period.
    bytes: [u32; MAX_TEMPORAL],
    /// Counted before, and over how long. It becomes a rate once more arrives: what a
    /// layer sent in the moment before it stopped says little.
    earlier: [u32; MAX_TEMPORAL],
    earlier_ms: u64,
    /// Taken for the rate before anything is known.
    expected_bps: u64,
    /// Of each temporal layer alone; `None` before the first period.
    bps: Option<[u64; MAX_TEMPORAL]>,
    size: Option<Size>,
    newest: Option<Instant>,
    power: Power,
}

/// Whether the publisher was told to send a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Power {
    On { since: Instant },
    Off,
}

impl Meter {
    /// `count`: negotiated simulcast layers, or 1.
    pub fn new(now: Instant, content: Content, count: usize) -> Self {
        let count = count.clamp(1, MAX_SPATIAL);
        Self {
            stacking: if count > 1 { Stacking::Simulcast } else { Stacking::Scalable },
            layers: EXPECTED_BPS.map(|expected_bps| Gauge::new(now, expected_bps)),
            count: count as u8,
            silence: match content {
                Content::Camera => CAMERA_SILENCE,
                Content::Screen => SCREEN_SILENCE,
            },
            counted_from: now,
            live_since: now,
            newest: None,
        }
    }

    pub const fn stacking(&self) -> Stacking {
        self.stacking
    }

    /// How many spatial layers the track has, as far as is known.
    pub const fn count(&self) -> u8 {
        self.count
    }

    /// Counts a packet.
    pub fn note(&mut self, now: Instant, layer: Layer, bytes: usize) {
        if now.saturating_duration_since(self.counted_from) >= PERIOD {
            self.fold(now);
        }
        if !self.is_live(now) {
            self.live_since = now;
        }
        self.newest = Some(now);
        let Some(gauge) = self.layers.get_mut(usize::from(layer.spatial)) else { return };
        self.count = self.count.max(layer.spatial + 1);
        gauge.newest = Some(now);
        if let Some(count) = gauge.bytes.get_mut(usize::from(layer.temporal)) {
            *count = count.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        }
    }

    /// Notes the sizes that a keyframe told, from its own layer upwards.
    pub fn set_sizes(&mut self, spatial: u8, sizes: [Option<Size>; MAX_SPATIAL]) {
        let gauges = self.layers.iter_mut().skip(usize::from(spatial));
        for (gauge, size) in gauges.zip(sizes) {
            gauge.size = size.or(gauge.size);
        }
    }

    /// The publisher was told to send a layer, or to leave it.
    pub fn set_on(&mut self, now: Instant, spatial: u8, on: bool) {
        let Some(gauge) = self.layers.get_mut(usize::from(spatial)) else { return };
        match (gauge.power, on) {
            (_, false) => gauge.power = Power::Off,
            (Power::Off, true) => gauge.power = Power::On { since: now },
            (Power::On { .. }, true) => {}
        }
    }

    /// Whether any packet came lately.
    pub fn is_live(&self, now: Instant) -> bool {
        self.newest.is_some_and(|newest| self.is_recent(now, newest))
    }

    /// Whether a layer does not come although its publisher should send it, and does
    /// send others.
    pub fn is_missing(&self, now: Instant, spatial: u8) -> bool {
        let Some(gauge) = self.layers.get(usize::from(spatial)) else { return false };
        let Power::On { since } = gauge.power else { return false };
        if !self.is_live(now) || gauge.newest.is_some_and(|newest| self.is_recent(now, newest)) {
            return false;
        }
        let expected_from = since.max(self.live_since);
        let came = gauge.newest.is_some_and(|newest| newest >= expected_from);
        came || now.saturating_duration_since(expected_from) >= START
    }

    /// The layers as they are now.
    pub fn encodings(&self, now: Instant) -> Encodings {
        let mut below = [0; MAX_TEMPORAL];
        let mut encodings = [None; MAX_SPATIAL];
        let known = self.layers.iter().zip(0..self.count);
        let elapsed_ms = milliseconds(now.saturating_duration_since(self.counted_from));
        for (encoding, (gauge, spatial)) in encodings.iter_mut().zip(known) {
            let mut bps = gauge.cumulative_bps(elapsed_ms);
            if self.stacking == Stacking::Scalable {
                bps.iter_mut().zip(below).for_each(|(own, below)| *own += below);
                below = bps;
            }
            let available = !self.is_missing(now, spatial);
            *encoding = Some(Encoding { bps, size: gauge.size, available });
        }
        encodings
    }

    fn is_recent(&self, now: Instant, newest: Instant) -> bool {
        now.saturating_duration_since(newest) < self.silence
    }

    fn fold(&mut self, now: Instant) {
        let elapsed_ms = milliseconds(now.saturating_duration_since(self.counted_from));
        self.layers.iter_mut().for_each(|gauge| gauge.fold(elapsed_ms));
        self.counted_from = now;
    }
}

impl Gauge {
    const fn new(now: Instant, expected_bps: u64) -> Self {
        Self {
            bytes: [0; MAX_TEMPORAL],
            earlier: [0; MAX_TEMPORAL],
            earlier_ms: 0,
            expected_bps,
            bps: None,
            size: None,
            newest: None,
            power: Power::On { since: now },
        }
    }

    /// Ends a period. A layer that sends nothing keeps the rate it had: that is what it
    /// will cost when it comes back.
    fn fold(&mut self, elapsed_ms: u64) {
        let counted = std::mem::take(&mut self.bytes);
        if counted.iter().all(|bytes| *bytes == 0) {
            self.earlier_ms = self.earlier_ms.saturating_add(elapsed_ms);
            return;
        }
        let earlier = std::mem::replace(&mut self.earlier, counted);
        let earlier_ms = std::mem::replace(&mut self.earlier_ms, elapsed_ms);
        if (1..=MAX_GAP_MS).contains(&earlier_ms) {
            self.learn(earlier.map(|bytes| u64::from(bytes) * 8 * 1_000 / earlier_ms));
        }
    }

    /// Takes the rate of a period. The first one began with a keyframe, which says little
    /// about what comes then, unless even so it is below what was expected.
    fn learn(&mut self, fresh: [u64; MAX_TEMPORAL]) {
        let Some(bps) = &mut self.bps else {
            let total: u64 = fresh.iter().sum();
            let share = |own: u64| own * total.min(self.expected_bps) / total.max(1);
            self.bps = Some(fresh.map(share));
            return;
        };
        for (bps, fresh) in bps.iter_mut().zip(fresh) {
            *bps = bps.midpoint(fresh);
        }
    }

    /// The rate of each temporal layer with those below.
    fn cumulative_bps(&self, elapsed_ms: u64) -> [u64; MAX_TEMPORAL] {
        let Some(mut bps) = self.bps else { return self.first_bps(elapsed_ms) };
        let mut sum = 0;
        for own in &mut bps {
            sum += *own;
            *own = sum;
        }
        bps
    }

    /// What is taken for the rate in the first moments: what is expected, unless what came
    /// so far is less.
    fn first_bps(&self, elapsed_ms: u64) -> [u64; MAX_TEMPORAL] {
        let counted = self
            .bytes
            .iter()
            .zip(self.earlier)
            .map(|(now, before)| u64::from(*now) + u64::from(before));
        let (bytes, ms) = (counted.sum::<u64>(), elapsed_ms.saturating_add(self.earlier_ms));
        if bytes == 0 || ms < MIN_PERIOD_MS {
            return [self.expected_bps; MAX_TEMPORAL];
        }
        [(bytes * 8 * 1_000 / ms).min(self.expected_bps); MAX_TEMPORAL]
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
mod tests {
    use super::*;

    const fn layer(spatial: u8, temporal: u8) -> Layer {
        Layer { spatial, temporal }
    }

    /// Sends on the given layers for a while, every 20 ms: `bytes` each.
    fn send(meter: &mut Meter, now: &mut Instant, ms: u64, layers: &[(Layer, usize)]) {
        for _ in 0..ms / 20 {
            *now += Duration::from_millis(20);
            for (layer, bytes) in layers {
                meter.note(*now, *layer, *bytes);
            }
        }
    }

    #[test]
    fn rates_add_up_over_temporal_layers_and_in_a_scalable_stream_over_spatial_ones() {
        let mut now = Instant::now();
        let rates = [(layer(0, 0), 100), (layer(0, 1), 50), (layer(1, 0), 400)];
        let mut simulcast = Meter::new(now, Content::Camera, 2);
        let mut scalable = Meter::new(now, Content::Camera, 1);
        let mut later = now;
        send(&mut simulcast, &mut now, 5_000, &rates);
        send(&mut scalable, &mut later, 5_000, &rates);

        let bps = |encoding: Option<Encoding>| {
            encoding.map(|encoding| encoding.bps.map(|bps| (bps + 2_000) / 10_000 * 10))
        };
        let [low, high, none] = simulcast.encodings(now);
        assert_eq!((bps(low), bps(high), none), (Some([40, 60, 60]), Some([160, 160, 160]), None));
        let [low, high, none] = scalable.encodings(now);
        assert_eq!((bps(low), bps(high), none), (Some([40, 60, 60]), Some([200, 220, 220]), None));
    }

    #[test]
    fn before_much_is_known_a_keyframe_is_not_taken_for_the_rate() {
        let mut now = Instant::now();
        let mut meter = Meter::new(now, Content::Camera, 1);
        let bps = |meter: &Meter, now| meter.encodings(now)[0].map_or(0, |it| it.bps[0]);
        assert_eq!(bps(&meter, now), 150_000);
        meter.note(now, layer(0, 0), 60_000);
        for _ in 0..4 {
            send(&mut meter, &mut now, 300, &[(layer(0, 0), 300)]);
            assert!(bps(&meter, now) <= 150_000);
        }
        send(&mut meter, &mut now, 5_000, &[(layer(0, 0), 300)]);
        assert_eq!((bps(&meter, now) + 2_000) / 10_000, 12);
        // What is cheaper from the start is believed at once.
        let mut meter = Meter::new(now, Content::Camera, 1);
        send(&mut meter, &mut now, 300, &[(layer(0, 0), 25)]);
        assert!((8_000..=11_000).contains(&bps(&meter, now)), "{}", bps(&meter, now));
    }

    #[test]
    fn a_layer_is_missing_when_the_others_go_on_without_it() {
        let mut now = Instant::now();
        let mut meter = Meter::new(now, Content::Camera, 3);
        let (q, h) = ((layer(0, 0), 100), (layer(1, 0), 100));
        send(&mut meter, &mut now, 1_000, &[q, h]);
        assert!(!meter.is_missing(now, 2), "it may still start");
        send(&mut meter, &mut now, 3_500, &[q, h]);
        assert!(meter.is_missing(now, 2) && !meter.is_missing(now, 1));

        send(&mut meter, &mut now, 1_500, &[q]);
        assert!(meter.is_missing(now, 1));
        assert!(meter.encodings(now)[1].is_some_and(|encoding| !encoding.available));
        // The whole track pauses: nothing can be said of any layer.
        now += Duration::from_secs(60);
        assert!(!meter.is_missing(now, 1) && !meter.is_live(now));
        // It comes back: all have time to start.
        send(&mut meter, &mut now, 1_000, &[q]);
        assert!(!meter.is_missing(now, 1));
        send(&mut meter, &mut now, 20, &[q, h]);
        assert!(!meter.is_missing(now, 1));
    }

    #[test]
    fn a_layer_that_was_switched_off_keeps_its_price_and_gets_time_to_start() {
        let mut now = Instant::now();
        let mut meter = Meter::new(now, Content::Camera, 2);
        let (q, h) = ((layer(0, 0), 100), (layer(1, 0), 400));
        send(&mut meter, &mut now, 3_000, &[q, h]);
        meter.set_on(now, 1, false);
        send(&mut meter, &mut now, 20_000, &[q]);
        let off = meter.encodings(now)[1].expect("it exists");
        assert!(off.available && (155_000..165_000).contains(&off.bps[0]), "{off:?}");
        meter.set_on(now, 1, true);
        send(&mut meter, &mut now, 3_000, &[q]);
        assert!(!meter.is_missing(now, 1));
        send(&mut meter, &mut now, 2_000, &[q]);
        assert!(meter.is_missing(now, 1));
    }
}
