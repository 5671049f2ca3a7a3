//! Which received SSRC is what: of which track and layer, an original or a repetition.

/// The place of a stream among a participant's tracks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// Index of the track.
    pub(crate) track: usize,
    /// Index of the layer in the track; 0 without simulcast.
    pub(crate) layer: usize,
}

/// What the packets of an SSRC are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Media(Source),
    /// Repetitions of packets of that source (RFC 4588), and probes.
    Repair(Source),
}

impl Role {
    pub(crate) const fn source(self) -> Source {
        match self {
            Self::Media(source) | Self::Repair(source) => source,
        }
    }
}

/// A small table: a client sends few SSRCs, and nearly always the same ones.
#[derive(Debug)]
pub(crate) struct Bindings {
    known: Vec<(u32, Role)>,
    limit: usize,
}

impl Bindings {
    pub(crate) const fn new(limit: usize) -> Self {
        Self { known: Vec::new(), limit }
    }

    pub(crate) fn find(&self, ssrc: u32) -> Option<Role> {
        self.known.iter().find(|(known, _)| *known == ssrc).map(|(_, role)| *role)
    }

    /// Binds an SSRC, in place of another that had the same role: the client began
    /// its stream anew. Whether there was room.
    pub(crate) fn bind(&mut self, ssrc: u32, role: Role) -> bool {
        self.known.retain(|(known, earlier)| *known != ssrc && *earlier != role);
        if self.known.len() >= self.limit {
            return false;
        }
        self.known.push((ssrc, role));
        true
    }

    #[cfg(test)]
    pub(crate) const fn len(&self) -> usize {
        self.known.len()
    }

    /// Forgets the SSRCs of a track, whose m-line was given to something else.
    pub(crate) fn forget_track(&mut self, track: usize) {
        self.known.retain(|(_, role)| role.source().track != track);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAMERA: Source = Source { track: 1, layer: 0 };

    #[test]
    fn a_new_stream_takes_the_place_of_the_old_one() {
        let mut bindings = Bindings::new(3);
        assert!(bindings.bind(1, Role::Media(CAMERA)));
        assert!(bindings.bind(2, Role::Repair(CAMERA)));
        assert!(bindings.bind(3, Role::Media(CAMERA)));
        assert_eq!(bindings.find(1), None);
        assert_eq!(bindings.find(3), Some(Role::Media(CAMERA)));
        assert_eq!(bindings.find(2), Some(Role::Repair(CAMERA)));
        assert!(bindings.bind(4, Role::Media(Source { layer: 1, ..CAMERA })));
        assert!(!bindings.bind(5, Role::Media(Source { layer: 2, ..CAMERA })), "full");
        bindings.forget_track(1);
        assert_eq!(bindings.find(3), None);
    }
}
