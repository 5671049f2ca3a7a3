//! How good a conversation sounds, as a mean opinion score: the E-model (ITU-T G.107)
//! with what we can measure, and its defaults for the rest.
//!
//! `R = 93.2 - Idd - Ie_eff`. 93.2 is G.107's rating with all defaults and no delay;
//! `Idd` is its impairment by absolute delay (section 7.4), `Ie_eff` that by the codec
//! and the loss (section 7.5). G.107.1 does the same on a scale to 129 for wideband
//! speech; on both, a clean call rates at the top, so the simpler scale is kept.

/// Opus at the bit rates of a call (24 kb/s and more) is counted as free of
/// impairment of its own, as G.711 is.
const CODEC_IMPAIRMENT: f64 = 0.0;
/// Robustness to loss, `Bpl`. G.113 appendix I has no value for Opus; 10 is that of AMR
/// at 12.2 kb/s, a codec with comparable concealment. In-band FEC and RED are not in
/// it: they show as less loss to conceal.
const LOSS_ROBUSTNESS: f64 = 10.0;
/// Milliseconds from the mouth to the wire and from the decoder to the ear: a frame of
/// 20 ms, Opus' look-ahead of 6.5 ms, and device buffers.
const FIXED_DELAY_MS: f64 = 45.0;

/// What reached a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Heard {
    /// One way over the network, both legs, milliseconds.
    pub(crate) network_ms: f64,
    /// In the listener's jitter buffer, milliseconds.
    pub(crate) buffered_ms: f64,
    /// Share of the audio that was lost and had to be concealed, 0 to 1.
    pub(crate) loss: f64,
}

/// 1 (unusable) to 4.41 (as good as it gets on this scale).
pub(crate) fn score(heard: Heard) -> f64 {
    let delay_ms = FIXED_DELAY_MS + heard.network_ms.max(0.0) + heard.buffered_ms.max(0.0);
    opinion(93.2 - delay_impairment(delay_ms) - loss_impairment(heard.loss))
}

/// G.107 section 7.4, `Idd`. Nobody minds the first 100 ms.
fn delay_impairment(ms: f64) -> f64 {
    if ms <= 100.0 {
        return 0.0;
    }
    let x = (ms / 100.0).log2();
    let root = |x: f64| (1.0 + x.powi(6)).powf(1.0 / 6.0);
    25.0 * (root(x) - 3.0 * root(x / 3.0) + 2.0)
}

/// G.107 section 7.5, `Ie_eff`, with `BurstR` = 1: which losses came together is not known.
fn loss_impairment(loss: f64) -> f64 {
    let percent = 100.0 * loss.clamp(0.0, 1.0);
    CODEC_IMPAIRMENT + (95.0 - CODEC_IMPAIRMENT) * percent / (percent + LOSS_ROBUSTNESS)
}

/// G.107 annex B: from a rating to an opinion.
fn opinion(r: f64) -> f64 {
    let r = r.clamp(0.0, 100.0);
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).clamp(1.0, 4.5)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(network_ms: f64, loss: f64) -> f64 {
        score(Heard { network_ms, buffered_ms: 0.0, loss })
    }

    fn close(a: f64, b: f64, by: f64) {
        assert!((a - b).abs() < by, "{a} is not {b}");
    }

    #[test]
    fn ratings_map_to_the_opinions_of_g107_annex_b() {
        for (r, mos) in
            [(93.2, 4.41), (90.0, 4.34), (80.0, 4.02), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58)]
        {
            close(opinion(r), mos, 0.01);
        }
        close(opinion(-5.0), 1.0, 1e-9);
        close(opinion(120.0), 4.5, 1e-9);
    }

    #[test]
    fn delay_costs_what_g107_says() {
        close(delay_impairment(100.0), 0.0, 1e-9);
        close(delay_impairment(200.0), 3.0, 0.1);
        close(delay_impairment(300.0), 14.8, 0.1);
        close(delay_impairment(400.0), 24.1, 0.1);
    }

    #[test]
    fn what_people_hear_is_what_the_score_says() {
        assert!(of(20.0, 0.0) > 4.3, "a clean call");
        assert!((3.4..3.8).contains(&of(20.0, 0.03)), "a loss one hears: {}", of(20.0, 0.03));
        assert!(of(20.0, 0.15) < 2.5, "a loss that hurts");
        assert!(of(400.0, 0.0) < 3.5, "by satellite");
    }

    proptest! {
        #[test]
        fn always_a_score_and_never_better_by_worse(
            ms in 0.0..5_000.0_f64, loss in 0.0..1.0_f64, more in 0.0..1_000.0_f64, lost in 0.0..1.0_f64,
        ) {
            let one = of(ms, loss);
            prop_assert!((1.0..=4.5).contains(&one));
            // Annex B's curve dips by 0.01 below a rating of 7, hence the tolerance.
            prop_assert!(of(ms + more, loss) <= one + 0.02);
            prop_assert!(of(ms, (loss + lost).min(1.0)) <= one + 0.02);
        }
    }
}
