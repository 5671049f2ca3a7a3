//! Who says what the subscriber's link carries: transport-wide feedback where packets
//! are numbered for it and somebody reports on the numbers, else reports of loss and the
//! receiver's own estimate.
//!
//! To have negotiated the numbers promises nothing. As long as not one feedback came, both
//! are kept; who sends receiver reports all the same is judged by those until the first
//! feedback comes.

use std::time::{Duration, Instant};

use crate::congestion::{Config, Estimator, Payload, ReportEstimator};

/// Feedback comes ten times a second, receiver reports (RFC 3550 section 6.2) every one to
/// five. This many of them, this long after the first number left, and no feedback before:
/// there will be none.
const REPORTS: u32 = 4;
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(crate) enum Judge {
    /// Nothing is sent, or nothing is to be estimated.
    Nobody,
    /// Packets are numbered, and no feedback came yet.
    Awaiting(Box<Awaiting>),
    Feedback(Box<Estimator>),
    Reports(Box<ReportEstimator>),
}

/// Both, until it is known which of them hears anything.
#[derive(Debug)]
pub(crate) struct Awaiting {
    feedback: Estimator,
    reports: ReportEstimator,
    /// When the first number left.
    since: Option<Instant>,
    /// Receiver reports that tell of packets.
    heard: u32,
    in_vain: bool,
}

impl Judge {
    /// The judge of streams that are `numbered`, in place of this one. An estimate goes on
    /// as long as its reports do.
    pub(crate) fn appoint(&mut self, now: Instant, numbered: bool, config: Config) {
        match self {
            Self::Feedback(_) | Self::Awaiting(_) => {}
            Self::Nobody | Self::Reports(_) if numbered => {
                *self = Self::Awaiting(Box::new(Awaiting::new(now, config)));
            }
            Self::Nobody => *self = Self::Reports(Box::new(ReportEstimator::new(now, config))),
            Self::Reports(_) => {}
        }
    }

    /// The estimator that lives by feedback, unless there is none to live by.
    pub(crate) fn feedback(&self) -> Option<&Estimator> {
        match self {
            Self::Feedback(estimator) => Some(estimator),
            Self::Awaiting(both) => (!both.in_vain).then_some(&both.feedback),
            Self::Nobody | Self::Reports(_) => None,
        }
    }

    pub(crate) fn feedback_mut(&mut self) -> Option<&mut Estimator> {
        match self {
            Self::Feedback(estimator) => Some(estimator),
            Self::Awaiting(both) => (!both.in_vain).then_some(&mut both.feedback),
            Self::Nobody | Self::Reports(_) => None,
        }
    }

    pub(crate) fn estimate_bps(&self) -> Option<u64> {
        match self {
            Self::Nobody => None,
            Self::Feedback(estimator) => Some(estimator.estimate_bps()),
            Self::Reports(estimator) => Some(estimator.estimate_bps()),
            Self::Awaiting(both) if both.in_vain => Some(both.reports.estimate_bps()),
            Self::Awaiting(both) => Some(both.feedback.estimate_bps()),
        }
    }

    /// The rate to send at while something waits.
    pub(crate) fn pacing_bps(&self) -> Option<u64> {
        match self {
            Self::Nobody => None,
            Self::Feedback(estimator) => Some(estimator.pacing_bps()),
            Self::Reports(estimator) => Some(estimator.pacing_bps()),
            Self::Awaiting(both) if both.in_vain => Some(both.reports.pacing_bps()),
            Self::Awaiting(both) => Some(both.feedback.pacing_bps()),
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
            Self::Awaiting(both) => {
                both.reports.on_sent(now, bytes);
                numbered.then(|| both.number(now, bytes, payload))
            }
        }
    }

    /// Transport-wide feedback, see [`Estimator::on_feedback`].
    pub(crate) fn on_feedback(
        &mut self,
        now: Instant,
        packets: impl IntoIterator<Item = (u16, Option<i64>)>,
    ) {
        if let Self::Awaiting(_) = self
            && let Self::Awaiting(both) = std::mem::replace(self, Self::Nobody)
        {
            *self = Self::Feedback(Box::new(both.end(now)));
        }
        if let Self::Feedback(estimator) = self {
            estimator.on_feedback(now, packets);
        }
    }

    /// A receiver report on one stream, see [`ReportEstimator::on_report`].
    pub(crate) fn on_report(&mut self, now: Instant, stream: usize, expected: u64, lost: u64) {
        match self {
            Self::Feedback(estimator) if expected > 0 => estimator.on_progress(now),
            Self::Reports(estimator) => estimator.on_report(now, stream, expected, lost),
            Self::Awaiting(both) => both.on_report(now, stream, expected, lost),
            Self::Nobody | Self::Feedback(_) => {}
        }
    }

    /// The receiver's own estimate, which knows less than ours of packets.
    pub(crate) fn on_remb(&mut self, now: Instant, bps: u64) {
        match self {
            Self::Reports(estimator) => estimator.on_remb(now, bps),
            Self::Awaiting(both) => both.reports.on_remb(now, bps),
            Self::Nobody | Self::Feedback(_) => {}
        }
    }
}

impl Awaiting {
    fn new(now: Instant, config: Config) -> Self {
        Self {
            feedback: Estimator::new(now, config),
            reports: ReportEstimator::new(now, config),
            since: None,
            heard: 0,
            in_vain: false,
        }
    }

    fn number(&mut self, now: Instant, bytes: usize, payload: Payload) -> u16 {
        self.since.get_or_insert(now);
        self.feedback.on_sent(now, bytes, payload)
    }

    fn on_report(&mut self, now: Instant, stream: usize, expected: u64, lost: u64) {
        self.reports.on_report(now, stream, expected, lost);
        if expected == 0 {
            return;
        }
        self.feedback.on_progress(now);
        self.heard = self.heard.saturating_add(1);
        let long = self.since.is_some_and(|since| now.saturating_duration_since(since) > PATIENCE);
        self.in_vain |= long && self.heard >= REPORTS;
    }

    /// Feedback comes after all. It goes on from what the reports told.
    fn end(mut self, now: Instant) -> Estimator {
        if self.in_vain {
            self.feedback.assume(now, self.reports.estimate_bps());
        }
        self.feedback
    }
}

#[cfg(test)]
mod tests;
