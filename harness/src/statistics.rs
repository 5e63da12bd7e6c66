//! Tests whether a spread follows its weights.

use statrs::distribution::{ChiSquared, ContinuousCDF as _};

/// The p-value of Pearson's chi-squared test: the probability of counts at least this far from `weights`, if each
/// request picks its backend by weight. A value below about 0.001 shows that requests do not.
///
/// A weight of zero is not part of the test. A count above 0 for such a weight gives the result 0.
///
/// # Panics
/// If the two slices differ in length, or if fewer than two weights are above zero.
#[must_use]
pub fn chi_squared(observed: &[u64], weights: &[f64]) -> f64 {
    assert_eq!(observed.len(), weights.len(), "one weight for each count");
    let total_weight: f64 = weights.iter().sum();
    let total: f64 = observed.iter().copied().map(to_f64).sum();
    let mut statistic = 0.0;
    let mut categories = 0_u32;
    for (&count, &weight) in observed.iter().zip(weights) {
        if weight > 0.0 {
            let expected = total * weight / total_weight;
            statistic += (to_f64(count) - expected).powi(2) / expected;
            categories += 1;
        } else if count > 0 {
            return 0.0;
        }
    }
    let freedom = f64::from(categories) - 1.0;
    ChiSquared::new(freedom).expect("at least two weights above zero").sf(statistic)
}

/// Counts of a test are far below 2^32.
fn to_f64(count: u64) -> f64 {
    f64::from(u32::try_from(count).expect("a count below 2^32"))
}

#[cfg(test)]
mod tests {
    use super::chi_squared;

    #[test]
    fn counts_that_match_the_weights_are_certain() {
        assert!(chi_squared(&[100, 200, 300], &[1.0, 2.0, 3.0]) > 0.999);
    }

    #[test]
    fn a_known_statistic_has_its_tabled_p_value() {
        // (60-50)²/50 + (40-50)²/50 = 4, one degree of freedom: 0.0455 in every table.
        let p = chi_squared(&[60, 40], &[1.0, 1.0]);
        assert!((p - 0.0455).abs() < 1e-4, "{p}");
    }

    #[test]
    fn a_request_on_a_backend_of_weight_zero_is_impossible() {
        assert!(chi_squared(&[50, 50, 1], &[1.0, 1.0, 0.0]) < f64::EPSILON);
    }
}
