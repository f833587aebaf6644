//! Boxes. The main type is [`BBox`].

/// A half-open box in pixels: width = `x2 - x1`, height = `y2 - y1`, the origin at the top left.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
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
    pub const fn new(x1: f32, y1: f32, x2: f32, y2: f32) -> Self {
        Self { x1, y1, x2, y2 }
    }

    /// The edges in the order x1, y1, x2, y2.
    #[must_use]
    pub const fn to_array(self) -> [f32; 4] {
        [self.x1, self.y1, self.x2, self.y2]
    }

    /// Whether it has an area and lies in a picture of this size; false where an edge is not a number.
    #[must_use]
    pub fn fits(&self, width: usize, height: usize) -> bool {
        let within = |low: f32, high: f32, length: usize| 0.0 <= low && low < high && high <= length as f32;
        within(self.x1, self.x2, width) && within(self.y1, self.y2, height)
    }
}

impl From<[f32; 4]> for BBox {
    fn from([x1, y1, x2, y2]: [f32; 4]) -> Self {
        Self { x1, y1, x2, y2 }
    }
}

/// What a box extractor finds in a heatmap, pixels of the heatmap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extracted {
    /// What is evaluated.
    pub hard: BBox,
    /// What the loss is computed from, and differentiated through.
    pub differentiable: BBox,
}

impl Extracted {
    /// One box for both.
    #[must_use]
    pub const fn same(bbox: BBox) -> Self {
        Self { hard: bbox, differentiable: bbox }
    }
}
