//! What one subscriber gets, for what its link carries and its screen shows.
//!
//! Audio is set aside first. Then every slot gets its lowest layer before any gets a
//! better one; after that shared screens are raised, then faces, all by one step
//! before any by the next. Down is at once, since a link that is too full delays
//! everything; up needs room to spare for some time, and longer each time it proved
//! wrong, so that an unsteady link does not make pictures flap.

mod hysteresis;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::time::Instant;

use crate::codec::Size;
use crate::layers::allocator::hysteresis::Hysteresis;
use crate::layers::ladder::Ladder;
use crate::layers::{Content, Encodings, Layer};

/// What packets cost beyond their payload (RTP with extensions, SRTP, UDP, IP), as a
/// share: about 60 bytes of 1,100.
const OVERHEAD: (u64, u64) = (106, 100);
/// Room that must be left after a raise: rates of encoders swing, and so do estimates.
const MARGIN: (u64, u64) = (115, 100);
/// What the estimator is asked to look for beyond the sum of all that is wanted.
const DESIRED: (u64, u64) = (120, 100);

/// How large a subscriber shows a slot, in device pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tile {
    /// Not said: as large as there is.
    Unknown,
    OffScreen,
    Shown(Size),
}

impl Tile {
    fn area(self) -> u32 {
        match self {
            Self::Unknown => u32::MAX,
            Self::OffScreen => 0,
            Self::Shown(size) => u32::from(size.width) * u32::from(size.height),
        }
    }
}

/// A slot that carries a video track which is sent at the moment.
#[derive(Clone, Copy, Debug)]
pub struct Demand {
    pub content: Content,
    pub tile: Tile,
    pub encodings: Encodings,
    /// What was chosen for it last; nothing when the slot just got the track.
    pub choice: Choice,
}

/// What a slot gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Nobody chose yet.
    New,
    Layer(Layer),
    Paused(Pause),
}

/// Why a slot gets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    OffScreen,
    /// The link has no room for the lowest layer there is.
    Bandwidth,
    /// The publisher sends no layer of it.
    Absent,
}

/// What [`Allocator::allocate`] found besides the choices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// What all slots would take at their best, with audio: how far it pays to probe.
    pub desired_bps: u64,
    /// What the choices take, with audio.
    pub chosen_bps: u64,
    /// When to come again even if nothing changes: something may be raised then.
    pub again_at: Option<Instant>,
}

/// The state behind one subscriber's choices.
#[derive(Clone, Debug, Default)]
pub struct Allocator {
    hysteresis: Hysteresis,
    /// Kept so that no memory is taken each time.
    places: Vec<Place>,
}

/// One slot while it is decided upon. Heights are of its ladder; 0 is nothing.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Index among the demands.
    index: usize,
    content: Content,
    tile: Tile,
    ladder: Ladder,
    /// What it has.
    held: usize,
    /// It has nothing, for no reason of bandwidth.
    fresh: bool,
    /// What it had is not sent any more.
    lost: bool,
    height: usize,
    /// What it would get if nobody had anything yet.
    fair: usize,
}

impl Place {
    fn new(index: usize, demand: &Demand) -> Self {
        let size = match demand.tile {
            Tile::Shown(size) => Some(size),
            Tile::Unknown | Tile::OffScreen => None,
        };
        let ladder = Ladder::new(demand.content, &demand.encodings, size);
        let (held, lost) = match demand.choice {
            Choice::Layer(layer) => (ladder.height_of(layer), is_lost(&demand.encodings, layer)),
            Choice::New | Choice::Paused(_) => (0, false),
        };
        let fresh = held == 0 && demand.choice != Choice::Paused(Pause::Bandwidth);
        let (content, tile) = (demand.content, demand.tile);
        Self { index, content, tile, ladder, held, fresh, lost, height: held, fair: 0 }
    }

    fn bps(&self) -> u64 {
        with_overhead(self.ladder.bps(self.height))
    }

    /// What one step up would cost more.
    fn step_bps(&self) -> Option<u64> {
        let above = self.ladder.at(self.height + 1)?;
        Some(with_overhead(above.bps).saturating_sub(self.bps()))
    }

    fn choice(&self) -> Choice {
        match self.ladder.at(self.height) {
            Some(rung) => Choice::Layer(rung.layer),
            None if self.ladder.top() == 0 => Choice::Paused(Pause::Absent),
            None => Choice::Paused(Pause::Bandwidth),
        }
    }
}

impl Allocator {
    /// Chooses anew for all slots that carry video, in place. `audio_bps` is what the
    /// audio slots take.
    pub fn allocate(
        &mut self,
        now: Instant,
        estimate_bps: u64,
        audio_bps: u64,
        demands: &mut [Demand],
    ) -> Allocation {
        let budget = estimate_bps.saturating_sub(with_overhead(audio_bps));
        let mut places = std::mem::take(&mut self.places);
        by_rank(demands, &mut places);
        self.choose(now, budget, &mut places);
        for demand in demands.iter_mut().filter(|demand| demand.tile == Tile::OffScreen) {
            demand.choice = Choice::Paused(Pause::OffScreen);
        }
        for place in &places {
            if let Some(demand) = demands.get_mut(place.index) {
                demand.choice = place.choice();
            }
        }
        let best: u64 =
            places.iter().map(|place| with_overhead(place.ladder.bps(place.ladder.top()))).sum();
        let allocation = Allocation {
            desired_bps: (best + with_overhead(audio_bps)) * DESIRED.0 / DESIRED.1,
            chosen_bps: cost(&places) + with_overhead(audio_bps),
            again_at: self.hysteresis.raise_at(),
        };
        self.places = places;
        allocation
    }

    fn choose(&mut self, now: Instant, budget: u64, places: &mut [Place]) {
        if cost(places) > budget {
            // Never above what it has: a link that is too full is no time for more.
            self.hysteresis.overfull();
            cut(places, budget);
            self.spare(now, budget, places);
            if places.iter().any(|place| place.height < place.held) {
                self.hysteresis.lowered(now);
            }
            return;
        }
        self.hysteresis.must_pause(now, false, false);
        if places.iter().any(|place| place.lost) {
            self.hysteresis.lowered(now);
        }
        if places.iter().any(|place| place.fresh) {
            admit(places, budget);
        }
        places.iter_mut().for_each(|place| place.held = place.height);
        raise(places, budget * MARGIN.1 / MARGIN.0);
        let higher = places.iter().any(|place| place.height > place.held);
        if !self.hysteresis.may_raise(now, higher) {
            places.iter_mut().for_each(|place| place.height = place.held);
        }
    }
}

impl Allocator {
    /// Leaves those their lowest layer who have nothing less, for a moment.
    fn spare(&mut self, now: Instant, budget: u64, places: &mut [Place]) {
        let starves = |place: &Place| place.held > 0 && place.height == 0;
        let short = places.iter().any(starves);
        let lowest: u64 =
            places.iter().filter(|it| it.held > 0).map(|it| with_overhead(it.ladder.bps(1))).sum();
        let pauses = self.hysteresis.must_pause(now, short, lowest > budget * 2);
        if short && !pauses {
            places.iter_mut().for_each(|place| place.height = place.held.min(1));
        }
    }
}

/// Slots on the screen, most important first: shared screens, then the largest tiles.
fn by_rank(demands: &[Demand], places: &mut Vec<Place>) {
    let shown = demands.iter().enumerate().filter(|(_, demand)| demand.tile != Tile::OffScreen);
    places.clear();
    places.extend(shown.map(|(index, demand)| Place::new(index, demand)));
    places.sort_unstable_by_key(|place| {
        (place.content != Content::Screen, Reverse(place.tile.area()), place.held == 0, place.index)
    });
}

fn cost(places: &[Place]) -> u64 {
    places.iter().map(Place::bps).sum()
}

/// Whether the publisher gave up the layer that a slot has.
fn is_lost(encodings: &Encodings, layer: Layer) -> bool {
    let encoding = encodings.get(usize::from(layer.spatial)).copied().flatten();
    !encoding.is_some_and(|encoding| encoding.available)
}

/// Lowers what is held until it fits the budget. What is new gets its fair share.
fn cut(places: &mut [Place], budget: u64) {
    share(places, budget);
    for place in places {
        place.height = if place.fresh { place.fair } else { place.held.min(place.fair) };
    }
}

/// Gives slots that are new their fair share, from the others if need be.
fn admit(places: &mut [Place], budget: u64) {
    share(places, budget);
    for place in places.iter_mut() {
        place.height = if place.fresh { place.fair } else { place.held };
    }
    if cost(places) > budget {
        cut(places, budget);
    }
}

/// Finds what each slot would get if nobody had anything yet.
fn share(places: &mut [Place], budget: u64) {
    places.iter_mut().for_each(|place| place.height = 0);
    raise(places, budget);
    for place in places {
        place.fair = std::mem::replace(&mut place.height, place.held);
    }
}

/// Raises slots as far as the budget goes: all to their lowest layer, then screens to
/// their best, then the rest step by step.
fn raise(places: &mut [Place], budget: u64) {
    let mut left = budget.saturating_sub(cost(places));
    for place in places.iter_mut().filter(|place| place.height == 0) {
        climb(place, &mut left);
    }
    for place in
        places.iter_mut().filter(|place| place.content == Content::Screen && place.height > 0)
    {
        while climb(place, &mut left) {}
    }
    let tallest = places.iter().map(|place| place.ladder.top()).max().unwrap_or(0);
    for height in 1..tallest {
        for place in places.iter_mut().filter(|place| place.height == height) {
            climb(place, &mut left);
        }
    }
}

/// One step up, if what is left pays for it.
fn climb(place: &mut Place, left: &mut u64) -> bool {
    let Some(step) = place.step_bps().filter(|step| step <= left) else { return false };
    *left -= step;
    place.height += 1;
    true
}

const fn with_overhead(bps: u64) -> u64 {
    bps * OVERHEAD.0 / OVERHEAD.1
}
