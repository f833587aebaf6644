//! The ten objects as signed distances. The main type is [`Shape`].
//!
//! Shapes live in the unit disk. Distances are negative inside; they are exact, or a bound where two outlines are
//! intersected, which is all that antialiasing needs. The formulas are those of Inigo Quilez, "2D distance
//! functions", <https://iquilezles.org/articles/distfunctions2d/>.

/// An object class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Shape {
    Disk,
    Ring,
    Triangle,
    Square,
    Star,
    Cross,
    Crescent,
    Arrow,
    Heart,
    Corner,
}

const TRIANGLE: [[f32; 2]; 3] = [[0.0, -1.0], [0.866, 0.5], [-0.866, 0.5]];
const SQUARE: [[f32; 2]; 4] = [[-0.707, -0.707], [0.707, -0.707], [0.707, 0.707], [-0.707, 0.707]];
const STAR: [[f32; 2]; 10] = [
    [0.0, -1.0],
    [0.247, -0.340],
    [0.951, -0.309],
    [0.400, 0.130],
    [0.588, 0.809],
    [0.0, 0.420],
    [-0.588, 0.809],
    [-0.400, 0.130],
    [-0.951, -0.309],
    [-0.247, -0.340],
];
const CROSS: [[f32; 2]; 12] = [
    [-0.28, -0.96],
    [0.28, -0.96],
    [0.28, -0.28],
    [0.96, -0.28],
    [0.96, 0.28],
    [0.28, 0.28],
    [0.28, 0.96],
    [-0.28, 0.96],
    [-0.28, 0.28],
    [-0.96, 0.28],
    [-0.96, -0.28],
    [-0.28, -0.28],
];
const ARROW: [[f32; 2]; 7] =
    [[0.0, -1.0], [0.70, -0.15], [0.24, -0.15], [0.24, 0.96], [-0.24, 0.96], [-0.24, -0.15], [-0.70, -0.15]];
const CORNER: [[f32; 2]; 6] =
    [[-0.70, -0.70], [-0.16, -0.70], [-0.16, 0.16], [0.70, 0.16], [0.70, 0.70], [-0.70, 0.70]];

impl Shape {
    /// Every class, in the order of the labels.
    pub const ALL: [Self; 10] = [
        Self::Disk,
        Self::Ring,
        Self::Triangle,
        Self::Square,
        Self::Star,
        Self::Cross,
        Self::Crescent,
        Self::Arrow,
        Self::Heart,
        Self::Corner,
    ];

    /// Class name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Ring => "ring",
            Self::Triangle => "triangle",
            Self::Square => "square",
            Self::Star => "star",
            Self::Cross => "cross",
            Self::Crescent => "crescent",
            Self::Arrow => "arrow",
            Self::Heart => "heart",
            Self::Corner => "corner",
        }
    }

    /// Signed distance of a point from the outline.
    pub(super) fn distance(self, [x, y]: [f32; 2]) -> f32 {
        match self {
            Self::Disk => length(x, y) - 0.9,
            Self::Ring => (length(x, y) - 0.72).abs() - 0.24,
            Self::Triangle => polygon(&TRIANGLE, x, y),
            Self::Square => polygon(&SQUARE, x, y),
            Self::Star => polygon(&STAR, x, y),
            Self::Cross => polygon(&CROSS, x, y),
            Self::Crescent => (length(x, y) - 0.97).max(0.74 - length(x - 0.46, y)),
            Self::Arrow => polygon(&ARROW, x, y),
            // In its own units the heart has its tip at 0; its circumscribed circle has centre and radius 0.63.
            Self::Heart => heart(x.abs() * 0.63, y * 0.63 + 0.63) / 0.63,
            Self::Corner => polygon(&CORNER, x, y),
        }
    }
}

fn length(x: f32, y: f32) -> f32 {
    (x * x + y * y).sqrt()
}

/// Signed distance from a simple polygon.
pub(super) fn polygon(corners: &[[f32; 2]], x: f32, y: f32) -> f32 {
    let mut nearest = f32::INFINITY;
    let mut inside = false;
    let mut previous = corners[corners.len() - 1];
    for &corner in corners {
        let (ex, ey) = (previous[0] - corner[0], previous[1] - corner[1]);
        let (wx, wy) = (x - corner[0], y - corner[1]);
        let along = ((wx * ex + wy * ey) / (ex * ex + ey * ey)).clamp(0.0, 1.0);
        let (bx, by) = (wx - ex * along, wy - ey * along);
        nearest = nearest.min(bx * bx + by * by);
        // Even-odd rule: does a ray to the right cross this edge?
        if (corner[1] > y) != (previous[1] > y) && wx < ex * wy / ey {
            inside = !inside;
        }
        previous = corner;
    }
    if inside { -nearest.sqrt() } else { nearest.sqrt() }
}

/// Signed distance from a heart with its tip at the origin; `x` is not negative.
fn heart(x: f32, y: f32) -> f32 {
    if x + y > 1.0 {
        return length(x - 0.25, y - 0.75) - 0.353_553_4;
    }
    let half = 0.5 * (x + y).max(0.0);
    let (a, b) = (length(x, y - 1.0), length(x - half, y - half));
    if x > y { a.min(b) } else { -a.min(b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_fill_the_unit_disk_and_stay_within() {
        for shape in Shape::ALL {
            let (mut farthest, mut inside) = (0.0f32, 0);
            for i in 0..240 {
                for j in 0..240 {
                    let (x, y) = (i as f32 / 100.0 - 1.195, j as f32 / 100.0 - 1.195);
                    if shape.distance([x, y]) <= 0.0 {
                        inside += 1;
                        farthest = farthest.max(length(x, y));
                    }
                }
            }
            let name = shape.name();
            assert!((0.89..=1.01).contains(&farthest), "{name} reaches {farthest}");
            let area = inside as f32 / 10_000.0;
            assert!((0.8..2.6).contains(&area), "{name} has area {area}");
        }
    }
}
