//! What presence counts.

use housecall_platform::bus::Subscription;
use prometheus::{IntCounter, IntGauge, IntGaugeVec, Opts, Registry};

use crate::core::Census;

pub(crate) struct Metrics {
    people: IntGaugeVec,
    leases: IntGauge,
    lost_beats: IntGauge,
    pub(crate) changes: IntCounter,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Self {
            people: IntGaugeVec::new(
                Opts::new(
                    "housecall_presence_people",
                    "People with a connection now or within the grace, by kind",
                ),
                &["kind"],
            )?,
            leases: IntGauge::new("housecall_presence_leases", "Connections known now")?,
            lost_beats: IntGauge::new(
                "housecall_presence_lost_beats",
                "Beats lost since the start because this instance was behind",
            )?,
            changes: IntCounter::new(
                "housecall_presence_changes_total",
                "Changes of a person's presence that were told",
            )?,
        };
        registry.register(Box::new(metrics.people.clone()))?;
        registry.register(Box::new(metrics.leases.clone()))?;
        registry.register(Box::new(metrics.lost_beats.clone()))?;
        registry.register(Box::new(metrics.changes.clone()))?;
        Ok(metrics)
    }

    pub(crate) fn observe(&self, census: Census, beats: &Subscription) {
        let gauge = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        self.people.with_label_values(&["patient"]).set(gauge(census.patients));
        self.people.with_label_values(&["operator"]).set(gauge(census.operators));
        self.leases.set(gauge(census.leases));
        self.lost_beats.set(i64::try_from(beats.lost()).unwrap_or(i64::MAX));
    }
}
