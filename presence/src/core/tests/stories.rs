//! What people see, one story each.

use std::time::Duration;

use housecall_protocol::cluster::{BeatKind, FullBeat};
use housecall_protocol::domain::PresenceStatus::{self, Away, Busy, Offline, Online};

use super::super::{Core, Output, Rules};
use super::{RULES, at, beat, chose_at, full, joined, left, news, part, person, wall};

/// Longer than a story.
const LONG: Duration = Duration::from_secs(10_000);

fn statuses(core: &mut Core, second: u64) -> Vec<PresenceStatus> {
    news(core, second).into_iter().map(|person| person.status).collect()
}

fn chose(p: u8, status: PresenceStatus) -> BeatKind {
    BeatKind::Status(chose_at(p, status, 0))
}

#[test]
fn a_reload_is_not_news_and_a_departure_is_after_the_grace() {
    let mut core = Core::new(RULES);
    core.handle(at(0), beat(1, joined(1, 1)));
    assert_eq!(statuses(&mut core, 0), [Online]);
    core.handle(at(5), beat(1, left(1, 1)));
    core.handle(at(8), beat(1, joined(2, 1)));
    assert_eq!(statuses(&mut core, 30), []);
    core.handle(at(40), beat(1, left(2, 1)));
    assert_eq!(statuses(&mut core, 49), []);
    let told = news(&mut core, 50);
    assert_eq!((told[0].status, told[0].last_seen), (Offline, Some(wall(40))));
    assert_eq!(core.presence(person(1)).last_seen, Some(wall(40)));
}

#[test]
fn another_device_keeps_a_person_online() {
    let mut core = Core::new(RULES);
    core.handle(at(0), beat(1, joined(1, 1)));
    core.handle(at(0), beat(2, joined(2, 1)));
    assert_eq!(statuses(&mut core, 0), [Online]);
    core.handle(at(1), beat(1, left(1, 1)));
    assert_eq!(statuses(&mut core, 50), []);
}

#[test]
fn a_silent_gateway_takes_its_people_with_it() {
    let mut core = Core::new(RULES);
    core.handle(at(0), beat(1, joined(1, 1)));
    core.handle(at(0), beat(2, joined(2, 3)));
    assert_eq!(statuses(&mut core, 0), [Online, Online]);
    core.handle(at(27), beat(1, full(&[(1, 1)])));
    core.handle(at(54), beat(1, full(&[(1, 1)])));
    assert_eq!(core.poll(at(60)), Output::Timeout(Some(at(70).elapsed)));
    let told = news(&mut core, 70);
    assert_eq!(told.len(), 1);
    // The last sign of life, not the end of the lease.
    assert_eq!((told[0].person, told[0].last_seen), (person(3), Some(wall(0))));
    assert_eq!(core.census().leases, 1);
}

#[test]
fn a_gateway_that_falls_silent_among_others_is_given_up() {
    let mut core = Core::new(RULES);
    core.handle(at(0), beat(1, joined(1, 1)));
    core.handle(at(0), beat(2, joined(2, 3)));
    assert_eq!(statuses(&mut core, 0), [Online, Online]);
    core.handle(at(2), beat(2, BeatKind::Alive));
    for second in [3, 6] {
        core.handle(at(second), beat(1, BeatKind::Alive));
    }
    core.handle(at(9), beat(1, BeatKind::Alive));
    assert!(!core.take_dropped_silent());
    core.handle(at(12), beat(1, BeatKind::Alive));
    assert!(core.take_dropped_silent());
    assert!(!core.take_dropped_silent(), "asked once");
    assert_eq!(core.census().leases, 1);
    let told = news(&mut core, 22);
    assert_eq!((told[0].person, told[0].last_seen), (person(3), Some(wall(2))));
}

#[test]
fn when_all_are_silent_nobody_is_given_up_and_a_living_one_comes_back_unnoticed() {
    let mut core = Core::new(RULES);
    core.handle(at(0), beat(1, joined(1, 1)));
    core.handle(at(0), beat(2, joined(2, 3)));
    assert_eq!(statuses(&mut core, 0), [Online, Online]);
    // The bus was away. The first that is heard again takes the other for dead...
    assert_eq!(statuses(&mut core, 30), []);
    core.handle(at(30), beat(1, BeatKind::Alive));
    assert!(core.take_dropped_silent());
    // ...which, asked, says otherwise within the grace.
    core.handle(at(30), beat(2, full(&[(2, 3)])));
    assert_eq!(statuses(&mut core, 50), []);
    // A gateway alone is never judged: nobody is left to be told.
    let mut core = Core::new(RULES);
    core.handle(at(0), beat(1, joined(1, 1)));
    core.handle(at(30), beat(1, BeatKind::Alive));
    assert_eq!(core.census().leases, 1);
}

#[test]
fn a_stopping_gateway_leaves_time_to_move() {
    let mut core = Core::new(RULES);
    for (c, p) in [(1, 1), (2, 3)] {
        core.handle(at(0), beat(1, joined(c, p)));
    }
    assert_eq!(statuses(&mut core, 0), [Online, Online]);
    core.handle(at(20), beat(1, BeatKind::Stopping));
    assert_eq!(core.census().leases, 0);
    core.handle(at(23), beat(2, joined(3, 1)));
    let told = news(&mut core, 30);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].person, told[0].last_seen), (person(3), Some(wall(20))));
}

#[test]
fn a_full_beat_mends_lost_ones() {
    let mut core = Core::new(RULES);
    core.handle(at(0), beat(1, joined(1, 1)));
    core.handle(at(0), beat(1, joined(2, 3)));
    assert_eq!(statuses(&mut core, 0), [Online, Online]);
    core.handle(at(27), beat(1, full(&[(2, 3), (3, 5)])));
    assert_eq!(statuses(&mut core, 27), [Online]);
    assert_eq!(statuses(&mut core, 37), [Offline]);
    assert_eq!(core.presence(person(1)).status, Offline);
}

#[test]
fn a_full_beat_in_parts_ends_the_missing_with_its_last_part() {
    let mut core = Core::new(RULES);
    for (c, p) in [(1, 1), (2, 3), (3, 5)] {
        core.handle(at(0), beat(1, joined(c, p)));
    }
    assert_eq!(statuses(&mut core, 0), [Online; 3]);
    // The second of three parts is lost: nobody ends.
    core.handle(at(27), beat(1, part(1, 0, 3, &[(1, 1)])));
    core.handle(at(27), beat(1, part(1, 2, 3, &[])));
    assert_eq!(statuses(&mut core, 40), []);
    // In any order, and a part that came twice counts once.
    core.handle(at(54), beat(1, part(2, 1, 2, &[(2, 3)])));
    core.handle(at(54), beat(1, part(2, 1, 2, &[(2, 3)])));
    assert_eq!(core.census().leases, 3);
    core.handle(at(54), beat(1, part(2, 0, 2, &[(1, 1)])));
    assert_eq!(core.census().leases, 2);
    assert_eq!(news(&mut core, 64).iter().map(|one| one.person).collect::<Vec<_>>(), [person(5)]);
}

#[test]
fn a_full_beat_tells_what_was_chosen_and_the_later_word_counts() {
    let mut core = Core::new(RULES);
    let with = |chosen| {
        let connections = vec![(super::connection(1), person(2), super::kind(2))];
        let (active, in_call) = (Vec::new(), Vec::new());
        BeatKind::Full(FullBeat {
            round: 1,
            part: 0,
            parts: 1,
            connections,
            chosen,
            active,
            in_call,
        })
    };
    core.handle(at(5), beat(1, with(vec![chose_at(2, Away, 3)])));
    assert_eq!(statuses(&mut core, 5), [Away], "never online in between");
    core.handle(at(6), beat(2, BeatKind::Status(chose_at(2, Busy, 6))));
    assert_eq!(statuses(&mut core, 6), [Busy]);
    // The first gateway still repeats what it heard last.
    core.handle(at(27), beat(1, with(vec![chose_at(2, Away, 3)])));
    assert_eq!(statuses(&mut core, 27), []);
}

#[test]
fn a_full_beat_that_was_overtaken_ends_nobody() {
    let mut core = Core::new(RULES);
    core.handle(at(26), beat(1, joined(1, 1)));
    core.handle(at(27), beat(1, full(&[])));
    assert_eq!(statuses(&mut core, 53), [Online]);
    core.handle(at(54), beat(1, full(&[])));
    assert_eq!(statuses(&mut core, 64), [Offline]);
}

#[test]
fn a_chosen_status_outlives_a_reconnect_but_not_the_grace() {
    let mut core = Core::new(RULES);
    core.handle(at(0), beat(1, joined(1, 2)));
    assert_eq!(statuses(&mut core, 0), [Online]);
    core.handle(at(1), beat(1, chose(2, Away)));
    assert_eq!(statuses(&mut core, 1), [Away]);
    core.handle(at(2), beat(1, left(1, 2)));
    core.handle(at(9), beat(1, joined(2, 2)));
    assert_eq!(statuses(&mut core, 9), []);
    core.handle(at(10), beat(1, left(2, 2)));
    assert_eq!(statuses(&mut core, 20), [Offline]);
    core.handle(at(21), beat(1, joined(3, 2)));
    assert_eq!(statuses(&mut core, 21), [Online]);
}

#[test]
fn operators_who_can_take_calls_are_listed() {
    let mut core = Core::new(RULES);
    for (c, p) in [(1, 2), (2, 4), (3, 6), (4, 8), (5, 1)] {
        core.handle(at(0), beat(1, joined(c, p)));
    }
    core.handle(at(0), beat(1, chose(4, Busy)));
    core.handle(at(0), beat(1, chose(6, Away)));
    core.handle(at(0), beat(1, chose(8, Offline)));
    assert_eq!(core.operators_online(), [person(2), person(4)]);
    // Who hides is offline without a word about when.
    assert_eq!(core.presence(person(8)).last_seen, None);
}

#[test]
fn a_patient_chooses_no_status() {
    let mut core = Core::new(RULES);
    core.handle(at(0), beat(1, joined(1, 1)));
    core.handle(at(0), beat(1, chose(1, Offline)));
    assert_eq!(statuses(&mut core, 0), [Online]);
}

#[test]
fn only_so_many_offline_people_are_remembered_and_each_was_told() {
    let mut core = Core::new(Rules { remembered_offline: 2, ..RULES });
    for n in 0..5 {
        core.handle(at(u64::from(n)), beat(1, joined(n, 2 * n + 1)));
        core.handle(at(u64::from(n)), beat(1, left(n, 2 * n + 1)));
    }
    assert_eq!(statuses(&mut core, 5), [Online; 5]);
    assert_eq!(statuses(&mut core, 60), [Offline; 5]);
    assert_eq!(core.people.len(), 2);
    assert_eq!(core.presence(person(1)).last_seen, None);
    assert_eq!(core.presence(person(9)).last_seen, Some(wall(4)));
}

fn used(p: u8, second: u64) -> BeatKind {
    BeatKind::Active { person: person(p), at: wall(second) }
}

#[test]
fn idle_hands_are_away_until_they_move() {
    let rules = Rules { away_after: Some(Duration::from_secs(30)), lease: LONG, ..RULES };
    let mut core = Core::new(rules);
    core.handle(at(0), beat(1, joined(1, 2)));
    core.handle(at(0), beat(1, joined(2, 1)));
    assert_eq!(statuses(&mut core, 0), [Online, Online]);
    core.handle(at(20), beat(1, used(2, 20)));
    assert_eq!(statuses(&mut core, 49), []);
    assert_eq!(statuses(&mut core, 50), [Away], "the operator, not the patient");
    // Word of a use long past is no use.
    core.handle(at(60), beat(1, used(2, 25)));
    assert_eq!(statuses(&mut core, 60), []);
    core.handle(at(70), beat(1, used(2, 69)));
    assert_eq!(statuses(&mut core, 70), [Online]);
    // What was chosen stands; what was chosen online does not.
    core.handle(at(71), beat(1, chose(2, Busy)));
    assert_eq!(statuses(&mut core, 200), [Busy]);
    core.handle(at(201), beat(1, chose(2, Online)));
    assert_eq!(statuses(&mut core, 201), [Away]);
    core.handle(at(202), beat(1, used(2, 202)));
    assert_eq!(statuses(&mut core, 202), [Online]);
}

#[test]
fn an_operator_in_a_call_is_busy() {
    let rules = Rules { away_after: Some(Duration::from_secs(30)), lease: LONG, ..RULES };
    let mut core = Core::new(rules);
    core.handle(at(0), beat(1, joined(1, 2)));
    let call = |in_call| BeatKind::InCall { person: person(2), in_call };
    core.handle(at(1), beat(1, call(true)));
    assert_eq!(statuses(&mut core, 1), [Busy]);
    core.handle(at(2), beat(1, chose(2, Away)));
    assert_eq!(statuses(&mut core, 100), [], "a call says more");
    core.handle(at(100), beat(1, chose(2, Offline)));
    assert_eq!(statuses(&mut core, 100), [Offline], "except to who hides");
    core.handle(at(101), beat(1, chose(2, Online)));
    assert_eq!(statuses(&mut core, 101), [Busy]);
    // The word of its end was lost: the next full beat tells.
    core.handle(at(102), beat(1, used(2, 102)));
    core.handle(at(103), beat(1, full(&[(1, 2)])));
    assert_eq!(statuses(&mut core, 103), [Online]);
}

/// Two gateways; the second is silent for `silent` seconds, comes back with all its
/// people, and again. Returns how many changes watchers are told meanwhile.
fn flapping(people: u8, silent: u64, times: u64) -> usize {
    let mut core = Core::new(RULES);
    let list: Vec<_> = (1..=people).map(|n| (n, n)).collect();
    core.handle(at(0), beat(1, full(&[(200, 201)])));
    core.handle(at(0), beat(2, full(&list)));
    news(&mut core, 0);
    let mut told = 0;
    for flap in 0..times {
        let start = flap * (silent + 3);
        for second in start + 1..=start + silent {
            core.handle(at(second), beat(1, full(&[(200, 201)])));
            core.handle(at(second), beat(1, BeatKind::Alive));
            told += news(&mut core, second).len();
        }
        core.handle(at(start + silent + 1), beat(2, full(&list)));
        core.handle(at(start + silent + 2), beat(2, BeatKind::Alive));
        told += news(&mut core, start + silent + 2).len();
    }
    told
}

#[test]
fn a_flapping_gateway_causes_no_storm() {
    assert_eq!(flapping(100, RULES.silence.as_secs() + 5, 20), 0, "back within the grace");
    // Out of reach for longer than that each time: said once or twice, then not again.
    let told = flapping(100, RULES.silence.as_secs() + 20, 20);
    assert!(told <= 400, "{told} changes of a hundred people in twenty flaps");
}

#[test]
fn a_dead_gateway_is_news_within_silence_and_grace() {
    let mut core = Core::new(RULES);
    core.handle(at(0), beat(1, joined(1, 1)));
    core.handle(at(0), beat(2, full(&[(2, 3), (3, 5)])));
    news(&mut core, 0);
    let mut gone_at = None;
    for second in 1..60 {
        core.handle(at(second), beat(1, BeatKind::Alive));
        if news(&mut core, second).len() == 2 {
            gone_at = Some(second);
            break;
        }
    }
    assert_eq!(gone_at, Some((RULES.silence + RULES.grace).as_secs()));
}
