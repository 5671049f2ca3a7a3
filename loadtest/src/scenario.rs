//! How many rooms there are, and who sends and receives what.

use clap::ValueEnum;

/// Bits per second of a 720p camera.
const CAMERA_720P_BPS: u32 = 1_500_000;
/// Bits per second of a picture that is shown as a tile.
const TILE_BPS: u32 = 500_000;

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
    /// 30 people who all send, each with ten tiles and two voices.
    Meeting,
}

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
    pub video_bps: Option<u32>,
    pub audio_lines: usize,
    pub video_lines: usize,
}

impl Scenario {
    pub const ALL: [Self; 4] = [Self::Livestream, Self::Calls, Self::Audio, Self::Meeting];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Livestream => "livestream",
            Self::Calls => "calls",
            Self::Audio => "audio",
            Self::Meeting => "meeting",
        }
    }

    pub fn shape(self) -> Shape {
        match self {
            Self::Livestream => Shape::livestream(200),
            Self::Calls => Shape::calls(50),
            Self::Audio => Shape::audio(10, 200),
            Self::Meeting => Shape::meeting(30, 10),
        }
    }
}

impl Shape {
    pub fn livestream(subscribers: usize) -> Self {
        let publisher = Member::CAMERA;
        let subscriber = Member { sends_audio: false, video_bps: None, ..publisher };
        Self { rooms: 1, members: with(vec![publisher], subscriber, subscribers) }
    }

    pub fn calls(calls: usize) -> Self {
        Self { rooms: calls, members: vec![Member::CAMERA; 2] }
    }

    pub fn audio(speakers: usize, listeners: usize) -> Self {
        let speaker = Member {
            sends_audio: true,
            video_bps: None,
            audio_lines: speakers.saturating_sub(1).max(1),
            video_lines: 0,
        };
        let listener = Member { sends_audio: false, audio_lines: speakers, ..speaker };
        Self { rooms: 1, members: with(vec![speaker; speakers], listener, listeners) }
    }

    pub fn meeting(people: usize, tiles: usize) -> Self {
        let member = Member { audio_lines: 2, video_lines: tiles, ..Member::both(TILE_BPS) };
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
        self.members.iter().map(|member| member.audio_lines + member.video_lines).max().unwrap_or(0)
    }

    /// Streams that subscribers receive, all together, once everything flows.
    pub fn received_streams(&self) -> usize {
        let voices = self.members.iter().filter(|member| member.sends_audio).count();
        let pictures = self.members.iter().filter(|member| member.video_bps.is_some()).count();
        let per_room: usize = self
            .members
            .iter()
            .map(|member| {
                let others = |all: usize, own: bool| all - usize::from(own);
                let heard = others(voices, member.sends_audio).min(member.audio_lines);
                let seen = others(pictures, member.video_bps.is_some()).min(member.video_lines);
                heard + seen
            })
            .sum();
        per_room * self.rooms
    }
}

impl Member {
    /// A camera and a microphone, with one line of each kind.
    pub const CAMERA: Self = Self::both(CAMERA_720P_BPS);

    const fn both(video_bps: u32) -> Self {
        Self { sends_audio: true, video_bps: Some(video_bps), audio_lines: 1, video_lines: 1 }
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
        assert_eq!(Scenario::Livestream.shape().received_streams(), 400);
        assert_eq!(Scenario::Calls.shape().received_streams(), 200);
        assert_eq!(Scenario::Audio.shape().received_streams(), 10 * 9 + 200 * 10);
        assert_eq!(Scenario::Meeting.shape().received_streams(), 30 * 12);
    }
}
