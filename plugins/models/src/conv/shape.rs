//! The shapes of a convolution, and which places of one map meet which of the other.

/// The shapes of a convolution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    /// Images.
    pub(super) images: usize,
    /// `[channels, height, width]`
    pub(super) input: [usize; 3],
    /// `[channels, height, width]`
    pub(super) output: [usize; 3],
    /// Side of the kernel.
    pub(super) kernel: usize,
    /// Stride.
    pub(super) stride: usize,
    /// Padding.
    pub(super) padding: usize,
    /// Whether the input is pictures as they come, `[N, C, H, W]`; else it is `[H, W, N, C]`.
    pub(super) pictures: bool,
}

impl Geometry {
    /// The shapes for an input `[N, C, H, W]` and a weight `[K, C, k, k]`, or none if the kernel does not fit or a
    /// dimension is empty.
    pub(crate) fn new(input: [usize; 4], weight: [usize; 4], stride: usize, padding: usize) -> Option<Self> {
        let [images, channels, height, width] = input;
        let [out, inner, kernel, other] = weight;
        let side = |size: usize| Some((size + 2 * padding).checked_sub(kernel)? / stride + 1);
        let fits = inner == channels && kernel == other && stride > 0;
        let output = [out, side(height)?, side(width)?];
        let full = images * channels * height * width * out * kernel > 0;
        // Places are numbered in 32 bits.
        let counted = u32::try_from(height * width).is_ok() && u32::try_from(output[1] * output[2]).is_ok();
        (fits && full && counted).then_some(Self {
            images,
            input: [channels, height, width],
            output,
            kernel,
            stride,
            padding,
            pictures: false,
        })
    }

    /// `[h, w, N, K]`
    pub(crate) fn output_shape(&self) -> [usize; 4] {
        let [channels, height, width] = self.output;
        [height, width, self.images, channels]
    }

    /// `[H, W, N, C]`, or `[N, C, H, W]` of pictures.
    pub(crate) fn input_shape(&self) -> [usize; 4] {
        let [channels, height, width] = self.input;
        if self.pictures {
            [self.images, channels, height, width]
        } else {
            [height, width, self.images, channels]
        }
    }

    /// The same convolution of pictures.
    pub(super) fn of_pictures(self) -> Self {
        Self { pictures: true, ..self }
    }

    /// `[K, C, k, k]`
    pub(super) fn weight_shape(&self) -> [usize; 4] {
        [self.output[0], self.input[0], self.kernel, self.kernel]
    }

    /// Taps of the kernel.
    pub(super) fn taps(&self) -> usize {
        self.kernel * self.kernel
    }

    /// Rows of the output: places times images.
    pub(super) fn output_rows(&self) -> usize {
        self.output[1] * self.output[2] * self.images
    }

    /// Rows of the input.
    pub(super) fn input_rows(&self) -> usize {
        self.input[1] * self.input[2] * self.images
    }

    /// Row (axis 0) or column of the input that this tap meets at this row or column of the output.
    fn met(&self, at: usize, tap: usize, axis: usize) -> Option<usize> {
        let place = (at * self.stride + tap).checked_sub(self.padding)?;
        (place < self.input[1 + axis]).then_some(place)
    }

    /// For every place of the output, the places of the input that it is computed from.
    pub(crate) fn sources(&self) -> Meetings {
        let (k, [_, height, width]) = (self.kernel, self.output);
        let mut meetings = Meetings::default();
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            for (tap_y, tap_x) in (0..k).flat_map(|y| (0..k).map(move |x| (y, x))) {
                if let (Some(row), Some(column)) = (self.met(y, tap_y, 0), self.met(x, tap_x, 1)) {
                    meetings.add(row * self.input[2] + column, tap_y * k + tap_x);
                }
            }
            meetings.end();
        }
        meetings
    }

    /// For every place of the input, the places of the output that are computed from it.
    pub(crate) fn targets(&self) -> Meetings {
        let (k, s, p) = (self.kernel, self.stride, self.padding);
        let [_, height, width] = self.input;
        let from = |at: usize, tap: usize, axis: usize| {
            let place = (at + p).checked_sub(tap).filter(|place| place.is_multiple_of(s))? / s;
            (place < self.output[1 + axis]).then_some(place)
        };
        let mut meetings = Meetings::default();
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            for (tap_y, tap_x) in (0..k).flat_map(|y| (0..k).map(move |x| (y, x))) {
                if let (Some(row), Some(column)) = (from(y, tap_y, 0), from(x, tap_x, 1)) {
                    meetings.add(row * self.output[2] + column, tap_y * k + tap_x);
                }
            }
            meetings.end();
        }
        meetings
    }

    /// Columns of the output, from the first to the one behind the last, where a tap's column meets the input.
    pub(super) fn columns_met(&self, tap: usize) -> std::ops::Range<usize> {
        let met = |x: &usize| self.met(*x, tap, 1).is_some();
        let first = (0..self.output[2]).find(met);
        let last = (0..self.output[2]).rev().find(met);
        first.map_or(0..0, |first| first..last.map_or(first, |last| last + 1))
    }

    /// Row of the input that a tap's row meets.
    pub(super) fn row_met(&self, y: usize, tap: usize) -> Option<usize> {
        self.met(y, tap, 0)
    }
}

/// A place of the other map and the tap through which it is met.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meeting {
    pub(crate) place: u32,
    pub(crate) tap: u32,
}

/// The meetings of every place, in the order of taps.
#[derive(Debug, Default)]
pub(crate) struct Meetings {
    all: Vec<Meeting>,
    /// Where those of each place end.
    ends: Vec<usize>,
}

impl Meetings {
    fn add(&mut self, place: usize, tap: usize) {
        // `Geometry::new` has seen to it that places fit.
        self.all.push(Meeting { place: place as u32, tap: tap as u32 });
    }

    fn end(&mut self) {
        self.ends.push(self.all.len());
    }

    /// Places.
    pub(crate) fn places(&self) -> usize {
        self.ends.len()
    }

    /// Those of a place.
    pub(crate) fn of(&self, place: usize) -> &[Meeting] {
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        &self.all[start..self.ends[place]]
    }
}
