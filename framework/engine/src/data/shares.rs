//! How much of the pictures is object. The main type is [`Shares`].

use fovea_api::Mask;
use serde::Serialize;

/// Names in a sentence.
const NAMED: usize = 3;

/// What a mask says about its picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Share {
    /// Fraction of the pixels that are on the object.
    pub(super) object: f64,
    /// Whether all four corners are.
    in_corners: bool,
}

impl Share {
    pub(super) fn of(mask: &Mask) -> Self {
        let is_object = |at: usize| mask.pixels.get(at).is_some_and(|v| *v >= 128);
        let object = mask.pixels.iter().filter(|v| **v >= 128).count();
        let (pixels, width) = (mask.pixels.len(), mask.width);
        let corners = [0, width.saturating_sub(1), pixels.saturating_sub(width), pixels.saturating_sub(1)];
        Self { object: object as f64 / pixels.max(1) as f64, in_corners: corners.into_iter().all(is_object) }
    }

    pub(super) fn is_empty(self) -> bool {
        self.object <= 0.0
    }

    fn is_whole(self) -> bool {
        self.object >= 1.0
    }
}

/// The object's share of the pictures of a split, over those that have a mask.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shares {
    /// Smallest share, 0 to 1.
    pub min: f64,
    /// The middle one, the mean of two where their number is even.
    pub median: f64,
    /// Largest share.
    pub max: f64,
    /// Pictures whose mask has no pixel on an object.
    pub empty: Vec<String>,
    /// Pictures whose mask is object everywhere.
    pub whole: Vec<String>,
    /// Masks with both object and background.
    pub mixed: usize,
    /// Those of them that have the object in all four corners, as masks have that are inverted.
    pub in_corners: usize,
}

impl Shares {
    /// Of pictures by name; `None` where there is no mask.
    pub(super) fn of(found: &[(String, Share)]) -> Option<Self> {
        let mut shares: Vec<f64> = found.iter().map(|(_, share)| share.object).collect();
        shares.sort_by(f64::total_cmp);
        let (min, max) = (*shares.first()?, *shares.last()?);
        let middle = shares.len() / 2;
        let median = if shares.len().is_multiple_of(2) {
            f64::midpoint(shares[middle - 1], shares[middle])
        } else {
            shares[middle]
        };
        let named = |is: fn(Share) -> bool| -> Vec<String> {
            found.iter().filter(|(_, share)| is(*share)).map(|(name, _)| name.clone()).collect()
        };
        let mixed = found.iter().filter(|(_, share)| !share.is_empty() && !share.is_whole());
        Some(Self {
            min,
            median,
            max,
            empty: named(Share::is_empty),
            whole: named(Share::is_whole),
            in_corners: mixed.clone().filter(|(_, share)| share.in_corners).count(),
            mixed: mixed.count(),
        })
    }

    /// Sentences about masks that are legal, and seldom meant.
    pub(super) fn warnings(&self, split: &str) -> Vec<String> {
        let mut said = Vec::new();
        let mut say = |names: &[String], what: &str| {
            if !names.is_empty() {
                let shown = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
                let more = names.len().saturating_sub(NAMED);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                let masks = if names.len() == 1 { "mask is" } else { "masks are" };
                said.push(format!("{} {masks} {what} in `{split}`: {shown}{more}", names.len()));
            }
        };
        say(&self.empty, "background everywhere (share 0)");
        say(&self.whole, "object everywhere (share 1)");
        if self.in_corners * 2 > self.mixed {
            said.push(format!(
                "{} of {} masks in `{split}` have the object in all four corners: they may be inverted; white (255) is \
                 the object, black (0) the background",
                self.in_corners, self.mixed
            ));
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(masks: &[[u8; 6]]) -> Option<Shares> {
        let found = masks.iter().enumerate().map(|(index, pixels)| {
            let mask = Mask { width: 3, height: 2, pixels: pixels.to_vec() };
            (format!("{index}.png"), Share::of(&mask))
        });
        Shares::of(&found.collect::<Vec<_>>())
    }

    const HALF: [u8; 6] = [255, 255, 255, 0, 0, 0];
    const MIDDLE: [u8; 6] = [0, 255, 0, 0, 0, 0];
    const INVERTED: [u8; 6] = [255, 0, 255, 255, 0, 255];

    #[test]
    fn shares_are_counted_over_masks() {
        assert_eq!(shares(&[]), None);
        let found = shares(&[HALF, MIDDLE, [255; 6]]).unwrap();
        assert_eq!((found.min, found.median, found.max), (1.0 / 6.0, 0.5, 1.0));
        assert_eq!(shares(&[HALF, MIDDLE]).unwrap().median, f64::midpoint(0.5, 1.0 / 6.0));
        assert!(shares(&[HALF, MIDDLE]).unwrap().warnings("train").is_empty());
    }

    #[test]
    fn shares_of_0_and_1_and_inverted_masks_are_said() {
        let found = shares(&[[0; 6], [255; 6], [0; 6], [0; 6], [0; 6], HALF]).unwrap();
        let said = found.warnings("train");
        assert_eq!(
            said,
            [
                "4 masks are background everywhere (share 0) in `train`: 0.png, 2.png, 3.png and 1 more",
                "1 mask is object everywhere (share 1) in `train`: 1.png",
            ]
        );
        let said = shares(&[INVERTED, INVERTED, HALF, [255; 6]]).unwrap().warnings("val");
        assert!(said[1].starts_with("2 of 3 masks in `val` have the object in all four corners"), "{said:?}");
        assert_eq!(shares(&[INVERTED, HALF]).unwrap().warnings("val"), [] as [String; 0]);
    }
}
