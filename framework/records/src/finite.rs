//! JSON without NaN and infinities. The main functions are [`check`] and [`to_vec`].
//!
//! JSON has no such numbers, and `serde_json` writes `null` in their place: a number that nobody can read back, or that
//! reads as "not measured". Whatever Fovea keeps is checked before it is written, so a computation that went wrong is an
//! error where it happens and not a gap in a table.

use serde::ser::{self, Serialize, Serializer};
use std::fmt;

/// Why something cannot be written as JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// A number is NaN or infinite.
    #[error("{place} is {value}, which is no number that can be kept")]
    NotFinite {
        /// Where it is (`rows[3].value`).
        place: String,
        /// `NaN`, `inf` or `-inf`.
        value: String,
    },
    /// The value has no form in JSON.
    #[error("{0}")]
    Other(String),
}

/// Refuses a value that has a NaN or an infinity anywhere in it.
///
/// # Errors
/// [`Unwritable::NotFinite`] with its place.
pub fn check<T: Serialize + ?Sized>(value: &T) -> Result<(), Unwritable> {
    let mut track = serde_path_to_error::Track::new();
    match value.serialize(serde_path_to_error::Serializer::new(Check, &mut track)) {
        Ok(()) => Ok(()),
        Err(Found::NotFinite(value)) => {
            let place = track.path().to_string();
            let place = if place == "." { "the value".to_owned() } else { place };
            Err(Unwritable::NotFinite { place, value })
        }
        Err(Found::Other(message)) => Err(Unwritable::Other(message)),
    }
}

/// One line of JSON, without its end.
///
/// # Errors
/// As those of [`check`].
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Unwritable> {
    check(value)?;
    serde_json::to_vec(value).map_err(|error| Unwritable::Other(error.to_string()))
}

/// JSON for people.
///
/// # Errors
/// As those of [`check`].
pub fn to_vec_pretty<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Unwritable> {
    check(value)?;
    serde_json::to_vec_pretty(value).map_err(|error| Unwritable::Other(error.to_string()))
}

/// What a walk ended with.
#[derive(Debug)]
enum Found {
    NotFinite(String),
    Other(String),
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFinite(text) | Self::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Found {}

impl ser::Error for Found {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Other(message.to_string())
    }
}

/// Walks over a value, writes nothing, and stops at the first number that is none.
struct Check;

macro_rules! passes {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, _: $type) -> Result<(), Found> {
            Ok(())
        })*
    };
}

impl Serializer for Check {
    type Ok = ();
    type Error = Found;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    passes!(
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_char: char,
        serialize_str: &str, serialize_bytes: &[u8], serialize_unit_struct: &'static str
    );

    fn serialize_f32(self, value: f32) -> Result<(), Found> {
        self.serialize_f64(f64::from(value))
    }

    fn serialize_f64(self, value: f64) -> Result<(), Found> {
        if value.is_finite() { Ok(()) } else { Err(Found::NotFinite(value.to_string())) }
    }

    fn serialize_none(self) -> Result<(), Found> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Found> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Found> {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<(), Found> {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Found> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Found> {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Found> {
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Found> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Found> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Found> {
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, Found> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Found> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Found> {
        Ok(self)
    }
}

macro_rules! walks {
    ($($trait:ident: $method:ident($($argument:ty)?)),* $(,)?) => {
        $(impl ser::$trait for Check {
            type Ok = ();
            type Error = Found;

            fn $method<T: Serialize + ?Sized>(&mut self, $(_: $argument,)? value: &T) -> Result<(), Found> {
                value.serialize(Self)
            }

            fn end(self) -> Result<(), Found> {
                Ok(())
            }
        })*
    };
}

walks!(
    SerializeSeq: serialize_element(),
    SerializeTuple: serialize_element(),
    SerializeTupleStruct: serialize_field(),
    SerializeTupleVariant: serialize_field(),
    SerializeStruct: serialize_field(&'static str),
    SerializeStructVariant: serialize_field(&'static str),
);

impl ser::SerializeMap for Check {
    type Ok = ();
    type Error = Found;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Found> {
        key.serialize(Check)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Found> {
        value.serialize(Self)
    }

    fn end(self) -> Result<(), Found> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MetricRow, TrialEvent};
    use std::collections::BTreeMap;

    #[test]
    fn what_is_finite_is_written_as_it_is() {
        let row = MetricRow::new("test", "accuracy", 0.1, 3).noise("gaussian", Some(30.0));
        assert_eq!(to_vec(&row).unwrap(), serde_json::to_vec(&row).unwrap());
        let nothing: (Option<f64>, Vec<f32>, &str) = (None, vec![f32::MIN_POSITIVE], "NaN");
        assert_eq!(check(&nothing), Ok(()));
    }

    #[test]
    fn a_number_that_is_none_is_refused_with_its_place() {
        let row = |value| MetricRow::new("test", "rfs", value, 3);
        let at = |place: &str, value: &str| {
            Err(Unwritable::NotFinite { place: place.to_owned(), value: value.to_owned() })
        };
        assert_eq!(check(&row(f64::NAN)), at("value", "NaN"));
        assert_eq!(check(&[row(0.0), row(f64::NEG_INFINITY)][..]), at("[1].value", "-inf"));
        assert_eq!(check(&f32::INFINITY), at("the value", "inf"));
        assert_eq!(check(&BTreeMap::from([("a", (1, Some(f32::NAN)))])), at("a[1]", "NaN"));
        assert!(
            check(&TrialEvent::Metric(row(f64::NAN))).is_err(),
            "within an enum that is tagged by a field, too"
        );
        let error = to_vec(&row(f64::NAN)).unwrap_err().to_string();
        assert_eq!(error, "value is NaN, which is no number that can be kept");
    }
}
