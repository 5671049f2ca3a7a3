//! Layers within the stream that a slot follows.

use crate::codec::dependency::{Indication, Links, Role};
use crate::codec::{Detail, Frame, MAX_SPATIAL, vp9};
use crate::layers::Layer;
use crate::layers::selector::{Candidate, Verdict};

/// Pictures after which a lower spatial layer is asked a keyframe of, when none of them
/// was a place to change: a structure that has such places has one in every cycle of
/// its temporal layers, which is eight pictures at most.
const PATIENCE: u8 = 16;

#[derive(Debug)]
pub(super) struct Within {
    goal: Layer,
    /// What is sent.
    layer: Layer,
    /// Of the newest picture.
    timestamp: u32,
    /// Pictures since the goal was set and not reached.
    waited: u8,
    kept: Kept,
}

/// What the receiver can refer to.
#[derive(Debug)]
enum Kept {
    /// There is one spatial layer.
    All,
    /// By spatial layer of VP9: whether all of it was sent since the last keyframe.
    Layers([bool; MAX_SPATIAL]),
    Frames(Frames),
}

impl Kept {
    const fn from_keyframe(frame: &Frame) -> Self {
        match &frame.detail {
            Detail::Vp9(_) => Self::Layers([true; MAX_SPATIAL]),
            Detail::Links(links) => Self::Frames(Frames::new(links.frame_number)),
            Detail::Vp8(_) | Detail::None => Self::All,
        }
    }
}

impl Within {
    /// Follows a stream from a keyframe on. Also whether its first packet is the last
    /// of the picture.
    pub(super) fn begin(goal: Layer, packet: Candidate<'_>) -> (Self, bool) {
        let kept = Kept::from_keyframe(packet.frame);
        let mut within = Self { goal, layer: goal, timestamp: packet.timestamp, waited: 0, kept };
        within.pass(packet.frame);
        let marker = within.marker(packet);
        (within, marker)
    }

    pub(super) const fn layer(&self) -> Layer {
        self.layer
    }

    pub(super) fn set_goal(&mut self, goal: Layer) {
        if self.goal != goal {
            self.goal = goal;
            self.waited = 0;
        }
    }

    pub(super) const fn needs_keyframe(&self) -> bool {
        let (goal, now) = (self.goal.spatial, self.layer.spatial);
        !matches!(self.kept, Kept::All) && (goal > now || goal < now && self.waited >= PATIENCE)
    }

    pub(super) fn decide(&mut self, packet: Candidate<'_>) -> Verdict {
        let frame = packet.frame;
        if packet.in_order && packet.timestamp != self.timestamp {
            self.timestamp = packet.timestamp;
            if self.layer.spatial != self.goal.spatial {
                self.waited = self.waited.saturating_add(1);
            }
            self.new_picture(frame);
        } else if packet.in_order {
            self.new_frame(frame);
        }
        if self.pass(frame) { Verdict::Pass { marker: self.marker(packet) } } else { Verdict::Skip }
    }

    /// Whether it is the last packet that is sent of its picture: the one of the highest
    /// layer sent.
    const fn marker(&self, packet: Candidate<'_>) -> bool {
        let layered = !matches!(self.kept, Kept::All);
        packet.marker
            || layered && packet.frame.ends_layer && packet.frame.spatial == self.layer.spatial
    }

    /// Changes layers where a picture begins, if it is a place for that.
    fn new_picture(&mut self, frame: &Frame) {
        if frame.starts_keyframe {
            self.layer = self.goal;
            self.kept = Kept::from_keyframe(frame);
            return;
        }
        match &self.kept {
            Kept::All => self.layer.spatial = self.goal.spatial,
            Kept::Layers(whole) => {
                let below = whole.iter().take(usize::from(self.goal.spatial) + 1);
                if self.goal.spatial < self.layer.spatial && below.copied().all(|whole| whole) {
                    self.layer.spatial = self.goal.spatial;
                }
            }
            Kept::Frames(_) => return self.new_frame(frame),
        }
        self.change_temporal(frame);
    }

    /// Fewer pictures from any one on; more from one that refers to none left out.
    fn change_temporal(&mut self, frame: &Frame) {
        let goal = self.goal.temporal;
        let raised = frame.switching_point && frame.temporal > self.layer.temporal;
        if goal < self.layer.temporal {
            self.layer.temporal = goal;
        } else if raised && frame.temporal <= goal {
            self.layer.temporal = frame.temporal;
        }
    }

    /// Changes layers where the dependency descriptor says that a decoder can follow.
    fn new_frame(&mut self, frame: &Frame) {
        let (Kept::Frames(frames), Detail::Links(links)) = (&self.kept, &frame.detail) else {
            return;
        };
        if self.layer == self.goal || !links.starts_frame || !frames.is_next(links.frame_number) {
            return;
        }
        // All the way, or at least as far as the pictures' rate goes. Not to a higher
        // spatial layer: the lower one of this picture may have left with the marker.
        let nearer = Layer { spatial: self.layer.spatial, temporal: self.goal.temporal };
        let reachable = |layer: &Layer| layer.spatial <= self.layer.spatial;
        for layer in [self.goal, nearer].into_iter().filter(reachable) {
            if frames.can_switch(links, links.role(layer.spatial, layer.temporal)) {
                self.layer = layer;
                return;
            }
        }
    }

    /// Whether a packet belongs to what is sent. Remembers it.
    fn pass(&mut self, frame: &Frame) -> bool {
        match (&mut self.kept, &frame.detail) {
            (Kept::Frames(frames), Detail::Links(links)) => {
                let wanted = links.role(self.layer.spatial, self.layer.temporal);
                let passes = wanted.indication.is_present() || frames.has(links.frame_number);
                if passes {
                    frames.add(links.frame_number);
                }
                passes
            }
            (Kept::Layers(whole), Detail::Vp9(descriptor)) => {
                if frame.temporal > self.layer.temporal {
                    return false;
                }
                let passes = is_needed(frame, descriptor, self.layer.spatial);
                if let Some(whole) = whole.get_mut(usize::from(frame.spatial)) {
                    *whole &= passes;
                }
                passes
            }
            // A descriptor that could not be read: whoever gets it may know better.
            (Kept::Frames(_), _) => true,
            (Kept::All | Kept::Layers(_), _) => frame.temporal <= self.layer.temporal,
        }
    }
}

/// Whether a VP9 frame is part of a spatial layer. Lower ones that the higher do not
/// refer to, as between keyframes in some modes, are of no use to it.
const fn is_needed(frame: &Frame, descriptor: &vp9::Descriptor, spatial: u8) -> bool {
    let unused = descriptor.not_for_upper && descriptor.inter_picture && frame.spatial < spatial;
    frame.spatial <= spatial && !unused
}

/// The frames that were sent, of the last 128.
#[derive(Debug)]
struct Frames {
    newest: u16,
    /// A bit for each frame, the newest lowest.
    sent: u128,
}

impl Frames {
    const fn new(first: u16) -> Self {
        Self { newest: first, sent: 0 }
    }

    fn age(&self, number: u16) -> Option<u16> {
        let age = self.newest.wrapping_sub(number);
        (age < 128).then_some(age)
    }

    /// Whether a frame follows all that were seen.
    const fn is_next(&self, number: u16) -> bool {
        let ahead = number.wrapping_sub(self.newest);
        ahead > 0 && ahead < 1 << 15
    }

    fn has(&self, number: u16) -> bool {
        self.age(number).is_some_and(|age| self.sent >> age & 1 == 1)
    }

    fn add(&mut self, number: u16) {
        if self.is_next(number) {
            let ahead = u32::from(number.wrapping_sub(self.newest));
            self.sent = self.sent.checked_shl(ahead).unwrap_or(0);
            self.newest = number;
        }
        if let Some(age) = self.age(number) {
            self.sent |= 1 << age;
        }
    }

    /// Whether a decoder that got these frames can begin a layer with one more.
    fn can_switch(&self, links: &Links, role: Role) -> bool {
        let sent = |diff: u16| self.has(links.frame_number.wrapping_sub(diff));
        let chained = role.chain_diff == 0 || sent(u16::from(role.chain_diff));
        role.indication == Indication::Switch
            && chained
            && links.diffs().iter().all(|diff| sent(*diff))
    }
}
