#![expect(clippy::disallowed_methods, reason = "an origin for virtual time")]

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::layers::Encoding;

const BPS: [u64; 3] = [150_000, 500_000, 1_700_000];
const LARGE: Tile = Tile::Shown(Size { width: 1280, height: 720 });

fn encodings() -> Encodings {
    let sizes = [(320, 180), (640, 360), (1280, 720)];
    let mut encodings = [None; 3];
    for (encoding, (bps, (width, height))) in encodings.iter_mut().zip(BPS.into_iter().zip(sizes)) {
        *encoding = Some(Encoding {
            bps: [bps / 2, bps * 3 / 4, bps],
            size: Some(Size { width, height }),
            available: true,
        });
    }
    encodings
}

fn tile(content: Content) -> Demand {
    Demand { content, tile: LARGE, encodings: encodings(), choice: Choice::New }
}

const fn layer(spatial: u8, temporal: u8) -> Choice {
    Choice::Layer(Layer { spatial, temporal })
}

struct Link {
    now: Instant,
    allocator: Allocator,
    demands: Vec<Demand>,
}

impl Link {
    fn new(demands: Vec<Demand>) -> Self {
        Self { now: Instant::now(), allocator: Allocator::default(), demands }
    }

    /// Lets time pass with an estimate, asking often.
    fn pass(&mut self, ms: u64, estimate_bps: u64) -> Vec<Choice> {
        for _ in 0..(ms / 100).max(1) {
            self.now += Duration::from_millis(100);
            self.allocator.allocate(self.now, estimate_bps, 40_000, &mut self.demands);
        }
        self.choices()
    }

    fn choices(&self) -> Vec<Choice> {
        self.demands.iter().map(|demand| demand.choice).collect()
    }
}

#[test]
fn a_new_slot_gets_its_share_at_once_and_more_only_after_a_while() {
    let mut link = Link::new(vec![tile(Content::Camera)]);
    assert_eq!(link.pass(100, 650_000), [layer(1, 2)]);
    assert_eq!(link.pass(1_000, 5_000_000), [layer(1, 2)]);
    assert_eq!(link.pass(1_000, 5_000_000), [layer(2, 2)]);
    // Down at once, and to nothing when there is nothing; audio is not touched.
    assert_eq!(link.pass(100, 300_000), [layer(0, 2)]);
    assert_eq!(link.pass(100, 60_000), [Choice::Paused(Pause::Bandwidth)]);
}

#[test]
fn the_lowest_layer_is_not_paused_for_a_short_dip() {
    let mut link = Link::new(vec![tile(Content::Camera)]);
    assert_eq!(link.pass(100, 150_000), [layer(0, 0)]);
    assert_eq!(link.pass(900, 110_000), [layer(0, 0)]);
    assert_eq!(link.pass(900, 150_000), [layer(0, 0)]);
    assert_eq!(link.pass(900, 110_000), [layer(0, 0)]);
    assert_eq!(link.pass(300, 110_000), [Choice::Paused(Pause::Bandwidth)]);
}

#[test]
fn all_get_their_lowest_layer_before_any_gets_more() {
    let mut link = Link::new(vec![tile(Content::Camera); 4]);
    // 40 kb/s of audio; a lowest layer costs 75 kb/s and 6% of overhead.
    assert_eq!(link.pass(100, 43_000 + 4 * 80_000), [layer(0, 0); 4]);
    let three = [layer(0, 0), layer(0, 0), layer(0, 0), Choice::Paused(Pause::Bandwidth)];
    assert_eq!(Link::new(vec![tile(Content::Camera); 4]).pass(100, 43_000 + 275_000), three);
    // One more for the first ones, and not two for any.
    let choices = Link::new(vec![tile(Content::Camera); 4]).pass(100, 43_000 + 400_000);
    assert_eq!(choices, [layer(0, 1), layer(0, 1), layer(0, 0), layer(0, 0)]);
}

#[test]
fn a_shared_screen_comes_before_faces_but_not_instead_of_them() {
    let mut link =
        Link::new(vec![tile(Content::Camera), tile(Content::Screen), tile(Content::Camera)]);
    let choices = link.pass(100, 2_100_000);
    assert_eq!(choices, [layer(0, 1), layer(2, 2), layer(0, 1)]);
    let choices = link.pass(100, 1_200_000);
    assert_eq!(choices[1], layer(2, 0));
}

#[test]
fn tiles_off_the_screen_pause_and_come_back_at_once() {
    let mut link = Link::new(vec![tile(Content::Camera); 2]);
    link.pass(100, 1_000_000);
    link.demands[0].tile = Tile::OffScreen;
    assert_eq!(link.pass(100, 1_000_000)[0], Choice::Paused(Pause::OffScreen));
    assert_eq!(link.pass(5_000, 1_000_000)[1], layer(1, 2));
    link.demands[0].tile = Tile::Shown(Size { width: 200, height: 200 });
    assert_eq!(link.pass(100, 1_000_000)[0], layer(0, 2));
}

#[test]
fn someone_new_takes_from_who_has_more() {
    let mut link = Link::new(vec![tile(Content::Camera)]);
    assert_eq!(link.pass(100, 2_000_000), [layer(2, 2)]);
    link.demands.push(tile(Content::Camera));
    assert_eq!(link.pass(100, 1_250_000), [layer(1, 2), layer(1, 2)]);
}

#[test]
fn a_layer_that_its_publisher_gave_up_is_left_at_once() {
    let mut link = Link::new(vec![tile(Content::Camera)]);
    assert_eq!(link.pass(100, 5_000_000), [layer(2, 2)]);
    link.demands[0].encodings[2] = encodings()[2].map(|it| Encoding { available: false, ..it });
    assert_eq!(link.pass(100, 5_000_000), [layer(1, 2)]);
    link.demands[0].encodings[1] = None;
    link.demands[0].encodings[0] = None;
    assert_eq!(link.pass(100, 5_000_000), [Choice::Paused(Pause::Absent)]);
    link.demands[0].encodings = encodings();
    assert_eq!(link.pass(100, 5_000_000), [layer(2, 2)]);
}

#[test]
fn what_is_desired_does_not_depend_on_the_estimate() {
    let mut allocator = Allocator::default();
    let mut demands = [tile(Content::Camera)];
    let low = allocator.allocate(Instant::now(), 50_000, 40_000, &mut demands);
    assert_eq!(demands[0].choice, Choice::Paused(Pause::Bandwidth));
    assert!(low.desired_bps > 1_700_000 && low.chosen_bps < 50_000);
    // The desired rate suffices to be given it.
    let mut demands = [tile(Content::Camera)];
    allocator.allocate(Instant::now(), low.desired_bps * 100 / 115, 40_000, &mut demands);
    assert_eq!(demands[0].choice, layer(2, 2));
}

#[test]
fn a_link_that_swings_does_not_make_the_picture_swing() {
    let mut link = Link::new(vec![tile(Content::Camera)]);
    link.pass(100, 1_000_000);
    let mut changes = [0; 4];
    for second in 0..240 {
        let before = link.choices();
        // Five seconds of plenty, one of want.
        let estimate = if second % 6 == 5 { 400_000 } else { 3_000_000 };
        for _ in 0..10 {
            let choices = link.pass(100, estimate);
            if choices != before {
                changes[second / 60] += 1;
                break;
            }
        }
    }
    // Each minute has ten dips; who follows each of them changes twenty times.
    assert!(
        changes[0] <= 10 && changes[1] <= 4 && changes[2] <= 4 && changes[3] <= 4,
        "{changes:?}"
    );
}

/// Estimates as they come: each a factor of the one before.
fn walk() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(prop_oneof![8 => 0.85..1.18, 1 => 0.2..0.6, 1 => 1.5..4.0], 600..1200)
}

fn slots() -> impl Strategy<Value = Vec<Demand>> {
    let one = (any::<bool>(), 0..4_u16).prop_map(|(screen, size)| Demand {
        tile: match size {
            0 => Tile::Unknown,
            size => Tile::Shown(Size { width: 400 * size, height: 225 * size }),
        },
        ..tile(if screen { Content::Screen } else { Content::Camera })
    });
    prop::collection::vec(one, 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever the estimate does: what is chosen fits it, nobody has much while
    /// somebody else has nothing, and no slot is raised more than a few times a minute.
    #[test]
    fn random_walks(walk in walk(), demands in slots()) {
        let mut link = Link::new(demands);
        let mut estimate = 800_000.0;
        let mut raises = vec![Vec::new(); link.demands.len()];
        for factor in walk {
            estimate = f64::clamp(estimate * factor, 30_000.0, 20_000_000.0);
            let before = link.choices();
            link.now += Duration::from_millis(100);
            let allocation = link.allocator.allocate(link.now, estimate as u64, 40_000, &mut link.demands);
            // What is chosen fits, but for lowest layers that are spared for a moment.
            let lowest = |choice: &Choice| matches!(choice, Choice::Layer(layer) if *layer > Layer { spatial: 0, temporal: 0 });
            let above = link.choices().iter().any(lowest);
            let fits = allocation.chosen_bps <= (estimate as u64).max(43_000);
            prop_assert!(fits || !above && allocation.chosen_bps < 3 * estimate as u64 + 43_000);
            prop_assert!(allocation.desired_bps >= allocation.chosen_bps);
            prop_assert!(allocation.again_at.is_none_or(|at| at > link.now));
            for (raises, (before, after)) in raises.iter_mut().zip(before.iter().zip(link.choices())) {
                let rank = |choice: &Choice| match choice {
                    Choice::Layer(layer) => Some(*layer),
                    Choice::New | Choice::Paused(_) => None,
                };
                if rank(&after) > rank(before) {
                    raises.push(link.now);
                }
            }
        }
        for raises in raises {
            // A ladder has seven rungs, and a link that only gets better climbs them one by
            // one; what falls again does not rise as often.
            for window in raises.windows(12) {
                let took = window[11] - window[0];
                prop_assert!(took >= Duration::from_secs(60), "12 raises in {took:?}");
            }
        }
    }

    /// The same demands and estimate give the same choices, whoever asks first, and all
    /// the room there is gets used once it stays.
    #[test]
    fn a_steady_link_settles(estimate in 100_000..6_000_000_u64, demands in slots()) {
        let mut link = Link::new(demands);
        link.pass(3_000, estimate);
        let settled = link.choices();
        link.pass(20_000, estimate);
        prop_assert_eq!(&settled, &link.choices());
        let mut places = Vec::new();
        by_rank(&link.demands, &mut places);
        raise(&mut places, (estimate - 43_000) * MARGIN.1 / MARGIN.0);
        for place in places {
            prop_assert_eq!(place.choice(), link.demands[place.index].choice);
        }
    }
}
