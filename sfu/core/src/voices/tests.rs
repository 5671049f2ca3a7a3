#![expect(clippy::disallowed_methods, reason = "an origin for virtual time")]

use proptest::prelude::*;

use super::*;

/// Levels of a quiet room, of a voice, and of a loud one.
const ROOM: u8 = 65;
const VOICE: u8 = 30;
const LOUD: u8 = 18;

struct Talk {
    now: Instant,
    voices: Vec<Voice>,
    floor: Floor<usize>,
    reports: Vec<(Instant, Vec<Speaking<usize>>)>,
    reorders: usize,
}

impl Talk {
    fn new(count: usize) -> Self {
        let mut talk = Self {
            now: Instant::now(),
            voices: vec![Voice::default(); count],
            floor: Floor::default(),
            reports: Vec::new(),
            reorders: 0,
        };
        talk.hear(2_000, |_, _| Some(ROOM));
        talk.reorders = 0;
        talk
    }

    /// Lets time pass; `level` says what a microphone sends at a frame, if anything.
    fn hear(&mut self, ms: u64, level: impl Fn(usize, u64) -> Option<u8>) {
        for frame in 0..ms / 20 {
            self.now += FRAME;
            for (index, voice) in self.voices.iter_mut().enumerate() {
                if let Some(level) = level(index, frame) {
                    voice.note(self.now, level);
                }
            }
            if frame % 3 == 0 {
                self.voices.iter_mut().for_each(|voice| voice.update(self.now));
                let voices: Vec<_> = self.voices.iter().enumerate().collect();
                let report = self.floor.update(self.now, &voices);
                self.reports.extend(report.speakers.map(|speakers| (self.now, speakers)));
                self.reorders += usize::from(report.reordered);
            }
        }
    }

    /// Those of a set speak with pauses between words, the others are quiet.
    fn speak(&mut self, ms: u64, who: &[usize]) {
        self.hear(ms, |index, frame| Some(if who.contains(&index) { word(frame) } else { ROOM }));
    }

    fn last(&self) -> Vec<usize> {
        self.reports.last().map_or_else(Vec::new, |(_, speakers)| {
            speakers.iter().map(|speaking| speaking.voice).collect()
        })
    }

    fn seated(&self, slots: usize) -> Vec<usize> {
        let mut seated: Vec<_> = self.floor.order().take(slots).collect();
        seated.sort_unstable();
        seated
    }
}

/// Words of 300 ms with pauses of 80 ms.
fn word(frame: u64) -> u8 {
    if frame % 19 < 15 { VOICE + (frame % 5) as u8 } else { ROOM }
}

#[test]
fn one_speaks_and_stops() {
    let mut talk = Talk::new(3);
    assert!(talk.reports.is_empty() && talk.floor.leader().is_none());
    talk.speak(1_000, &[1]);
    assert_eq!((talk.last(), talk.floor.leader()), (vec![1], Some(1)));
    assert!(talk.reports[0].1[0].level > 0);
    talk.speak(2_000, &[]);
    assert_eq!((talk.last(), talk.floor.leader()), (vec![], Some(1)));
    assert!(!talk.floor.is_lively());
}

#[test]
fn silence_that_is_not_sent_counts_as_silence() {
    let mut talk = Talk::new(2);
    talk.speak(1_000, &[0]);
    // The encoder sends nothing in silence but a packet every 400 ms.
    talk.hear(2_000, |_, frame| (frame % 20 == 0).then_some(SILENCE));
    assert_eq!(talk.last(), Vec::<usize>::new());
    talk.voices[1].mute();
    talk.speak(1_000, &[1]);
    talk.voices[1].mute();
    talk.hear(200, |_, _| None);
    assert_eq!(talk.last(), Vec::<usize>::new());
}

#[test]
fn a_click_is_no_speech_and_a_word_from_elsewhere_takes_no_lead() {
    let mut talk = Talk::new(3);
    talk.hear(1_000, |index, frame| Some(if index == 2 && frame == 20 { 5 } else { ROOM }));
    assert!(talk.reports.is_empty());
    talk.speak(3_000, &[0]);
    // "Mhm", while the other goes on.
    talk.hear(1_500, |index, frame| {
        Some(match index {
            0 => word(frame),
            1 if (20..30).contains(&frame) => VOICE,
            _ => ROOM,
        })
    });
    assert_eq!(talk.floor.leader(), Some(0));
    talk.speak(3_000, &[1]);
    assert_eq!((talk.last(), talk.floor.leader()), (vec![1], Some(1)));
}

#[test]
fn a_background_that_hums_becomes_background() {
    let mut talk = Talk::new(1);
    talk.hear(120_000, |_, _| Some(50));
    let before = talk.reports.len();
    talk.hear(5_000, |_, _| Some(50));
    assert_eq!((talk.reports.len(), talk.last()), (before, vec![]));
    talk.speak(1_000, &[0]);
    assert_eq!(talk.last(), [0]);
}

#[test]
fn who_speaks_gets_a_slot_from_who_does_not() {
    let mut talk = Talk::new(10);
    assert_eq!(talk.seated(3), [0, 1, 2]);
    talk.speak(200, &[7]);
    assert!(talk.seated(3).contains(&7), "within a syllable");
    talk.speak(2_000, &[7]);
    talk.speak(2_000, &[8]);
    talk.speak(2_000, &[9]);
    assert_eq!(talk.seated(3), [7, 8, 9]);
    // They take turns: nobody loses a place.
    talk.reorders = 0;
    for turn in 0..10 {
        talk.speak(1_500, &[7 + turn % 3]);
        assert_eq!(talk.seated(3), [7, 8, 9]);
    }
    // The one who was quiet longest goes.
    talk.speak(1_000, &[7]);
    talk.speak(1_000, &[8]);
    talk.speak(300, &[3]);
    assert_eq!(talk.seated(3), [3, 7, 8]);
}

#[test]
fn a_face_keeps_its_place_longer_than_a_microphone() {
    let mut talk = Talk::new(4);
    talk.speak(2_000, &[2]);
    talk.speak(2_000, &[3]);
    assert_eq!(talk.seated(2), [2, 3]);
    let stage = |talk: &Talk| {
        let mut stage: Vec<_> = talk.floor.stage().take(2).collect();
        stage.sort_unstable();
        stage
    };
    assert_eq!(stage(&talk), [2, 3]);
    talk.speak(1_500, &[0]);
    assert_eq!((talk.seated(2), stage(&talk)), (vec![0, 3], vec![2, 3]));
    talk.speak(2_000, &[0]);
    assert_eq!(stage(&talk), [0, 3], "the one who was quiet longest goes");
}

#[test]
fn when_all_speak_the_louder_ones_stay() {
    let mut talk = Talk::new(5);
    talk.hear(10_000, |index, frame| Some(if index >= 3 { LOUD } else { word(frame) }));
    assert!(talk.seated(2) == [3, 4], "{:?}", talk.seated(2));
    talk.reorders = 0;
    talk.hear(10_000, |index, frame| Some(if index >= 3 { LOUD } else { word(frame) }));
    assert_eq!(talk.reorders, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever is heard: at most three reports a second, each of them news, and of
    /// people who are there; everybody has one seat.
    #[test]
    fn any_levels(script in prop::collection::vec(prop::collection::vec(
        prop_oneof![Just(None), any::<u8>().prop_map(Some), Just(Some(VOICE)), Just(Some(ROOM))], 4), 50..600)) {
        let mut talk = Talk::new(4);
        talk.hear(script.len() as u64 * 60, |index, frame| script[(frame / 3) as usize][index]);
        for pair in talk.reports.windows(2) {
            prop_assert!(pair[1].0 - pair[0].0 >= Duration::from_millis(333));
            prop_assert_ne!(&pair[0].1, &pair[1].1);
        }
        prop_assert_eq!(talk.seated(9), [0, 1, 2, 3]);
        let levels = talk.voices.iter().map(Voice::loudness);
        prop_assert!(levels.max() <= Some(SILENCE));
    }

    /// A room of ten with three slots: who alone has spoken for a moment is heard.
    #[test]
    fn the_one_who_speaks_is_always_heard(turns in prop::collection::vec((0..10_usize, 500..3_000_u64), 1..20)) {
        let mut talk = Talk::new(10);
        for (who, ms) in turns {
            talk.speak(ms, &[who]);
            prop_assert!(talk.seated(3).contains(&who));
        }
    }
}
