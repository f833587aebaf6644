//! Per-picture outputs of the final model. The main type is [`PredictionRecord`].

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{DeserializeSeed, EnumAccess, Error, MapAccess, VariantAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;

/// Where noise is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Region {
    /// On the object (`m`).
    Foreground,
    /// Outside it (`1 - m`).
    Background,
}

/// One line of `predictions.jsonl`. Vectors run over the pictures of the split, in order.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum PredictionRecord {
    /// What is known of the pictures of a split. Comes first.
    Split {
        /// Name of the split.
        split: String,
        /// Names of the pictures.
        images: Vec<String>,
        /// True classes.
        labels: Vec<usize>,
        /// Groups, where the data set has them.
        groups: Option<Vec<usize>>,
    },
    /// Predictions on the pictures as they are.
    Clean {
        /// Name of the split.
        split: String,
        /// Predicted classes.
        predicted: Vec<usize>,
        /// Softmax probability of the true class.
        confidence: Vec<f32>,
    },
    /// Predictions under noise.
    Noisy {
        /// Name of the split.
        split: String,
        /// Noise kind (`gaussian`, `l2`).
        noise: String,
        /// Where.
        region: Region,
        /// Noise level.
        level: f64,
        /// Draw, from 0.
        draw: usize,
        /// Predicted classes; `None` where the region is empty and the picture is left out.
        predicted: Vec<Option<usize>>,
    },
    /// Explanations on the pictures as they are. `None` where the CAM is zero or there is no mask.
    Explanations {
        /// Name of the split.
        split: String,
        /// Grad-CAM box, pixels of the network input.
        boxes: Vec<Option<[f32; 4]>>,
        /// Tight box of the true mask.
        object_boxes: Vec<Option<[f32; 4]>>,
        /// Box IoU.
        box_iou: Vec<Option<f32>>,
        /// Mask IoU at 0.5.
        mask_iou: Vec<Option<f32>>,
        /// Energy inside.
        energy_inside: Vec<Option<f32>>,
        /// Delta density.
        delta_density: Vec<Option<f32>>,
        /// Average precision.
        average_precision: Vec<Option<f32>>,
        /// Pointing-game hit.
        pointing_hit: Vec<Option<bool>>,
        /// Whether the CAM is zero everywhere.
        zero_cam: Vec<bool>,
    },
}

/// The same fields, of which the derived reader takes the variant beside them. One that looks for the variant among
/// them, as `#[serde(tag)]` derives it, first keeps every number in a tree: most of a large report's time.
#[derive(Deserialize)]
#[serde(remote = "PredictionRecord", rename_all = "kebab-case")]
enum Fields {
    Split {
        split: String,
        images: Vec<String>,
        labels: Vec<usize>,
        groups: Option<Vec<usize>>,
    },
    Clean {
        split: String,
        predicted: Vec<usize>,
        confidence: Vec<f32>,
    },
    Noisy {
        split: String,
        noise: String,
        region: Region,
        level: f64,
        draw: usize,
        predicted: Vec<Option<usize>>,
    },
    Explanations {
        split: String,
        boxes: Vec<Option<[f32; 4]>>,
        object_boxes: Vec<Option<[f32; 4]>>,
        box_iou: Vec<Option<f32>>,
        mask_iou: Vec<Option<f32>>,
        energy_inside: Vec<Option<f32>>,
        delta_density: Vec<Option<f32>>,
        average_precision: Vec<Option<f32>>,
        pointing_hit: Vec<Option<bool>>,
        zero_cam: Vec<bool>,
    },
}

impl<'de> Deserialize<'de> for PredictionRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Tagged)
    }
}

struct Tagged;

impl<'de> Visitor<'de> for Tagged {
    type Value = PredictionRecord;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record that begins with its kind (`record`)")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PredictionRecord, A::Error> {
        // It is written first.
        match map.next_key::<String>()?.as_deref() {
            Some("record") => {}
            Some(other) => {
                return Err(A::Error::custom(format_args!("`{other}` stands where `record` belongs")));
            }
            None => return Err(A::Error::missing_field("record")),
        }
        let kind: String = map.next_value()?;
        Fields::deserialize(Beside { kind, fields: map })
    }
}

/// A variant's name with the fields that follow it.
struct Beside<A> {
    kind: String,
    fields: A,
}

impl<'de, A: MapAccess<'de>> Deserializer<'de> for Beside<A> {
    type Error = A::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_enum(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, A: MapAccess<'de>> EnumAccess<'de> for Beside<A> {
    type Error = A::Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), A::Error> {
        let kind = seed.deserialize(StrDeserializer::new(&self.kind))?;
        Ok((kind, self))
    }
}

impl<'de, A: MapAccess<'de>> VariantAccess<'de> for Beside<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        seed.deserialize(MapAccessDeserializer::new(self.fields))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_map(self.fields)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        visitor.visit_map(self.fields)
    }
}

/// One picture of a trial's gallery, a line of `gallery/index.jsonl`. Files lie beside the index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GalleryItem {
    /// Name of the split.
    pub split: String,
    /// Name of the picture; the same pictures are shown for every trial of a run.
    pub image: String,
    /// True class, by name.
    pub label: String,
    /// Predicted class, by name.
    pub predicted: String,
    /// Softmax probability of the true class. `None` in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f32>,
    /// RGB PNG of the network input.
    pub picture_file: String,
    /// 8-bit grey PNG of the heatmap, upsampled and normalised by its maximum.
    pub heatmap_file: String,
    /// Grad-CAM box, pixels of the network input.
    pub predicted_box: Option<[f32; 4]>,
    /// The localizer's box.
    pub target_box: Option<[f32; 4]>,
    /// Tight box of the true mask.
    pub object_box: Option<[f32; 4]>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_is_written() {
        let records = [
            PredictionRecord::Split {
                split: "test".to_owned(),
                images: vec!["a \"b\"".to_owned()],
                labels: vec![3],
                groups: None,
            },
            PredictionRecord::Noisy {
                split: "test".to_owned(),
                noise: "l2".to_owned(),
                region: Region::Background,
                level: 25.0,
                draw: 1,
                predicted: vec![Some(3), None],
            },
        ];
        for record in records {
            let line = serde_json::to_string(&record).unwrap();
            assert!(line.starts_with("{\"record\":\""), "{line}");
            assert_eq!(serde_json::from_str::<PredictionRecord>(&line).unwrap(), record);
        }
        let error = |line| serde_json::from_str::<PredictionRecord>(line).unwrap_err().to_string();
        assert!(error(r#"{"record":"clean","split":"test"}"#).contains("missing field `predicted`"));
        assert!(error(r#"{"record":"vague"}"#).contains("unknown variant `vague`, expected one of `split`"));
        assert!(error(r#"{"split":"test"}"#).contains("`split` stands where `record` belongs"));
        assert!(error("{}").contains("missing field `record`"));
    }
}
