//! How many rooms there are, and who sends and receives what.

use clap::ValueEnum;

use crate::media::{Kind, Lines};

/// A camera in one size.
const WHOLE: &[Layer] = &[Layer { rid: None, bps: 1_500_000, lines: 720 }];
/// A camera in three sizes, as browsers send it.
const SIMULCAST: &[Layer] = &[
    Layer { rid: Some("q"), bps: 150_000, lines: 180 },
    Layer { rid: Some("h"), bps: 500_000, lines: 360 },
    Layer { rid: Some("f"), bps: 1_500_000, lines: 720 },
];
/// Where one person of a meeting is shown large, and where the others are.
const LARGE: (u16, u16) = (1280, 720);
const TILE: (u16, u16) = (320, 180);

/// Receivers on another stack, in a room of their own with one who sends.
pub const WITNESSES: usize = 10;

/// The loads of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// One publisher, 200 subscribers, 720p and audio.
    Livestream,
    /// 50 one-to-one video calls, 720p and audio.
    Calls,
    /// 10 speakers and 200 listeners, audio only; everybody hears all speakers.
    Audio,
    /// 30 people who all send simulcast, each with ten tiles, one of them large, and two
    /// voices.
    Meeting,
    /// Livestreams to ever more subscribers, of which all but a few only count what comes,
    /// until a core is full. Only run when it is named.
    Sweep,
    /// 150 one-to-one video calls, in each of which one only counts: half a core. Only run
    /// when it is named.
    Busy,
    /// 130 groups of four, in each of which one talks and films and of the others two only
    /// count: half a core as well, of clients that have room to spare. Only run when it is
    /// named.
    Groups,
}

/// Subscribers of the sweep's livestreams.
const SWEEP: [usize; 8] = [300, 600, 900, 1_200, 1_500, 1_800, 2_100, 2_400];
/// Of its subscribers these decrypt what they get and tell when it arrived.
const SAMPLES: usize = 20;

/// Rooms that are all alike.
#[derive(Clone, Debug)]
pub struct Shape {
    pub rooms: usize,
    pub members: Vec<Member>,
}

/// What one client of a room sends, and how many m-lines it receives in. The first
/// line of a kind also sends.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    pub sends_audio: bool,
    /// What the camera sends, if there is one.
    pub camera: &'static [Layer],
    pub audio_lines: usize,
    pub video_lines: usize,
    /// Once connected it reads the headers of what comes, and decrypts and reports
    /// nothing: the relay's core can be filled from one core of clients.
    pub only_counts: bool,
}

/// One encoding of a camera.
#[derive(Clone, Copy, Debug)]
pub struct Layer {
    /// Its name, when there are several.
    pub rid: Option<&'static str>,
    pub bps: u32,
    pub lines: Lines,
}

impl Layer {
    pub const fn kind(&self) -> Kind {
        Kind::Video { bps: self.bps, lines: self.lines }
    }
}

impl Scenario {
    pub const ALL: [Self; 4] = [Self::Livestream, Self::Calls, Self::Audio, Self::Meeting];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Livestream => "livestream",
            Self::Calls => "calls",
            Self::Audio => "audio",
            Self::Meeting => "meeting",
            Self::Sweep => "sweep",
            Self::Busy => "busy",
            Self::Groups => "groups",
        }
    }

    /// The loads it puts on the relay, one after the other.
    pub fn shapes(self) -> Vec<Shape> {
        match self {
            Self::Livestream => vec![Shape::livestream(200)],
            Self::Calls => vec![Shape::calls(50)],
            Self::Audio => vec![Shape::audio(10, 200)],
            Self::Meeting => vec![Shape::meeting(30, 10)],
            Self::Sweep => SWEEP.map(Shape::counted_livestream).to_vec(),
            Self::Busy => vec![Shape::counted_calls(150)],
            Self::Groups => vec![Shape::counted_groups(130)],
        }
    }
}

impl Shape {
    pub fn livestream(subscribers: usize) -> Self {
        let publisher = Member::CAMERA;
        let subscriber = Member { sends_audio: false, camera: &[], ..publisher };
        Self { rooms: 1, members: with(vec![publisher], subscriber, subscribers) }
    }

    /// Samples are spread evenly, since the relay serves its subscribers in an order.
    fn counted_livestream(subscribers: usize) -> Self {
        let mut shape = Self::livestream(subscribers);
        let every = (subscribers / SAMPLES).max(1);
        for (index, member) in shape.members.iter_mut().skip(1).enumerate() {
            member.only_counts = index % every != 0;
        }
        shape
    }

    pub fn calls(calls: usize) -> Self {
        Self { rooms: calls, members: vec![Member::CAMERA; 2] }
    }

    fn counted_calls(calls: usize) -> Self {
        let [one, other] =
            [true, false].map(|only_counts| Member { only_counts, ..Member::CAMERA });
        Self { rooms: calls, members: vec![one, other] }
    }

    fn counted_groups(groups: usize) -> Self {
        let [counts, samples] = [true, false].map(|only_counts| Member {
            sends_audio: false,
            camera: &[],
            only_counts,
            ..Member::CAMERA
        });
        Self { rooms: groups, members: vec![Member::CAMERA, counts, samples, counts] }
    }

    pub fn audio(speakers: usize, listeners: usize) -> Self {
        let speaker = Member {
            sends_audio: true,
            camera: &[],
            audio_lines: speakers.saturating_sub(1).max(1),
            video_lines: 0,
            only_counts: false,
        };
        let listener = Member { sends_audio: false, audio_lines: speakers, ..speaker };
        Self { rooms: 1, members: with(vec![speaker; speakers], listener, listeners) }
    }

    pub fn meeting(people: usize, tiles: usize) -> Self {
        let member = Member { audio_lines: 2, video_lines: tiles, ..Member::both(SIMULCAST) };
        Self { rooms: 1, members: vec![member; people] }
    }

    pub fn participants(&self) -> usize {
        self.rooms * self.members.len()
    }

    /// People in the largest room, that of the witnesses included.
    pub fn largest_room(&self) -> usize {
        self.members.len().max(WITNESSES + 1)
    }

    /// Most m-lines of one client.
    pub fn media_lines(&self) -> usize {
        self.members.iter().map(Member::lines).max().unwrap_or(0)
    }

    /// Streams that subscribers receive, all together, once everything flows.
    pub fn received_streams(&self) -> usize {
        let voices = self.members.iter().filter(|member| member.sends_audio).count();
        let pictures = self.members.iter().filter(|member| member.films()).count();
        let per_room: usize = self
            .members
            .iter()
            .map(|member| {
                let others = |all: usize, own: bool| all - usize::from(own);
                let heard = others(voices, member.sends_audio).min(member.audio_lines);
                let seen = others(pictures, member.films()).min(member.video_lines);
                heard + seen
            })
            .sum();
        per_room * self.rooms
    }
}

impl Member {
    /// A camera and a microphone, with one line of each kind.
    pub const CAMERA: Self = Self::both(WHOLE);

    const fn both(camera: &'static [Layer]) -> Self {
        Self { sends_audio: true, camera, audio_lines: 1, video_lines: 1, only_counts: false }
    }

    pub const fn films(&self) -> bool {
        !self.camera.is_empty()
    }

    pub const fn sends_simulcast(&self) -> bool {
        self.camera.len() > 1
    }

    /// Whether a receiver who shows this camera in a line gets this layer of it: the
    /// largest where it is shown large, the smallest elsewhere.
    pub fn shown(&self, layer: &Layer, line: usize) -> bool {
        let chosen = if line == 0 { self.camera.last() } else { self.camera.first() };
        chosen.is_some_and(|chosen| chosen.rid == layer.rid)
    }

    const fn lines(&self) -> usize {
        self.audio_lines + self.video_lines + self.sends_simulcast() as usize
    }

    /// Streams it sends.
    pub fn streams(&self) -> u32 {
        u32::from(self.sends_audio) + self.camera.len() as u32
    }

    /// How large it shows each of its pictures, when it says so: the first one large.
    pub fn tiles(&self) -> impl Iterator<Item = (u16, u16)> {
        let count = if self.video_lines > 1 { self.video_lines } else { 0 };
        std::iter::once(LARGE).chain(std::iter::repeat(TILE)).take(count)
    }
}

fn with(mut members: Vec<Member>, other: Member, count: usize) -> Vec<Member> {
    members.extend(std::iter::repeat_n(other, count));
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn received_streams_follow_from_who_sends_and_who_has_room() {
        let streams = |scenario: Scenario| scenario.shapes()[0].received_streams();
        assert_eq!(streams(Scenario::Livestream), 400);
        assert_eq!(streams(Scenario::Calls), 200);
        assert_eq!(streams(Scenario::Audio), 10 * 9 + 200 * 10);
        assert_eq!(streams(Scenario::Meeting), 30 * 12);
        let sweep = &Scenario::Sweep.shapes()[3];
        assert_eq!(sweep.received_streams(), 2 * 1_200);
        let samples = sweep.members[1..].iter().filter(|member| !member.only_counts);
        assert_eq!(samples.count(), SAMPLES);
    }
}
