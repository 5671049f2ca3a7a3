//! Packets sent in one burst, and how far apart two bursts arrived compared with
//! how far apart they left (draft-ietf-rmcat-gcc-02, section 5.2).

/// Packets sent within this time of the first are one group.
const BURST_US: u64 = 5_000;
/// A group that arrives as one clump (a Wi-Fi aggregate, a queue that was held
/// back) is at most this long.
const MAX_CLUMP_US: i64 = 100_000;
/// The far clock jumped when a step in it is off by more than this.
const CLOCK_JUMP_US: i64 = 3_000_000;
/// That many groups in a row that arrive before their predecessors mean that the
/// far clock was set back.
const MAX_REORDERED: u8 = 3;

#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent_us: u64,
    last_sent_us: u64,
    first_arrival_us: i64,
    last_arrival_us: i64,
}

/// Two groups that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Between their departures.
    pub(super) sent_us: i64,
    /// Between their arrivals, on the far clock.
    pub(super) arrived_us: i64,
    /// When the later one had arrived, on the far clock.
    pub(super) at_us: i64,
}

#[derive(Debug, Default)]
pub(super) struct Groups {
    complete: Option<Group>,
    current: Option<Group>,
    reordered: u8,
}

impl Groups {
    /// Takes the packets in the order they were sent in. A step is known when the
    /// packet begins another group.
    pub(super) fn add(&mut self, sent_us: u64, arrival_us: i64) -> Option<Step> {
        let Some(current) = &mut self.current else {
            self.current = Some(Group::new(sent_us, arrival_us));
            return None;
        };
        if sent_us < current.first_sent_us {
            return None;
        }
        if current.takes(sent_us, arrival_us) {
            current.last_sent_us = current.last_sent_us.max(sent_us);
            current.last_arrival_us = current.last_arrival_us.max(arrival_us);
            return None;
        }
        let finished = std::mem::replace(current, Group::new(sent_us, arrival_us));
        self.finish(finished)
    }

    /// The next packet is compared with nothing before it.
    pub(super) fn restart(&mut self) {
        *self = Self::default();
    }

    fn finish(&mut self, group: Group) -> Option<Step> {
        let earlier = self.complete.replace(group)?;
        let step = Step {
            sent_us: group.last_sent_us.saturating_sub(earlier.last_sent_us) as i64,
            arrived_us: group.last_arrival_us.saturating_sub(earlier.last_arrival_us),
            at_us: group.last_arrival_us,
        };
        if step.arrived_us < 0 {
            self.reordered += 1;
            if self.reordered < MAX_REORDERED {
                self.complete = Some(earlier);
            } else {
                self.restart();
            }
            return None;
        }
        self.reordered = 0;
        if step.arrived_us.saturating_sub(step.sent_us) > CLOCK_JUMP_US {
            self.restart();
            return None;
        }
        Some(step)
    }
}

impl Group {
    const fn new(sent_us: u64, arrival_us: i64) -> Self {
        Self {
            first_sent_us: sent_us,
            last_sent_us: sent_us,
            first_arrival_us: arrival_us,
            last_arrival_us: arrival_us,
        }
    }

    /// Same burst when sent together; also when it arrived right behind the group
    /// and closer to it than it was sent, as what was held back arrives.
    fn takes(&self, sent_us: u64, arrival_us: i64) -> bool {
        if sent_us.saturating_sub(self.first_sent_us) <= BURST_US {
            return true;
        }
        let sent_after = sent_us.saturating_sub(self.last_sent_us) as i64;
        let arrived_after = arrival_us.saturating_sub(self.last_arrival_us);
        (-MAX_CLUMP_US..=BURST_US as i64).contains(&arrived_after)
            && arrived_after < sent_after
            && arrival_us.saturating_sub(self.first_arrival_us) < MAX_CLUMP_US
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn steps(packets: &[(u64, i64)]) -> Vec<Step> {
        let mut groups = Groups::default();
        packets.iter().filter_map(|(sent, arrival)| groups.add(*sent, *arrival)).collect()
    }

    #[test]
    fn a_burst_is_one_group_and_its_last_packet_counts() {
        let seen = steps(&[
            (0, 50_000),
            (1_000, 52_000),
            (20_000, 70_000),
            (21_000, 75_000),
            (40_000, 90_000),
        ]);
        let step = Step { sent_us: 20_000, arrived_us: 23_000, at_us: 75_000 };
        assert_eq!(seen, [step]);
    }

    #[test]
    fn what_was_held_back_is_one_group() {
        // Three frames arrive within 2 ms after a pause of the link, then all is normal.
        let seen = steps(&[
            (0, 50_000),
            (20_000, 100_000),
            (40_000, 101_000),
            (60_000, 102_000 + 10_000),
            (80_000, 132_000),
        ]);
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0], Step { sent_us: 40_000, arrived_us: 51_000, at_us: 101_000 });
    }

    #[test]
    fn a_clock_that_jumps_starts_over() {
        let mut groups = Groups::default();
        for number in 0..5_u64 {
            groups.add(number * 20_000, number as i64 * 20_000);
        }
        for number in 5..8_u64 {
            let step = groups.add(number * 20_000, 10_000_000 + number as i64 * 20_000);
            assert!(step.is_none_or(|step| step.arrived_us < 1_000_000));
        }
        for number in 8..16_u64 {
            let step = groups.add(number * 20_000, number as i64 * 20_000);
            assert!(step.is_none_or(|step| step.arrived_us >= 0));
        }
        assert!(groups.add(320_000, 320_000).is_some(), "it goes on after the jump back");
    }

    proptest! {
        #[test]
        fn any_times_are_endured(packets in prop::collection::vec((any::<u64>(), any::<i64>()), 0..200)) {
            for step in steps(&packets) {
                prop_assert!(step.arrived_us >= 0);
            }
        }
    }
}
