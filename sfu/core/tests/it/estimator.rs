//! The bandwidth estimator against links whose rate is known: a sender, a path
//! each way, feedback as browsers send it, and nothing else.

mod others;
mod paths;
mod record;
mod rig;
mod sharing;
mod stalls;
mod transfer;
