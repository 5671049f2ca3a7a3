use proptest::prelude::*;

use super::*;
use crate::codec::bits::BitWriter;

/// The first packet of a keyframe that Chromium sent with three spatial and three
/// temporal layers of AV1, and some that followed.
const CAPTURED: &str = "c1017280081485214eafffaaaa863cf0430c10c302afc0aaa0063c00430010c002a000a80006000\
     040001d954926e082b04a0941b820ac1282503157f974000ca864330e222222eca8655304224230eca877530077004200\
     ef008601df010d";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

#[test]
fn a_captured_stream_of_three_by_three_layers() {
    let mut dependencies = Dependencies::default();
    assert_eq!(dependencies.read(&bytes("860173")), None, "no structure yet");

    let key = dependencies.read(&bytes(CAPTURED)).expect("a structure");
    assert_eq!((key.frame_number, key.spatial, key.temporal), (0x172, 0, 0));
    assert!(key.frame(false).starts_keyframe);
    assert!(key.diffs().is_empty());
    assert!((0..9).all(|at| key.role(at / 3, at % 3).indication == Indication::Switch));
    let sizes = dependencies.sizes();
    let widths = sizes.map(|size| size.map(|size| (size.width, size.height)));
    assert_eq!(widths, [Some((120, 67)), Some((240, 135)), Some((480, 270))]);

    // The second spatial layer of the keyframe refers to the first.
    let middle = dependencies.read(&bytes("860173")).expect("a template");
    assert_eq!((middle.frame_number, middle.spatial, middle.temporal), (0x173, 1, 0));
    assert_eq!(middle.diffs(), [1]);
    assert_eq!(middle.role(0, 2).indication, Indication::NotPresent);
    assert_eq!(middle.role(1, 0).indication, Indication::Switch);
    assert_eq!(middle.role(1, 0).chain_diff, 1);
    assert!(!middle.frame(false).starts_keyframe);

    let top = dependencies.read(&bytes("0b0174")).expect("a template");
    assert_eq!((top.spatial, top.temporal), (2, 0));
    assert!(!top.starts_frame && !top.ends_frame);
}

#[test]
fn a_mask_tells_what_is_left_out() {
    let mut dependencies = Dependencies::default();
    let captured = bytes(CAPTURED);
    let key = dependencies.read(&captured).expect("a structure");
    let mut out = [0; 128];
    let length = key.rewrite(&captured, 5, Some((0, 1)), &mut out).expect("it fits");
    assert!(length <= captured.len() + 5);

    let mut receiver = Dependencies::default();
    let seen = receiver.read(&out[..length]).expect("still valid");
    assert_eq!(seen.frame_number, 0x177);
    // All that is left are the two lowest targets; what is above them is the best of these.
    assert_eq!(seen.masks[place(2, 2)], 0b11);
    assert_eq!(receiver.sizes(), dependencies.sizes());

    // A short descriptor of the same stream gets its mask too.
    let short = bytes("c30175");
    let links = dependencies.read(&short).expect("a template");
    let length = links.rewrite(&short, 0, Some((1, 2)), &mut out).expect("it fits");
    let seen = receiver.read(&out[..length]).expect("still valid");
    assert_eq!(seen.masks[place(2, 2)], 0b11_1111);
    let length = links.rewrite(&short, 1, None, &mut out).expect("it fits");
    assert_eq!(out[..length], bytes("c30176"));
}

/// A structure as a sender would make it.
#[derive(Clone, Debug)]
struct Made {
    id_offset: u32,
    targets: u32,
    /// How the layers go on after each template but the last: 0 same, 1 temporal, 2 spatial.
    steps: Vec<u32>,
    /// Decode target indications and references, by template.
    templates: Vec<(Vec<u32>, Vec<u32>)>,
    sizes: bool,
}

fn made() -> impl Strategy<Value = Made> {
    (1..9_u32, 1..12_usize).prop_flat_map(|(targets, templates)| {
        let template = (
            prop::collection::vec(0..4_u32, targets as usize),
            prop::collection::vec(1..=16_u32, 0..3),
        );
        (
            0..64_u32,
            Just(targets),
            prop::collection::vec(0..3_u32, templates - 1),
            prop::collection::vec(template, templates),
            any::<bool>(),
        )
            .prop_map(|(id_offset, targets, steps, templates, sizes)| Made {
                id_offset,
                targets,
                steps,
                templates,
                sizes,
            })
    })
}

impl Made {
    fn layers(&self) -> Vec<(u8, u8)> {
        let mut layer = (0, 0);
        let mut layers = vec![layer];
        for step in &self.steps {
            layer = match step {
                0 => layer,
                1 => (layer.0, layer.1 + 1),
                _ => (layer.0 + 1, 0),
            };
            layers.push(layer);
        }
        layers
    }

    fn write(&self, out: &mut [u8], template: u32, frame_number: u32, mask: Option<u32>) -> usize {
        let mut bits = BitWriter::new(out);
        bits.bits(0b11, 2);
        bits.bits((self.id_offset + template) & 63, 6);
        bits.bits(frame_number, 16);
        bits.bits(0b1_0000 | u32::from(mask.is_some()) << 3, 5);
        bits.bits(self.id_offset, 6);
        bits.bits(self.targets - 1, 5);
        self.steps.iter().for_each(|step| bits.bits(*step, 2));
        bits.bits(3, 2);
        for (indications, _) in &self.templates {
            indications.iter().for_each(|indication| bits.bits(*indication, 2));
        }
        for (_, diffs) in &self.templates {
            diffs.iter().for_each(|diff| bits.bits(1 << 4 | (diff - 1), 5));
            bits.bit(false);
        }
        // No chains: 0 of targets + 1 values.
        let width = u32::BITS - (self.targets + 1).leading_zeros();
        bits.bits(0, width - 1);
        bits.bit(self.sizes);
        if self.sizes {
            let highest = u32::from(self.layers().iter().map(|layer| layer.0).max().expect("one"));
            (0..=highest)
                .for_each(|spatial| bits.bits(((320 << spatial.min(2)) - 1) << 16 | 179, 32));
        }
        if let Some(mask) = mask {
            bits.bits(mask, self.targets);
        }
        bits.finish().expect("it fits")
    }
}

proptest! {
    #[test]
    fn what_a_sender_writes_is_read(made in made(), template: prop::sample::Index, number: u16) {
        let mut buffer = [0; 512];
        let index = template.index(made.templates.len());
        let length = made.write(&mut buffer, index as u32, u32::from(number), None);
        let mut dependencies = Dependencies::default();
        let links = dependencies.read(&buffer[..length]).expect("valid");
        let layer = made.layers()[index];
        prop_assert_eq!(links.frame_number, number);
        prop_assert_eq!((links.spatial, links.temporal), (layer.0.min(2), layer.1.min(2)));
        let diffs: Vec<_> = links.diffs().iter().map(|diff| u32::from(*diff)).collect();
        prop_assert_eq!(&diffs, &made.templates[index].1);
        if made.sizes {
            prop_assert_eq!(dependencies.sizes()[0], Some(Size { width: 320, height: 180 }));
        }
        // The highest layer's role is that of some decode target of this template.
        let top = links.role(2, 2).indication;
        prop_assert!(made.templates[index].0.iter().any(|it| Indication::new(*it) == top));
    }

    /// Whatever is rewritten says the same but for the number and the mask.
    #[test]
    fn rewriting_changes_numbers_and_mask_only(
        made in made(), number: u16, offset: u16, mask in any::<Option<u32>>(),
        layer in any::<Option<(u8, u8)>>(),
    ) {
        let mask = mask.map(|mask| (mask | 1) & ((1 << made.targets) - 1));
        let mut buffer = [0; 512];
        let length = made.write(&mut buffer, 0, u32::from(number), mask);
        let mut sender = Dependencies::default();
        let before = sender.read(&buffer[..length]).expect("valid");
        let mut out = [0; 512];
        let rewritten = before.rewrite(&buffer[..length], offset, layer, &mut out).expect("it fits");
        prop_assert!(rewritten <= length + 5);

        let mut receiver = Dependencies::default();
        let after = receiver.read(&out[..rewritten]).expect("still valid");
        prop_assert_eq!(after.frame_number, number.wrapping_add(offset));
        prop_assert_eq!(after.diffs(), before.diffs());
        prop_assert_eq!((after.spatial, after.temporal), (before.spatial, before.temporal));
        prop_assert_eq!(receiver.sizes(), sender.sizes());
        if let Some((spatial, temporal)) = layer {
            prop_assert_eq!(after.masks[place(2, 2)], before.masks[place(spatial, temporal)]);
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(packets in prop::collection::vec(
        (prop::collection::vec(any::<u8>(), 0..120), any::<Option<(u8, u8)>>()), 1..6)) {
        let mut dependencies = Dependencies::default();
        let _ = dependencies.read(&bytes(CAPTURED));
        let mut out = [0; 255];
        for (bytes, layer) in packets {
            if let Some(links) = dependencies.read(&bytes) {
                let _ = links.rewrite(&bytes, 1, layer, &mut out);
                let _ = links.frame(false);
                let _ = dependencies.sizes();
            }
        }
    }
}
