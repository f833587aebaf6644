//! Axis-aligned boxes. The main type is [`BBox`].

use serde::{Deserialize, Serialize};

/// A half-open box in pixels: width = `x2 - x1`, height = `y2 - y1`, the origin at the top left.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BBox {
    /// Left edge.
    pub x1: f32,
    /// Top edge.
    pub y1: f32,
    /// Right edge, exclusive.
    pub x2: f32,
    /// Bottom edge, exclusive.
    pub y2: f32,
}

impl BBox {
    /// A box from its edges.
    #[must_use]
    pub fn new(x1: f32, y1: f32, x2: f32, y2: f32) -> Self {
        Self { x1, y1, x2, y2 }
    }

    /// The box of a whole picture.
    #[must_use]
    pub fn full(width: usize, height: usize) -> Self {
        Self::new(0.0, 0.0, width as f32, height as f32)
    }

    /// Width, pixels; 0 for an inverted box.
    #[must_use]
    pub fn width(&self) -> f32 {
        (self.x2 - self.x1).max(0.0)
    }

    /// Height, pixels; 0 for an inverted box.
    #[must_use]
    pub fn height(&self) -> f32 {
        (self.y2 - self.y1).max(0.0)
    }

    /// Area, square pixels.
    #[must_use]
    pub fn area(&self) -> f32 {
        self.width() * self.height()
    }

    /// The common part of two boxes (of zero area where they do not meet).
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self::new(self.x1.max(other.x1), self.y1.max(other.y1), self.x2.min(other.x2), self.y2.min(other.y2))
    }

    /// Intersection over union (Eq. 4); 0 where both are empty.
    #[must_use]
    pub fn iou(&self, other: &Self) -> f32 {
        let inter = self.intersection(other).area();
        let union = self.area() + other.area() - inter;
        if union > 0.0 { inter / union } else { 0.0 }
    }

    /// Scales and shifts: `x -> x * sx + dx`, likewise y.
    #[must_use]
    pub fn affine(&self, sx: f32, sy: f32, dx: f32, dy: f32) -> Self {
        Self::new(self.x1 * sx + dx, self.y1 * sy + dy, self.x2 * sx + dx, self.y2 * sy + dy)
    }

    /// Mirrors left and right in a picture of this width.
    #[must_use]
    pub fn flipped(&self, width: f32) -> Self {
        Self::new(width - self.x2, self.y1, width - self.x1, self.y2)
    }

    /// Edges in the order x1, y1, x2, y2.
    #[must_use]
    pub fn to_array(&self) -> [f32; 4] {
        [self.x1, self.y1, self.x2, self.y2]
    }
}

impl From<[f32; 4]> for BBox {
    fn from([x1, y1, x2, y2]: [f32; 4]) -> Self {
        Self::new(x1, y1, x2, y2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iou_of_shifted_and_disjoint_boxes() {
        let a = BBox::new(0.0, 0.0, 4.0, 4.0);
        assert!((a.iou(&BBox::new(2.0, 0.0, 6.0, 4.0)) - 8.0 / 24.0).abs() < 1e-7);
        assert!(a.iou(&BBox::new(4.0, 0.0, 6.0, 4.0)).abs() < 1e-7);
        assert!(BBox::new(1.0, 1.0, 1.0, 1.0).iou(&BBox::new(1.0, 1.0, 1.0, 1.0)).abs() < 1e-7);
    }

    #[test]
    fn a_flip_twice_is_no_flip() {
        let a = BBox::new(1.0, 2.0, 5.0, 7.0);
        assert_eq!(a.flipped(10.0), BBox::new(5.0, 2.0, 9.0, 7.0));
        assert_eq!(a.flipped(10.0).flipped(10.0), a);
    }
}
