//! Streams of layers as encoders make them, with their dependency descriptors.

use crate::codec::bits::BitWriter;

/// One frame: a spatial layer's part of a picture.
#[derive(Clone, Debug)]
pub(crate) struct SampleFrame {
    pub(crate) number: u16,
    pub(crate) spatial: u8,
    pub(crate) temporal: u8,
    pub(crate) keyframe: bool,
    /// Numbers of the frames that it refers to.
    pub(crate) refers_to: Vec<u16>,
    /// The descriptor of its only packet.
    pub(crate) descriptor: Vec<u8>,
}

/// A scalable encoder: `spatial` times `temporal` layers, one, two or three of each.
#[derive(Debug)]
pub(crate) struct SampleStream {
    spatial: u8,
    temporal: u8,
    /// Layers refer to the one below in keyframes only (the modes called `_KEY`).
    key_only: bool,
    next: u16,
    /// Pictures since the keyframe.
    picture: usize,
    /// Number of the newest frame by spatial and temporal layer.
    newest: [[u16; 3]; 3],
    /// Number of the newest frame in the chain of each spatial layer.
    chains: [u16; 3],
}

impl SampleStream {
    pub(crate) fn new(spatial: u8, temporal: u8, key_only: bool, first: u16) -> Self {
        let (newest, chains) = ([[0; 3]; 3], [0; 3]);
        Self { spatial, temporal, key_only, next: first, picture: 0, newest, chains }
    }

    /// The frames of the next picture, lowest layer first.
    pub(crate) fn picture(&mut self, keyframe: bool) -> Vec<SampleFrame> {
        if keyframe {
            self.picture = 0;
        }
        let cycle: &[u8] = match self.temporal {
            1 => &[0],
            2 => &[0, 1],
            _ => &[0, 2, 1, 2],
        };
        let place = self.picture % cycle.len();
        let keyframe = self.picture == 0;
        self.picture += 1;
        (0..self.spatial)
            .map(|spatial| self.frame(spatial, cycle[place], place, keyframe))
            .collect()
    }

    fn frame(&mut self, spatial: u8, temporal: u8, place: usize, keyframe: bool) -> SampleFrame {
        let number = self.next;
        self.next = number.wrapping_add(1);
        let mut refers_to = Vec::new();
        if !keyframe {
            // The last picture of a cycle builds on its middle one.
            let on = if place == 3 { 1 } else { 0 };
            refers_to.push(self.newest[usize::from(spatial)][on]);
        }
        if spatial > 0 && (keyframe || !self.key_only) {
            refers_to.push(number.wrapping_sub(1));
        }
        let descriptor = self.descriptor(spatial, temporal, keyframe, number, &refers_to);
        self.newest[usize::from(spatial)][usize::from(temporal)] = number;
        for chain in 0..self.spatial {
            if self.in_chain(chain, spatial, temporal, keyframe) {
                self.chains[usize::from(chain)] = number;
            }
        }
        SampleFrame { number, spatial, temporal, keyframe, refers_to, descriptor }
    }

    const fn in_chain(&self, chain: u8, spatial: u8, temporal: u8, keyframe: bool) -> bool {
        let part = if keyframe || !self.key_only { spatial <= chain } else { spatial == chain };
        part && temporal == 0
    }

    /// Everything is said anew in each descriptor, so that templates carry layers only.
    fn descriptor(
        &self,
        spatial: u8,
        temporal: u8,
        keyframe: bool,
        number: u16,
        refers_to: &[u16],
    ) -> Vec<u8> {
        let mut out = [0; 255];
        let mut bits = BitWriter::new(&mut out);
        bits.bits(0b11, 2);
        bits.bits(u32::from(spatial * self.temporal + temporal), 6);
        bits.bits(u32::from(number), 16);
        let structure = keyframe && spatial == 0;
        bits.bits(u32::from(structure) << 4 | 0b111, 5);
        if structure {
            self.structure(&mut bits);
        }
        for (target_spatial, target_temporal) in self.layers() {
            let to = (target_spatial, target_temporal);
            bits.bits(self.indication((spatial, temporal), to, keyframe), 2);
        }
        for reference in refers_to {
            bits.bits(2, 2);
            bits.bits(u32::from(number.wrapping_sub(*reference)) - 1, 8);
        }
        bits.bits(0, 2);
        for chain in 0..self.spatial {
            let first = keyframe && spatial == 0;
            let diff = number.wrapping_sub(self.chains[usize::from(chain)]);
            bits.bits(if first { 0 } else { u32::from(diff) }, 8);
        }
        let length = bits.finish().expect("it fits");
        out[..length].to_vec()
    }

    fn structure(&self, bits: &mut BitWriter<'_>) {
        let layers: Vec<_> = self.layers().collect();
        bits.bits(0, 6);
        bits.bits(layers.len() as u32 - 1, 5);
        for pair in layers.windows(2) {
            bits.bits(if pair[1].0 > pair[0].0 { 2 } else { 1 }, 2);
        }
        bits.bits(3, 2);
        for frame in &layers {
            layers.iter().for_each(|to| bits.bits(self.indication(*frame, *to, true), 2));
        }
        layers.iter().for_each(|_| bits.bit(false));
        non_symmetric(bits, u32::from(self.spatial), layers.len() as u32 + 1);
        layers.iter().for_each(|to| non_symmetric(bits, u32::from(to.0), u32::from(self.spatial)));
        layers.iter().for_each(|_| (0..self.spatial).for_each(|_| bits.bits(0, 4)));
        bits.bit(false);
    }

    fn layers(&self) -> impl Iterator<Item = (u8, u8)> {
        let temporal = self.temporal;
        (0..self.spatial)
            .flat_map(move |spatial| (0..temporal).map(move |temporal| (spatial, temporal)))
    }

    /// Not present, discardable, switch or required (0 to 3), for a decode target.
    fn indication(&self, frame: (u8, u8), target: (u8, u8), keyframe: bool) -> u32 {
        let below = frame.0 < target.0;
        if frame.0 > target.0 || frame.1 > target.1 || below && self.key_only && !keyframe {
            0
        } else if below && !keyframe {
            3
        } else if frame.1 == target.1 && frame.1 > 0 && !keyframe {
            1
        } else {
            2
        }
    }
}

/// `ns(n)` of the AV1 specification.
fn non_symmetric(bits: &mut BitWriter<'_>, value: u32, n: u32) {
    let width = u32::BITS - n.leading_zeros();
    let short = (1 << width) - n;
    if value < short {
        bits.bits(value, width - 1);
    } else {
        bits.bits(value + short, width);
    }
}
