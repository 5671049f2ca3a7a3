//! What a scenario asserts, in words that the table shows.

use std::fmt;

/// An assertion and what was measured.
#[derive(Clone, Debug)]
pub(super) struct Check {
    what: &'static str,
    bound: Bound,
    unit: Unit,
    value: f64,
}

#[derive(Clone, Copy, Debug)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Unit {
    Percent,
    Seconds,
    Millis,
    Count,
    Kib,
}

impl Check {
    pub(super) const fn at_least(what: &'static str, value: f64, bound: f64, unit: Unit) -> Self {
        Self { what, bound: Bound::AtLeast(bound), unit, value }
    }

    pub(super) const fn at_most(what: &'static str, value: f64, bound: f64, unit: Unit) -> Self {
        Self { what, bound: Bound::AtMost(bound), unit, value }
    }

    /// NaN holds nothing: what was to be measured never happened.
    pub(super) fn holds(&self) -> bool {
        match self.bound {
            Bound::AtLeast(bound) => self.value >= bound,
            Bound::AtMost(bound) => self.value <= bound,
        }
    }

    /// The assertion alone.
    pub(super) fn asserted(&self) -> String {
        match self.bound {
            Bound::AtLeast(bound) => format!("{} ≥ {}", self.what, Figure(bound, self.unit)),
            Bound::AtMost(bound) => format!("{} ≤ {}", self.what, Figure(bound, self.unit)),
        }
    }

    pub(super) fn measured(&self) -> String {
        Figure(self.value, self.unit).to_string()
    }
}

struct Figure(f64, Unit);

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(value, unit) = *self;
        if value.is_nan() {
            return write!(f, "never");
        }
        match unit {
            Unit::Percent => write!(f, "{}%", round(value * 100.0)),
            Unit::Seconds => write!(f, "{} s", round(value)),
            Unit::Millis => write!(f, "{value:.0} ms"),
            Unit::Count => write!(f, "{value:.0}"),
            Unit::Kib => write!(f, "{value:.0} KiB"),
        }
    }
}

/// One digit after the point, none if it is zero.
fn round(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), Into::into)
}
