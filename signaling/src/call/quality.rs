//! What is kept of a call's quality: aggregates by participant, for the call record.

use std::collections::BTreeMap;

use housecall_protocol::PersonId;
use housecall_protocol::client::CallReport;
use housecall_protocol::cluster::QualityReport;
use serde_json::{Value, json};

/// Aggregates of one call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quality {
    people: BTreeMap<PersonId, Aggregate>,
}

#[derive(Clone, Debug, Default)]
struct Aggregate {
    loss_up: Series,
    loss_down: Series,
    rtt_ms: Series,
    jitter_ms: Series,
    reported_loss_percent: Series,
    first_frame_ms: Option<u32>,
    freezes: u32,
}

/// Mean and worst of a measurement.
#[derive(Clone, Copy, Debug, Default)]
struct Series {
    count: u32,
    sum: f64,
    max: f64,
}

impl Series {
    /// Peers say what they like: anything beyond `bound` counts as `bound`.
    fn add(&mut self, value: Option<f32>, bound: f32) {
        let Some(value) = value.filter(|value| value.is_finite()) else { return };
        let value = f64::from(value.clamp(0.0, bound));
        self.count = self.count.saturating_add(1);
        self.sum += value;
        self.max = self.max.max(value);
    }

    fn value(self) -> Value {
        if self.count == 0 {
            return Value::Null;
        }
        json!({ "mean": self.sum / f64::from(self.count), "max": self.max })
    }
}

/// A minute: no measured time of a living call is longer.
const MAX_MS: f32 = 60_000.0;

impl Quality {
    /// The relay's measurement.
    pub(crate) fn sample(&mut self, person: PersonId, report: &QualityReport) {
        let one = self.people.entry(person).or_default();
        one.loss_up.add(Some(report.loss_up), 1.0);
        one.loss_down.add(Some(report.loss_down), 1.0);
        one.rtt_ms.add(report.rtt_ms, MAX_MS);
        one.jitter_ms.add(report.jitter_ms, MAX_MS);
    }

    /// The participant's own measurement.
    pub(crate) fn report(&mut self, person: PersonId, report: &CallReport) {
        let one = self.people.entry(person).or_default();
        one.reported_loss_percent.add(report.loss_percent, 100.0);
        one.rtt_ms.add(report.rtt_ms, MAX_MS);
        one.jitter_ms.add(report.jitter_ms, MAX_MS);
        one.first_frame_ms = one.first_frame_ms.or(report.first_frame_ms);
        one.freezes = one.freezes.saturating_add(report.freezes.unwrap_or(0));
    }

    /// By participant id, as `crm.calls.quality` keeps it.
    pub(crate) fn to_json(&self) -> Value {
        let people = self.people.iter().map(|(person, one)| {
            let value = json!({
                "loss_up": one.loss_up.value(),
                "loss_down": one.loss_down.value(),
                "rtt_ms": one.rtt_ms.value(),
                "jitter_ms": one.jitter_ms.value(),
                "reported_loss_percent": one.reported_loss_percent.value(),
                "first_frame_ms": one.first_frame_ms,
                "freezes": one.freezes,
            });
            (person.to_string(), value)
        });
        Value::Object(people.collect())
    }
}
