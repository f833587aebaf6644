//! Decoded pictures and masks, as data sets deliver them. The main types are [`RgbImage`] and [`Mask`].

use crate::BBox;

/// An 8-bit RGB picture, rows top to bottom, `[height, width, 3]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RgbImage {
    /// Width, pixels.
    pub width: usize,
    /// Height, pixels.
    pub height: usize,
    /// `height * width * 3` bytes.
    pub pixels: Vec<u8>,
}

/// Where the object is: `[height, width]`, 255 on the object and 0 outside (binarised at 0.5 by the data set).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// Width, pixels.
    pub width: usize,
    /// Height, pixels.
    pub height: usize,
    /// `height * width` bytes.
    pub pixels: Vec<u8>,
}

impl Mask {
    /// The tight box of the object; `None` when the mask is empty.
    #[must_use]
    pub fn tight_box(&self) -> Option<BBox> {
        let (mut x1, mut y1, mut x2, mut y2) = (usize::MAX, usize::MAX, 0, 0);
        for (y, row) in self.pixels.chunks_exact(self.width.max(1)).enumerate() {
            let Some(first) = row.iter().position(|&v| v >= 128) else { continue };
            let last = row.iter().rposition(|&v| v >= 128).unwrap_or(first);
            x1 = x1.min(first);
            x2 = x2.max(last + 1);
            y1 = y1.min(y);
            y2 = y + 1;
        }
        (x1 < x2).then(|| BBox::new(x1 as f32, y1 as f32, x2 as f32, y2 as f32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tight_box_is_half_open() {
        let mut mask = Mask { width: 5, height: 4, pixels: vec![0; 20] };
        assert_eq!(mask.tight_box(), None);
        mask.pixels[7] = 255; // row 1, column 2
        mask.pixels[13] = 255; // row 2, column 3
        assert_eq!(mask.tight_box(), Some(BBox::new(2.0, 1.0, 4.0, 3.0)));
    }
}
