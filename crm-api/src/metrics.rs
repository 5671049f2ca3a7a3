//! What the service counts.

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use housecall_protocol::domain::{FileState, PersonKind};
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
};
use std::time::Instant;

use crate::app::App;

/// Counters and histograms; registered once per process.
pub(crate) struct Metrics {
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    sign_ins: IntCounterVec,
    waits: Histogram,
    scans: IntCounterVec,
    merged_pages: IntCounter,
}

/// How an attempt to sign in ended.
#[derive(Clone, Copy)]
pub(crate) enum SignIn {
    Success,
    Refused,
    RateLimited,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            requests: IntCounterVec::new(
                Opts::new("housecall_rest_requests_total", "REST requests by route and status"),
                &["method", "route", "status"],
            )?,
            request_seconds: HistogramVec::new(
                HistogramOpts::new("housecall_rest_request_seconds", "Time to the response head"),
                &["method", "route"],
            )?,
            sign_ins: IntCounterVec::new(
                Opts::new("housecall_sign_ins_total", "Attempts to sign in by outcome"),
                &["kind", "outcome"],
            )?,
            waits: Histogram::with_opts(
                HistogramOpts::new(
                    "housecall_consultation_wait_seconds",
                    "Wait of claimed consultations in the queue",
                )
                .buckets(vec![15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 3600.0]),
            )?,
            scans: IntCounterVec::new(
                Opts::new("housecall_file_scans_total", "Files by the scanner's verdict"),
                &["verdict"],
            )?,
            merged_pages: IntCounter::new(
                "housecall_search_merged_pages_total",
                "Pages of new words merged into the search index",
            )?,
        };
        registry.register(Box::new(metrics.merged_pages.clone()))?;
        registry.register(Box::new(metrics.scans.clone()))?;
        registry.register(Box::new(metrics.requests.clone()))?;
        registry.register(Box::new(metrics.request_seconds.clone()))?;
        registry.register(Box::new(metrics.sign_ins.clone()))?;
        registry.register(Box::new(metrics.waits.clone()))?;
        Ok(metrics)
    }

    pub(crate) fn sign_in(&self, kind: PersonKind, outcome: SignIn) {
        let kind = match kind {
            PersonKind::Patient => "patient",
            PersonKind::Operator => "operator",
        };
        let outcome = match outcome {
            SignIn::Success => "success",
            SignIn::Refused => "refused",
            SignIn::RateLimited => "rate_limited",
        };
        self.sign_ins.with_label_values(&[kind, outcome]).inc();
    }

    pub(crate) fn search_merged(&self, pages: u64) {
        self.merged_pages.inc_by(pages);
    }

    pub(crate) fn scanned(&self, state: FileState) {
        let verdict = match state {
            FileState::Ready => "clean",
            FileState::Checking => "none",
            FileState::Refused => "infected",
        };
        self.scans.with_label_values(&[verdict]).inc();
    }

    #[expect(clippy::cast_precision_loss, reason = "a wait of 2^52 seconds will not be")]
    pub(crate) fn claimed_after(&self, waited_s: i64) {
        self.waits.observe(waited_s as f64);
    }
}

/// Counts each request under its route's pattern, never its address: addresses
/// hold ids and search words.
#[expect(clippy::disallowed_methods, reason = "the shell's clock, to time a request")]
pub(crate) async fn count(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = known_method(request.method());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "other".to_owned(), |path| path.as_str().to_owned());
    let response = next.run(request).await;
    let status = response.status();
    app.metrics.requests.with_label_values(&[method, &route, status.as_str()]).inc();
    let elapsed = started.elapsed().as_secs_f64();
    app.metrics.request_seconds.with_label_values(&[method, &route]).observe(elapsed);
    response
}

/// A client can make methods up; the page of metrics must not grow with them.
fn known_method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => "other",
    }
}
