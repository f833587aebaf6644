//! What a plugin looks at: arrays of the host, whose elements may lie anywhere. The main types are [`Image`] and
//! [`Plane`].

use crate::call::{Fault, borrow, slice, string};
use crate::raw::{FOVEA_F32, FOVEA_U8, FoveaImage, FoveaTensor};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// An element of a tensor.
pub(crate) trait Element: Copy + fmt::Debug {
    const DTYPE: u32;
}

impl Element for u8 {
    const DTYPE: u32 = FOVEA_U8;
}

impl Element for f32 {
    const DTYPE: u32 = FOVEA_F32;
}

/// A strided array of `D` dimensions.
///
/// Invariant: for all indices below `shape` the element `data + sum(index * stride)` may be read for `'a`, and neither
/// an index nor its offset in bytes overflows an `isize`.
#[derive(Clone, Copy)]
pub(crate) struct View<'a, T, const D: usize> {
    data: *const T,
    shape: [usize; D],
    strides: [isize; D],
    life: PhantomData<&'a [T]>,
}

// SAFETY: it is a `&[T]` with gaps, and nobody writes to the elements.
unsafe impl<T: Sync, const D: usize> Send for View<'_, T, D> {}
// SAFETY: as above.
unsafe impl<T: Sync, const D: usize> Sync for View<'_, T, D> {}

impl<'a, T: Element, const D: usize> View<'a, T, D> {
    /// A contiguous array.
    ///
    /// # Panics
    /// When there are not as many values as `shape` says.
    fn new(values: &'a [T], shape: [usize; D]) -> Self {
        let count = shape.iter().try_fold(1usize, |n, &l| n.checked_mul(l));
        assert_eq!(count, Some(values.len()), "{} values are not an array of shape {shape:?}", values.len());
        let mut strides = [1; D];
        for d in (1..D).rev() {
            // An array with values has fewer than isize::MAX of them; without values nobody looks at the strides.
            strides[d - 1] = strides[d] * shape[d].cast_signed().max(1);
        }
        Self { data: values.as_ptr(), shape, strides, life: PhantomData }
    }

    /// A tensor of the host's.
    ///
    /// # Safety
    /// `tensor` is null or what the contract says, and nobody writes to it or its elements for `'a`.
    pub(crate) unsafe fn from_raw(tensor: *const FoveaTensor, what: &str) -> Result<Self, Fault> {
        // SAFETY: the caller's promise.
        let tensor = unsafe { borrow(tensor, what)? };
        let wrong = |message: String| Fault::contract(format!("the host's {what}: {message}"));
        if tensor.dtype != T::DTYPE {
            return Err(wrong(format!("elements are of type {} instead of {}", tensor.dtype, T::DTYPE)));
        }
        if tensor.ndim as usize != D {
            return Err(wrong(format!("{} dimensions instead of {D}", tensor.ndim)));
        }
        // SAFETY: the caller's promise: there are `ndim` of each.
        let (extents, steps) =
            unsafe { (slice(tensor.shape, D, "a shape")?, slice(tensor.strides, D, "strides")?) };
        let (mut shape, mut strides) = ([0usize; D], [0isize; D]);
        // Elements before and after the first one; all must be within reach.
        let (mut count, mut below, mut above, mut empty) = (1i128, 0i128, 0i128, false);
        for d in 0..D {
            let (extent, stride) = (i128::from(extents[d]), i128::from(steps[d]));
            shape[d] = usize::try_from(extents[d])
                .map_err(|_| wrong(format!("{extent} elements in a dimension")))?;
            strides[d] = isize::try_from(steps[d]).map_err(|_| wrong(format!("a stride of {stride}")))?;
            // Empty or not, the product of the extents must not overflow anywhere.
            count = count.saturating_mul(extent.max(1));
            empty |= extent == 0;
            let reach = stride.saturating_mul((extent - 1).max(0));
            if reach < 0 {
                below = below.saturating_sub(reach);
            } else {
                above = above.saturating_add(reach);
            }
        }
        let limit = (isize::MAX as i128) / size_of::<T>() as i128;
        if count > limit || below.saturating_add(above) >= limit {
            return Err(wrong(format!("an array of shape {extents:?} and strides {steps:?} fits no memory")));
        }
        let data = tensor.data.cast::<T>();
        if !empty && (data.is_null() || !data.is_aligned()) {
            return Err(wrong("no elements".to_owned()));
        }
        Ok(Self { data, shape, strides, life: PhantomData })
    }

    pub(crate) fn shape(&self) -> [usize; D] {
        self.shape
    }

    /// An element.
    ///
    /// # Panics
    /// Outside of the array.
    fn at(&self, index: [usize; D]) -> T {
        let inside = index.iter().zip(&self.shape).all(|(i, extent)| i < extent);
        assert!(inside, "{index:?} is outside of an array of shape {:?}", self.shape);
        let offset: isize = index.iter().zip(&self.strides).map(|(&i, s)| i.cast_signed() * s).sum();
        // SAFETY: the index is inside, so the invariant holds.
        unsafe { self.data.offset(offset).read() }
    }

    /// The elements, where they lie one after the other.
    fn as_slice(&self) -> Option<&'a [T]> {
        let count: usize = self.shape.iter().product();
        if count == 0 {
            return Some(&[]);
        }
        let mut step = 1;
        for (&extent, &stride) in self.shape.iter().zip(&self.strides).rev() {
            if extent != 1 && stride != step {
                return None;
            }
            step *= extent.cast_signed();
        }
        // SAFETY: by the invariant, and the elements lie one after the other.
        Some(unsafe { std::slice::from_raw_parts(self.data, count) })
    }

    /// All elements, row by row, copied only where they do not lie so.
    pub(crate) fn contiguous(&self) -> Cow<'a, [T]> {
        if let Some(values) = self.as_slice() {
            return Cow::Borrowed(values);
        }
        let mut values = Vec::with_capacity(self.shape.iter().product());
        let mut index = [0; D];
        'all: loop {
            values.push(self.at(index));
            for d in (0..D).rev() {
                index[d] += 1;
                if index[d] < self.shape[d] {
                    continue 'all;
                }
                index[d] = 0;
            }
            return Cow::Owned(values);
        }
    }
}

impl<'a, T: Element> View<'a, T, 3> {
    /// The plane of an item of a batch.
    ///
    /// # Panics
    /// When there is no such item.
    pub(crate) fn plane(&self, item: usize) -> Plane<'a, T> {
        assert!(item < self.shape[0], "there are {} planes, not more than {item}", self.shape[0]);
        let [_, height, width] = self.shape;
        // An empty plane has no address, and one that is not has its first element there.
        let offset = if height * width == 0 { 0 } else { item.cast_signed() * self.strides[0] };
        let data = self.data.wrapping_offset(offset);
        let strides = [self.strides[1], self.strides[2]];
        Plane(View { data, shape: [height, width], strides, life: PhantomData })
    }
}

impl<'a, T: Element> View<'a, T, 2> {
    /// Row `item` of `[N, 4]`.
    pub(crate) fn row(&self, item: usize) -> [T; 4] {
        std::array::from_fn(|i| self.at([item, i]))
    }

    pub(crate) fn into_plane(self) -> Plane<'a, T> {
        Plane(self)
    }
}

impl<T, const D: usize> fmt::Debug for View<'_, T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("shape", &self.shape).field("strides", &self.strides).finish()
    }
}

/// Values of the pixels of a picture.
#[derive(Clone, Copy, Debug)]
pub struct Plane<'a, T>(View<'a, T, 2>);

/// A heatmap, normalised, or a mask in {0, 1} of a loss.
pub type Heatmap<'a> = Plane<'a, f32>;

/// A mask in {0, 1}.
pub type Mask<'a> = Plane<'a, u8>;

macro_rules! plane {
    ($element:ty) => {
        impl<'a> Plane<'a, $element> {
            /// From values row by row.
            ///
            /// # Panics
            /// When there are not `width * height` of them.
            #[must_use]
            pub fn new(values: &'a [$element], width: usize, height: usize) -> Self {
                Self(View::new(values, [height, width]))
            }

            /// Width, pixels.
            #[must_use]
            pub fn width(&self) -> usize {
                self.0.shape[1]
            }

            /// Height, pixels.
            #[must_use]
            pub fn height(&self) -> usize {
                self.0.shape[0]
            }

            /// The value of a pixel.
            ///
            /// # Panics
            /// Outside of the picture.
            #[must_use]
            pub fn at(&self, x: usize, y: usize) -> $element {
                self.0.at([y, x])
            }

            /// All values, row by row; copied only where they do not lie so.
            #[must_use]
            pub fn values(&self) -> Cow<'a, [$element]> {
                self.0.contiguous()
            }
        }
    };
}

plane!(f32);
plane!(u8);

/// A picture at native size.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    pixels: View<'a, u8, 3>,
    mask: Option<Mask<'a>>,
    id: &'a str,
    split: &'a str,
    index: u64,
}

impl<'a> Image<'a> {
    /// From bytes red, green, blue, row by row: for tests.
    ///
    /// # Panics
    /// When there are not `3 * width * height` of them.
    #[must_use]
    pub fn new(rgb: &'a [u8], width: usize, height: usize) -> Self {
        let pixels = View::new(rgb, [height, width, 3]);
        Self { pixels, mask: None, id: "picture", split: "train", index: 0 }
    }

    /// The same picture with a true mask: for tests.
    #[must_use]
    pub fn with_mask(mut self, mask: Mask<'a>) -> Self {
        self.mask = Some(mask);
        self
    }

    /// # Safety
    /// `image` is null or what the contract says, and nobody writes to it for `'a`.
    pub(crate) unsafe fn from_raw(image: *const FoveaImage) -> Result<Self, Fault> {
        // SAFETY: the caller's promise, here and for all that the image points to.
        let image = unsafe { borrow(image, "picture")? };
        // SAFETY: as above.
        let pixels = unsafe { View::<u8, 3>::from_raw(image.pixels, "picture")? };
        let [height, width, channels] = pixels.shape();
        if channels != 3 {
            return Err(Fault::contract(format!("the host's picture has {channels} channels instead of 3")));
        }
        let mask = if image.mask.is_null() {
            None
        } else {
            // SAFETY: as above.
            let mask = unsafe { View::<u8, 2>::from_raw(image.mask, "mask")? };
            if mask.shape() != [height, width] {
                return Err(Fault::contract("the host's mask has not the size of its picture"));
            }
            Some(mask.into_plane())
        };
        // SAFETY: as above.
        let (id, split) = unsafe { (string(image.id, "name of a picture")?, string(image.split, "split")?) };
        Ok(Self { pixels, mask, id, split, index: image.index })
    }

    /// Width, pixels.
    #[must_use]
    pub fn width(&self) -> usize {
        self.pixels.shape[1]
    }

    /// Height, pixels.
    #[must_use]
    pub fn height(&self) -> usize {
        self.pixels.shape[0]
    }

    /// Red, green and blue of a pixel, sRGB.
    ///
    /// # Panics
    /// Outside of the picture.
    #[must_use]
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        std::array::from_fn(|channel| self.pixels.at([y, x, channel]))
    }

    /// Bytes red, green, blue of all pixels, row by row; copied only where they do not lie so.
    #[must_use]
    pub fn rgb(&self) -> Cow<'a, [u8]> {
        self.pixels.contiguous()
    }

    /// The true object, where there is one and [`Localizer::WANTS_MASKS`](crate::Localizer::WANTS_MASKS) is set.
    #[must_use]
    pub fn mask(&self) -> Option<Mask<'a>> {
        self.mask
    }

    /// Name, for messages: no answer may depend on it.
    #[must_use]
    pub fn id(&self) -> &'a str {
        self.id
    }

    /// Split that the picture is from, for messages.
    #[must_use]
    pub fn split(&self) -> &'a str {
        self.split
    }

    /// Position in the split, for messages.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }
}
