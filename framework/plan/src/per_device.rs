//! How many workers share a device. The main type is [`PerDevice`].

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// The value of `run.per_device`: a number, or `"auto"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerDevice {
    /// As many.
    Count(usize),
    /// As many as fit into its memory, by what the first needs.
    Auto,
}

impl fmt::Display for PerDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Auto => f.write_str("auto"),
        }
    }
}

impl Serialize for PerDevice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => count.serialize(serializer),
            Self::Auto => serializer.serialize_str("auto"),
        }
    }
}

impl<'de> Deserialize<'de> for PerDevice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl Visitor<'_> for Reader {
            type Value = PerDevice;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number or \"auto\"")
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<PerDevice, E> {
                let count = usize::try_from(value);
                count.map(PerDevice::Count).map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<PerDevice, E> {
                let count = u64::try_from(value);
                count
                    .map_err(|_| E::invalid_value(Unexpected::Signed(value), &self))
                    .and_then(|c| self.visit_u64(c))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<PerDevice, E> {
                match value {
                    "auto" => Ok(PerDevice::Auto),
                    _ => Err(E::invalid_value(Unexpected::Str(value), &self)),
                }
            }
        }

        deserializer.deserialize_any(Reader)
    }
}

impl JsonSchema for PerDevice {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PerDevice".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "integer", "minimum": 1 }, { "const": "auto" }] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    #[test]
    fn it_is_a_number_or_auto() {
        for (value, expected) in [(json!(3), PerDevice::Count(3)), (json!("auto"), PerDevice::Auto)] {
            assert_eq!(from_value::<PerDevice>(value.clone()).unwrap(), expected);
            assert_eq!(json!(expected), value);
        }
        for wrong in [json!(-1), json!(1.5), json!("many"), json!(null)] {
            assert!(
                from_value::<PerDevice>(wrong.clone()).unwrap_err().to_string().contains("auto"),
                "{wrong}"
            );
        }
    }
}
