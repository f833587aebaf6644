//! How large a cache may become. The main type is [`CacheSize`].

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// Units with what they are in bytes; the largest binary one that divides a size is the one it is shown in.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];
/// What is expected of a value, in words.
pub(crate) const EXPECTED: &str = "a size such as \"4GiB\", 0 for none, or \"auto\"";

/// The value of `run.memory_cache` and `run.disk_cache`: a size, or `"auto"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheSize {
    /// As the machine allows.
    #[default]
    Auto,
    /// At most so many bytes; 0: nothing is kept.
    Bytes(u64),
}

impl FromStr for CacheSize {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(drop)?;
        let unit = unit.trim_start();
        let known = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
        let factor = match known {
            Some((_, factor)) => *factor,
            None if unit.is_empty() && number == 0 => 1,
            None => return Err(()),
        };
        number.checked_mul(factor).map(Self::Bytes).ok_or(())
    }
}

impl fmt::Display for CacheSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Bytes(0) => f.write_str("0"),
            Self::Bytes(bytes) => {
                let binary = UNITS[..4].iter().chain(&UNITS[8..]);
                let (unit, factor) =
                    binary.clone().find(|(_, factor)| bytes % factor == 0).unwrap_or(&UNITS[8]);
                write!(f, "{}{unit}", bytes / factor)
            }
        }
    }
}

impl Serialize for CacheSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bytes(0) => serializer.serialize_u64(0),
            _ => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for CacheSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl Visitor<'_> for Reader {
            type Value = CacheSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<CacheSize, E> {
                match value {
                    0 => Ok(CacheSize::Bytes(0)),
                    // Nobody knows which unit was meant.
                    _ => Err(E::invalid_value(Unexpected::Unsigned(value), &self)),
                }
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<CacheSize, E> {
                match value {
                    0 => Ok(CacheSize::Bytes(0)),
                    _ => Err(E::invalid_value(Unexpected::Signed(value), &self)),
                }
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<CacheSize, E> {
                value.parse().map_err(|()| E::invalid_value(Unexpected::Str(value), &self))
            }
        }

        deserializer.deserialize_any(Reader)
    }
}

impl JsonSchema for CacheSize {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CacheSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "string", "pattern": "^([0-9]+ *[KMGTkmgt]?[i]?[Bb]|0|auto)$" },
            { "const": 0 },
        ] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    #[test]
    fn sizes_have_units() {
        let of = |value: serde_json::Value| from_value::<CacheSize>(value);
        for (value, bytes, shown) in [
            (json!("4GiB"), 4 << 30, json!("4GiB")),
            (json!("1536 mib"), 1536 << 20, json!("1536MiB")),
            (json!("2GB"), 2_000_000_000, json!("1953125KiB")),
            (json!("7B"), 7, json!("7B")),
            (json!(0), 0, json!(0)),
            (json!("0"), 0, json!(0)),
        ] {
            let size = of(value.clone()).unwrap();
            assert_eq!((size, json!(size)), (CacheSize::Bytes(bytes), shown), "{value}");
            assert_eq!(of(json!(size)).unwrap(), size);
        }
        assert_eq!(of(json!("auto")).unwrap(), CacheSize::Auto);
        for wrong in [
            json!(4),
            json!(-1),
            json!("4"),
            json!("GiB"),
            json!("1.5GiB"),
            json!("99999999TiB"),
            json!(true),
        ] {
            let error = of(wrong.clone()).unwrap_err().to_string();
            assert!(error.contains("4GiB"), "{wrong}: {error}");
        }
    }
}
