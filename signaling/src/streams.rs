//! Streams of devices and programs that are no apps of ours: into a media room by WHIP
//! (RFC 9725), out of one by WHEP (draft-ietf-wish-whep).
//!
//! A link, made over REST, names the room and the direction; its bearer token opens it,
//! for one session at a time. All state is in the link's row and in the relay, so that
//! any gateway serves any request of a session.
//!
//! - `http`: the resources, their headers and their bounds;
//! - `session`: what is asked of the relay and kept in the row;
//! - `sdp`, `fragment`: the little of both formats that is not the relay's business;
//! - `refusal`: every way to say no.

mod fragment;
mod http;
mod limits;
mod refusal;
mod sdp;
mod session;

pub(crate) use http::router;
