//! Who says what the subscriber's link carries: transport-wide feedback where packets
//! are numbered for it, else reports of loss and the receiver's own estimate.

use std::time::Instant;

use crate::congestion::{Config, Estimator, Payload, ReportEstimator};

#[derive(Debug)]
pub(crate) enum Judge {
    /// Nothing is sent, or nothing is to be estimated.
    Nobody,
    Feedback(Box<Estimator>),
    Reports(Box<ReportEstimator>),
}

impl Judge {
    /// The judge of streams that are `numbered`, in place of this one. An estimate goes on
    /// as long as its reports do.
    pub(crate) fn appoint(&mut self, now: Instant, numbered: bool, config: Config) {
        match self {
            Self::Feedback(_) => {}
            Self::Nobody | Self::Reports(_) if numbered => {
                *self = Self::Feedback(Box::new(Estimator::new(now, config)));
            }
            Self::Nobody => *self = Self::Reports(Box::new(ReportEstimator::new(now, config))),
            Self::Reports(_) => {}
        }
    }

    pub(crate) fn feedback(&self) -> Option<&Estimator> {
        match self {
            Self::Feedback(estimator) => Some(estimator),
            Self::Nobody | Self::Reports(_) => None,
        }
    }

    pub(crate) fn feedback_mut(&mut self) -> Option<&mut Estimator> {
        match self {
            Self::Feedback(estimator) => Some(estimator),
            Self::Nobody | Self::Reports(_) => None,
        }
    }

    pub(crate) fn estimate_bps(&self) -> Option<u64> {
        match self {
            Self::Nobody => None,
            Self::Feedback(estimator) => Some(estimator.estimate_bps()),
            Self::Reports(estimator) => Some(estimator.estimate_bps()),
        }
    }

    /// The rate to send at while something waits.
    pub(crate) fn pacing_bps(&self) -> Option<u64> {
        match self {
            Self::Nobody => None,
            Self::Feedback(estimator) => Some(estimator.pacing_bps()),
            Self::Reports(estimator) => Some(estimator.pacing_bps()),
        }
    }

    pub(crate) const fn paces(&self) -> bool {
        !matches!(self, Self::Nobody)
    }

    /// A packet leaves; its transport-wide number, if the judge gives any. `numbered`:
    /// whether its stream carries the number.
    pub(crate) fn on_sent(
        &mut self,
        now: Instant,
        bytes: usize,
        payload: Payload,
        numbered: bool,
    ) -> Option<u16> {
        match self {
            Self::Nobody => None,
            Self::Feedback(estimator) => numbered.then(|| estimator.on_sent(now, bytes, payload)),
            Self::Reports(estimator) => {
                estimator.on_sent(now, bytes);
                None
            }
        }
    }

    /// A receiver report on one stream, see [`ReportEstimator::on_report`].
    pub(crate) fn on_report(&mut self, now: Instant, expected: u64, lost: u64) {
        match self {
            Self::Feedback(estimator) if expected > 0 => estimator.on_progress(now),
            Self::Reports(estimator) => estimator.on_report(now, expected, lost),
            Self::Nobody | Self::Feedback(_) => {}
        }
    }

    /// The receiver's own estimate, which knows less than ours of packets.
    pub(crate) fn on_remb(&mut self, now: Instant, bps: u64) {
        if let Self::Reports(estimator) = self {
            estimator.on_remb(now, bps);
        }
    }
}
