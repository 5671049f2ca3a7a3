//! Which packets of a track go to one slot.
//!
//! Between streams (simulcast encodings, or a publisher that restarted) a slot changes
//! at a keyframe: the one it has goes on until the other begins. Within a stream
//! temporal layers come and go where the codec says that a decoder can follow, and so
//! do spatial layers of a scalable one, or else at its next keyframe.

#[cfg(test)]
mod tests;
mod within;

use crate::codec::Frame;
use crate::layers::selector::within::Within;
use crate::layers::{Layer, Stacking};

/// A packet of the track that the slot carries.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Index of the simulcast encoding; 0 without.
    pub stream: u8,
    pub ssrc: u32,
    pub timestamp: u32,
    pub marker: bool,
    /// No later packet of the stream came before it.
    pub in_order: bool,
    pub frame: &'a Frame,
}

/// What to do with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send it, as the first of a source that the slot was not following.
    Begin { marker: bool },
    /// Send it.
    Pass { marker: bool },
    /// Leave it out of the stream that the slot follows, without a gap.
    Skip,
    /// The slot does not follow its stream.
    Ignore,
}

/// The choice of one slot, packet by packet.
#[derive(Debug, Default)]
pub struct Selector {
    goal: Option<Goal>,
    following: Option<Following>,
}

/// Where the slot is to get: a stream, and a layer in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Goal {
    stream: u8,
    within: Layer,
    stacking: Stacking,
}

#[derive(Debug)]
struct Following {
    stream: u8,
    ssrc: u32,
    within: Within,
}

impl Selector {
    /// Nothing is sent until there is a target, and then from a keyframe on.
    pub const fn new() -> Self {
        Self { goal: None, following: None }
    }

    /// Sets where to get, or pauses.
    pub fn set_target(&mut self, target: Option<Layer>, stacking: Stacking) {
        self.goal = target.map(|layer| match stacking {
            Stacking::Simulcast => {
                let within = Layer { spatial: Layer::TOP.spatial, ..layer };
                Goal { stream: layer.spatial, within, stacking }
            }
            Stacking::Scalable => Goal { stream: 0, within: layer, stacking },
        });
        match (self.goal, &mut self.following) {
            (None, _) => self.following = None,
            (Some(goal), Some(following)) => following.within.set_goal(goal.within),
            (Some(_), None) => {}
        }
    }

    /// What comes next begins anew, with a keyframe.
    pub fn restart(&mut self) {
        self.following = None;
    }

    /// The layer that the slot is to get.
    pub fn target(&self) -> Option<Layer> {
        self.goal.map(|goal| match goal.stacking {
            Stacking::Simulcast => Layer { spatial: goal.stream, ..goal.within },
            Stacking::Scalable => goal.within,
        })
    }

    /// The layer that the slot gets.
    pub fn current(&self) -> Option<Layer> {
        let following = self.following.as_ref()?;
        let within = self.within()?;
        Some(match self.goal?.stacking {
            Stacking::Simulcast => Layer { spatial: following.stream, ..within },
            Stacking::Scalable => within,
        })
    }

    /// The stream that the slot follows.
    pub fn stream(&self) -> Option<u8> {
        self.following.as_ref().map(|following| following.stream)
    }

    /// The layer that the slot gets of the stream it follows.
    pub fn within(&self) -> Option<Layer> {
        self.following.as_ref().map(|following| following.within.layer())
    }

    /// Whether packets of a stream matter to the slot: it follows it, or may begin to
    /// with its next keyframe. A slot that has nothing takes any stream up to the one
    /// it is to get, since some picture at once is better than the right one later.
    pub fn wants(&self, stream: u8) -> bool {
        match (self.goal, &self.following) {
            (None, _) => false,
            (Some(goal), Some(following)) => stream == following.stream || stream == goal.stream,
            (Some(goal), None) => stream <= goal.stream,
        }
    }

    /// The stream of which a keyframe is needed.
    pub fn needs_keyframe(&self) -> Option<u8> {
        let goal = self.goal?;
        match &self.following {
            Some(following) if following.stream == goal.stream => {
                following.within.needs_keyframe().then_some(goal.stream)
            }
            Some(_) | None => Some(goal.stream),
        }
    }

    /// Decides on a packet.
    pub fn decide(&mut self, packet: Candidate<'_>) -> Verdict {
        let Some(goal) = self.goal else { return Verdict::Ignore };
        if let Some(following) = &mut self.following
            && following.stream == packet.stream
        {
            if following.ssrc == packet.ssrc {
                return following.within.decide(packet);
            }
            // The publisher restarted the stream; the old one is over.
            self.following = None;
        }
        // A first packet that comes after others of its picture was repaired: those are
        // gone, so the picture is of no use any more.
        let may_begin =
            packet.frame.starts_keyframe && packet.in_order && self.wants(packet.stream);
        if !may_begin {
            return Verdict::Ignore;
        }
        let (within, marker) = Within::begin(goal.within, packet);
        self.following = Some(Following { stream: packet.stream, ssrc: packet.ssrc, within });
        Verdict::Begin { marker }
    }
}
