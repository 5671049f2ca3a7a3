//! What one slot may carry, cheapest first.

use crate::codec::{MAX_SPATIAL, MAX_TEMPORAL, Size};
use crate::layers::{Encoding, Encodings, Layer};

/// What a track shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Faces: motion before sharpness.
    Camera,
    /// Text: sharpness before motion.
    Screen,
}

/// How much smaller than its tile a picture may be, as a ratio: less is hardly seen,
/// and the next layer costs three times as much.
const STRETCH: (u32, u32) = (5, 4);

/// A step of the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rung {
    pub(super) layer: Layer,
    pub(super) bps: u64,
}

const MAX_RUNGS: usize = MAX_SPATIAL * MAX_TEMPORAL;

/// The layers that make sense for a slot, each better and dearer than the one before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ladder {
    rungs: [Rung; MAX_RUNGS],
    length: usize,
}

impl Ladder {
    const EMPTY: Self = Self {
        rungs: [Rung { layer: Layer { spatial: 0, temporal: 0 }, bps: 0 }; MAX_RUNGS],
        length: 0,
    };

    /// The ladder of a track shown at `tile` pixels, or as large as it is.
    pub(super) fn new(content: Content, encodings: &Encodings, tile: Option<Size>) -> Self {
        let cap = cap(encodings, tile);
        let mut ladder = Self::EMPTY;
        let mut lowest = true;
        for (spatial, encoding) in (0..=cap).zip(encodings) {
            let Some(encoding) = encoding.filter(|encoding| encoding.available) else { continue };
            for temporal in temporal_layers(content, &encoding, lowest, spatial == cap) {
                let layer = Layer { spatial, temporal };
                let bps = encoding.bps.get(usize::from(temporal)).copied().unwrap_or(0);
                ladder.push(Rung { layer, bps });
            }
            lowest = false;
        }
        ladder
    }

    fn push(&mut self, rung: Rung) {
        let before = self.rungs().last().map_or(0, |rung| rung.bps);
        if let Some(slot) = self.rungs.get_mut(self.length) {
            // Measured rates may cross for a moment; better is never cheaper.
            *slot = Rung { bps: rung.bps.max(before), ..rung };
            self.length += 1;
        }
    }

    pub(super) fn rungs(&self) -> &[Rung] {
        self.rungs.get(..self.length).unwrap_or_default()
    }

    /// What the rung at a height costs; heights count from 1, 0 is nothing.
    pub(super) fn bps(&self, height: usize) -> u64 {
        self.at(height).map_or(0, |rung| rung.bps)
    }

    pub(super) fn at(&self, height: usize) -> Option<Rung> {
        self.rungs().get(height.checked_sub(1)?).copied()
    }

    pub(super) const fn top(&self) -> usize {
        self.length
    }

    /// The highest rung that is not above a layer.
    pub(super) fn height_of(&self, layer: Layer) -> usize {
        self.rungs().iter().take_while(|rung| rung.layer <= layer).count()
    }
}

/// Temporal layers to offer of a spatial one. Those that cost nothing more than the one
/// below are the same.
fn temporal_layers(
    content: Content,
    encoding: &Encoding,
    lowest: bool,
    top: bool,
) -> impl Iterator<Item = u8> {
    let bps = encoding.bps;
    let differs = move |temporal: &u8| {
        let at = |index: u8| bps.get(usize::from(index)).copied();
        at(*temporal + 1).is_none_or(|above| Some(above) != at(*temporal))
    };
    // A large picture that stutters is worse than a small one that does not, and for
    // text it is the other way round.
    let fewest = match content {
        Content::Camera if lowest => 0,
        Content::Camera => Layer::TOP.temporal - 1,
        Content::Screen => 0,
    };
    let most = match content {
        Content::Screen if !top => 0,
        Content::Camera | Content::Screen => Layer::TOP.temporal,
    };
    (fewest..=most).filter(move |temporal| *temporal == most || differs(temporal))
}

/// The lowest spatial layer that fills the tile well enough.
fn cap(encodings: &Encodings, tile: Option<Size>) -> u8 {
    let top = Layer::TOP.spatial;
    let Some(tile) = tile else { return top };
    let fills = |size: Size| {
        // The picture is fitted into the tile, so the tighter side counts.
        let enough =
            |picture: u16, tile: u16| u32::from(picture) * STRETCH.0 >= u32::from(tile) * STRETCH.1;
        enough(size.width, tile.width) || enough(size.height, tile.height)
    };
    let fitting = encodings
        .iter()
        .zip(0..)
        .filter_map(|(encoding, spatial)| Some((encoding.as_ref()?, spatial)))
        .find(|(encoding, _)| encoding.available && encoding.size.is_some_and(fills));
    fitting.map_or(top, |(_, spatial)| spatial)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encodings(available: [bool; 3]) -> Encodings {
        let one = |index: usize, width: u16, height: u16, bps: u64| {
            Some(Encoding {
                bps: [bps / 2, bps * 3 / 4, bps],
                size: Some(Size { width, height }),
                available: available[index],
            })
        };
        [one(0, 320, 180, 150_000), one(1, 640, 360, 500_000), one(2, 1280, 720, 1_700_000)]
    }

    fn layers(ladder: &Ladder) -> Vec<(u8, u8)> {
        ladder.rungs().iter().map(|rung| (rung.layer.spatial, rung.layer.temporal)).collect()
    }

    #[test]
    fn faces_keep_their_motion_and_text_its_sharpness() {
        let all = encodings([true; 3]);
        let camera = Ladder::new(Content::Camera, &all, None);
        assert_eq!(layers(&camera), [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (2, 2)]);
        let screen = Ladder::new(Content::Screen, &all, None);
        assert_eq!(layers(&screen), [(0, 0), (1, 0), (2, 0), (2, 1), (2, 2)]);
        assert!(camera.rungs().is_sorted_by(|a, b| a.bps <= b.bps && a.layer < b.layer));
        assert_eq!(camera.height_of(Layer { spatial: 1, temporal: 0 }), 3);
        assert_eq!((camera.bps(0), camera.bps(1), camera.bps(99)), (0, 75_000, 0));
    }

    #[test]
    fn a_tile_gets_no_more_than_it_shows() {
        let top = |tile, available| {
            let tile = Some(Size { width: tile, height: tile });
            Ladder::new(Content::Camera, &encodings(available), tile)
                .rungs()
                .last()
                .map(|rung| rung.layer)
        };
        let spatial = |spatial| Some(Layer { spatial, temporal: 2 });
        assert_eq!(top(100, [true; 3]), spatial(0));
        assert_eq!(top(400, [true; 3]), spatial(0));
        assert_eq!(top(600, [true; 3]), spatial(1));
        assert_eq!(top(2000, [true; 3]), spatial(2));
        // Without the layer that fits, the next larger one has to do.
        assert_eq!(top(600, [true, false, true]), spatial(2));
        assert_eq!(top(600, [true, false, false]), spatial(0));
        assert_eq!(top(600, [false; 3]), None);
    }

    #[test]
    fn a_stream_without_layers_is_one_rung() {
        let only = Encoding { bps: [900_000; 3], size: None, available: true };
        let ladder = Ladder::new(Content::Camera, &[Some(only), None, None], None);
        assert_eq!(layers(&ladder), [(0, 2)]);
    }
}
