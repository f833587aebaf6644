//! Content addresses. The main type is [`TrialId`].

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// How many hex digits of the BLAKE3 digest are kept: 64 bits, so that a million trials collide with
/// probability 3e-8.
const HEX_DIGITS: usize = 16;

macro_rules! content_id {
    ($(#[$doc:meta])* $name:ident, $domain:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
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

        // An id becomes a folder's name and stands on terminals: whatever else a record has in its place is refused.
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                if text.len() == HEX_DIGITS && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
                    return Ok(Self(text));
                }
                let shown = text.chars().take(40).collect::<String>();
                Err(D::Error::custom(format_args!("{shown:?} is no id, which has {HEX_DIGITS} hexadecimal digits")))
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

    #[test]
    fn what_leads_elsewhere_is_no_id() {
        let id = TrialId::of("{}");
        let text = serde_json::to_string(&id).unwrap();
        assert_eq!((text.as_str(), serde_json::from_str(&text).ok()), ("\"45922b4e92991483\"", Some(id)));
        for wrong in
            ["", "../../etc", "45922b4e9299148", "45922B4E92991483", "45922b4e92991483x", "45922b4e9299148\n"]
        {
            let error = serde_json::from_value::<StageId>(wrong.into()).unwrap_err().to_string();
            assert!(error.contains("is no id, which has 16 hexadecimal digits"), "{error}");
        }
    }
}
