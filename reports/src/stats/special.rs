//! Distribution functions in the forms that the tests need: Student's from statrs; the normal distribution's from libm,
//! because statrs' error function has ten digits only.

use libm::erfc;
use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::function::erf::erfc_inv;
use std::f64::consts::{PI, SQRT_2};

/// Quantile of Student's t distribution: the `t` with `P(T <= t) = p`.
pub(super) fn t_quantile(p: f64, degrees: f64) -> f64 {
    student(degrees).inverse_cdf(p)
}

/// `P(|T| >= |t|)` of Student's t distribution.
pub(super) fn t_two_sided(t: f64, degrees: f64) -> f64 {
    (2.0 * student(degrees).sf(t.abs())).min(1.0)
}

fn student(degrees: f64) -> StudentsT {
    StudentsT::new(0.0, 1.0, degrees).expect("there is at least one degree of freedom")
}

/// `P(Z <= z)` of the standard normal distribution.
pub(super) fn normal_cdf(z: f64) -> f64 {
    0.5 * erfc(-z / SQRT_2)
}

/// `P(|Z| >= |z|)` of the standard normal distribution.
pub(super) fn normal_two_sided(z: f64) -> f64 {
    erfc(z.abs() / SQRT_2)
}

/// The `z` with `P(Z <= z) = p`.
pub(super) fn normal_quantile(p: f64) -> f64 {
    let z = -SQRT_2 * erfc_inv(2.0 * p);
    // One of Newton's steps doubles the digits.
    let density = (-0.5 * z * z).exp() / (2.0 * PI).sqrt();
    if density > 0.0 { z - (normal_cdf(z) - p) / density } else { z }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_quantiles_agree_with_scipy() {
        // scipy.stats.t.ppf, SciPy 1.17.1.
        for (p, degrees, expected) in [
            (0.975, 1.0, 12.706_204_736_174_694),
            (0.975, 2.0, 4.302_652_729_749_462),
            (0.975, 4.0, 2.776_445_105_197_793_4),
            (0.975, 9.0, 2.262_157_162_798_205),
            (0.975, 30.0, 2.042_272_456_301_237_8),
            (0.975, 1000.0, 1.962_339_080_826_408_3),
            (0.95, 5.0, 2.015_048_373_333_023_3),
            (0.995, 3.0, 5.840_909_309_733_355),
            (0.025, 2.0, -4.302_652_729_749_462),
        ] {
            let t = t_quantile(p, degrees);
            assert!((t - expected).abs() < 1e-12 * expected.abs(), "t({p}, {degrees}) = {t}, not {expected}");
        }
    }
}
