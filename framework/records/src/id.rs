//! Content addresses. The main type is [`TrialId`].

use serde::{Deserialize, Serialize};
use std::fmt;

/// How many hex digits of the BLAKE3 digest are kept: 64 bits, so that a million trials collide with
/// probability 3e-8.
const HEX_DIGITS: usize = 16;

macro_rules! content_id {
    ($(#[$doc:meta])* $name:ident, $domain:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Hashes `canonical`, the canonical text of what is being named.
            #[must_use]
            pub fn of(canonical: &str) -> Self {
                let mut hasher = blake3::Hasher::new_derive_key($domain);
                hasher.update(canonical.as_bytes());
                Self(hasher.finalize().to_hex()[..HEX_DIGITS].to_owned())
            }

            /// The hex digits.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

content_id! {
    /// Names a trial by what determines its result: the canonical resolved configuration (all defaults filled in,
    /// seed included), the data set's fingerprint, weights' hashes and plugin fingerprints. Device, worker count,
    /// paths and names do not enter.
    TrialId, "fovea 2026 trial id v1"
}

content_id! {
    /// Names a stage, a prefix of training that trials may share, by what determines its checkpoint.
    StageId, "fovea 2026 stage id v1"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_stable_across_versions() {
        assert_eq!(TrialId::of("{}").as_str(), "45922b4e92991483");
        assert_eq!(StageId::of("{}").as_str(), "87f7f95a02a37487");
        assert_ne!(TrialId::of("{}").as_str(), StageId::of("{}").as_str());
        assert_ne!(TrialId::of("{}"), TrialId::of("{ }"));
    }
}
