//! Crop, resize and flip. The main type is [`Transform`].

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use fovea_api::{BBox, Key, Mask, RgbImage};
use fovea_plan::AugmentationConfig;
use rand::RngExt as _;
use std::cell::RefCell;

/// What happens to a picture on its way to the network: a crop, resized to a square, perhaps mirrored. The same
/// transform moves its mask and its box.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transform {
    /// The part that is kept, native pixels.
    pub crop: BBox,
    /// Whether it is mirrored, after resizing.
    pub flip: bool,
    /// Side of the network input, pixels.
    pub size: usize,
}

/// What a byte of a picture is as a fraction of the brightest.
const FRACTIONS: [f32; 256] = {
    let mut fractions = [0.0; 256];
    let mut value = 0;
    while value < 256 {
        fractions[value] = value as f32 / 255.0;
        value += 1;
    }
    fractions
};

thread_local! {
    static RESIZER: RefCell<Resizer> = RefCell::new(Resizer::new());
}

impl Transform {
    /// The whole picture squashed to `size` x `size` (evaluation).
    #[must_use]
    pub fn squash(width: usize, height: usize, size: usize) -> Self {
        Self { crop: BBox::full(width, height), flip: false, size }
    }

    /// Random resized crop and flip as torchvision draws them (ten tries, then the largest centred crop of the allowed
    /// ratio); a function of the key alone.
    #[must_use]
    pub fn random(config: &AugmentationConfig, width: usize, height: usize, size: usize, key: &Key) -> Self {
        if !config.enabled {
            return Self::squash(width, height, size);
        }
        let mut rng = key.rng();
        let flip = rng.random::<f64>() < config.flip;
        let (w, h) = (width as f64, height as f64);
        let [low, high] = config.crop_scale;
        let [narrow, wide] = config.crop_ratio;
        for _ in 0..10 {
            let area = w * h * (low + (high - low) * rng.random::<f64>());
            let ratio = (narrow.ln() + (wide.ln() - narrow.ln()) * rng.random::<f64>()).exp();
            let cw = (area * ratio).sqrt().round();
            let ch = (area / ratio).sqrt().round();
            if cw >= 1.0 && ch >= 1.0 && cw <= w && ch <= h {
                let x = rng.random_range(0..=(width - cw as usize)) as f64;
                let y = rng.random_range(0..=(height - ch as usize)) as f64;
                return Self { crop: BBox::from([x, y, x + cw, y + ch].map(|v| v as f32)), flip, size };
            }
        }
        let ratio = w / h;
        let (cw, ch) = if ratio < narrow {
            (w, (w / narrow).round())
        } else if ratio > wide {
            ((h * wide).round(), h)
        } else {
            (w, h)
        };
        let (x, y) = (((w - cw) / 2.0).floor(), ((h - ch) / 2.0).floor());
        Self { crop: BBox::from([x, y, x + cw, y + ch].map(|v| v as f32)), flip, size }
    }

    /// The picture as network input in 0..=1, `[3, size, size]`, written to `out`. Resampling is bilinear with
    /// antialiasing, as PIL does it; a picture that has the size already is not resampled.
    pub fn image(&self, image: &RgbImage, out: &mut [f32]) {
        let pixels = self.bytes(image);
        let (red, rest) = out.split_at_mut(self.size * self.size);
        let (green, blue) = rest.split_at_mut(self.size * self.size);
        let side = self.size.max(1);
        let rows = pixels.chunks_exact(3 * side).zip(red.chunks_exact_mut(side));
        let rows = rows.zip(green.chunks_exact_mut(side)).zip(blue.chunks_exact_mut(side));
        for (((pixels, red), green), blue) in rows {
            let places = red.iter_mut().zip(green).zip(blue);
            let put = |(((red, green), blue), pixel): (((&mut f32, &mut f32), &mut f32), &[u8; 3])| {
                [*red, *green, *blue] = pixel.map(|v| FRACTIONS[usize::from(v)]);
            };
            let pixels = pixels.as_chunks().0;
            if self.flip {
                places.zip(pixels.iter().rev()).for_each(put);
            } else {
                places.zip(pixels).for_each(put);
            }
        }
    }

    /// The picture at network size, `[size, size, 3]`, not mirrored.
    pub(crate) fn bytes<'a>(&self, image: &'a RgbImage) -> std::borrow::Cow<'a, [u8]> {
        self.resized(&image.pixels, image.width, image.height, PixelType::U8x3)
    }

    /// The mask at network size, binarised at 0.5.
    #[must_use]
    pub fn mask(&self, mask: &Mask) -> Mask {
        let mut pixels = self.resized(&mask.pixels, mask.width, mask.height, PixelType::U8).into_owned();
        for row in pixels.chunks_exact_mut(self.size) {
            for value in row.iter_mut() {
                *value = if *value >= 128 { 255 } else { 0 };
            }
            if self.flip {
                row.reverse();
            }
        }
        Mask { width: self.size, height: self.size, pixels }
    }

    /// The box in pixels of the network input; `None` where the crop keeps less than `min_kept` of its area.
    #[must_use]
    pub fn bbox(&self, bbox: &BBox, min_kept: f64) -> Option<BBox> {
        let size = self.size as f32;
        let (sx, sy) = (size / self.crop.width(), size / self.crop.height());
        let moved = bbox.affine(sx, sy, -self.crop.x1 * sx, -self.crop.y1 * sy);
        let kept = moved.intersection(&BBox::full(self.size, self.size));
        if moved.area() <= 0.0
            || f64::from(kept.area()) < min_kept * f64::from(moved.area())
            || kept.area() <= 0.0
        {
            return None;
        }
        Some(if self.flip { kept.flipped(size) } else { kept })
    }

    fn resized<'a>(
        &self,
        pixels: &'a [u8],
        width: usize,
        height: usize,
        kind: PixelType,
    ) -> std::borrow::Cow<'a, [u8]> {
        let whole = self.crop == BBox::full(width, height);
        if whole && width == self.size && height == self.size {
            return std::borrow::Cow::Borrowed(pixels);
        }
        let side = u32::try_from(self.size).expect("sizes are checked by the plan");
        let dims = |v: usize| u32::try_from(v).expect("decoded pictures have fewer than 2^32 pixels a side");
        let source = ImageRef::new(dims(width), dims(height), pixels, kind)
            .expect("a decoded picture has width * height pixels");
        let mut target = Image::new(side, side, kind);
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
            .use_alpha(false)
            .crop(
                f64::from(self.crop.x1),
                f64::from(self.crop.y1),
                f64::from(self.crop.width()),
                f64::from(self.crop.height()),
            );
        RESIZER
            .with_borrow_mut(|resizer| resizer.resize(&source, &mut target, &options))
            .expect("the crop lies within the picture");
        std::borrow::Cow::Owned(target.into_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture_with_square(size: usize, square: BBox) -> (RgbImage, Mask) {
        let mut mask = Mask { width: size, height: size, pixels: vec![0; size * size] };
        for y in square.y1 as usize..square.y2 as usize {
            for x in square.x1 as usize..square.x2 as usize {
                mask.pixels[y * size + x] = 255;
            }
        }
        let pixels = mask.pixels.iter().flat_map(|&v| [v, v, v]).collect();
        (RgbImage { width: size, height: size, pixels }, mask)
    }

    #[test]
    fn picture_mask_and_box_move_together() {
        let square = BBox::new(20.0, 30.0, 60.0, 50.0);
        let (image, mask) = picture_with_square(100, square);
        let config = AugmentationConfig::default();
        let mut flips = 0;
        for i in 0..50 {
            let t = Transform::random(&config, 100, 100, 64, &Key::new(1).index(i));
            flips += usize::from(t.flip);
            let moved = t.bbox(&square, 0.1).unwrap();
            let tight = t.mask(&mask).tight_box().unwrap();
            let mut out = vec![0.0; 3 * 64 * 64];
            t.image(&image, &mut out);
            let bright = Mask {
                width: 64,
                height: 64,
                pixels: out[..64 * 64].iter().map(|&v| if v >= 0.5 { 255 } else { 0 }).collect(),
            };
            assert_eq!(bright.tight_box(), Some(tight), "picture and mask, draw {i}");
            for (a, b) in moved.to_array().iter().zip(tight.to_array()) {
                assert!((a - b).abs() <= 1.0, "draw {i}: {moved:?} {tight:?}");
            }
        }
        assert!((10..40).contains(&flips), "{flips} flips of 50");
    }

    #[test]
    fn a_box_mostly_cut_away_is_dropped() {
        let t = Transform { crop: BBox::new(50.0, 0.0, 100.0, 50.0), flip: false, size: 50 };
        assert_eq!(t.bbox(&BBox::new(0.0, 0.0, 54.0, 10.0), 0.1), None);
        assert_eq!(t.bbox(&BBox::new(0.0, 0.0, 60.0, 10.0), 0.1), Some(BBox::new(0.0, 0.0, 10.0, 10.0)));
    }

    #[test]
    fn a_picture_of_the_right_size_is_not_resampled() {
        let image = RgbImage { width: 2, height: 2, pixels: vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] };
        let mut out = vec![0.0; 12];
        Transform::squash(2, 2, 2).image(&image, &mut out);
        let bytes: Vec<u8> = out.iter().map(|v| (v * 255.0).round() as u8).collect();
        assert_eq!(bytes, [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]);
    }
}
