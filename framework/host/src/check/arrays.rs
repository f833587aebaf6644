//! Arrays that are lent to plugins, laid out in every way that the header allows. The main types are [`Lent`], for inputs,
//! and [`Buffer`], for outputs.

use crate::call::layout;
use fovea_abi::raw::{FOVEA_F32, FOVEA_U8, FoveaTensor};
use std::ffi::c_void;
use std::ptr;

/// Where element (i, j, ...) lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Row-major, without gaps.
    Plain,
    /// Row-major with gaps after every pixel and row, full of NaN or 165.
    Padded,
    /// All strides are negative.
    Reversed,
    /// The first index runs fastest.
    Transposed,
    /// All rows are one: the stride of the last axis but one is 0. Rows must be equal.
    Repeated,
}

/// What the memory of inputs is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Ordinary memory.
    Heap,
    /// Pages of their own that cannot be written, before a page that cannot be touched.
    Guarded,
    /// Pages of their own that cannot be touched after the call.
    Lost,
}

/// An element of an array.
pub(super) trait Element: Copy {
    const TYPE: u32;
    const GAP: Self;
}

impl Element for u8 {
    const TYPE: u32 = FOVEA_U8;
    const GAP: Self = 165;
}

impl Element for f32 {
    const TYPE: u32 = FOVEA_F32;
    const GAP: Self = f32::NAN;
}

/// A strided array that a plugin reads.
pub(super) struct Lent<T> {
    memory: Memory<T>,
    /// Place of the first element.
    first: usize,
    shape: Vec<i64>,
    strides: Vec<i64>,
}

impl<T: Element> Lent<T> {
    /// `values`, row-major, laid out as asked.
    ///
    /// # Panics
    /// When there are not as many values as `shape` says.
    pub(super) fn new(values: &[T], shape: &[usize], how: Layout, place: Place) -> Self {
        assert_eq!(values.len(), shape.iter().product::<usize>(), "as many values as the shape says");
        let strides = strides(shape, how);
        let extent = |axis: usize| i64::try_from(shape[axis]).unwrap_or(i64::MAX);
        let reach = |positive: bool| -> i64 {
            let ends = (0..shape.len()).map(|axis| (extent(axis) - 1).max(0) * strides[axis]);
            ends.filter(|end| (*end > 0) == positive).sum()
        };
        let first = usize::try_from(-reach(false)).unwrap_or(0);
        let length =
            if values.is_empty() { 0 } else { first + usize::try_from(reach(true)).unwrap_or(0) + 1 };
        let mut elements = vec![T::GAP; length];
        for (index, value) in values.iter().enumerate() {
            let (mut rest, mut at) = (index, first as i64);
            for axis in (0..shape.len()).rev() {
                at += (rest % shape[axis]) as i64 * strides[axis];
                rest /= shape[axis];
            }
            elements[usize::try_from(at).unwrap_or(0)] = *value;
        }
        let memory = match place {
            Place::Heap => Memory::Heap(elements),
            Place::Guarded | Place::Lost => Memory::Pages(Pages::new(&elements, place)),
        };
        let shape = (0..shape.len()).map(extent).collect();
        Self { memory, first, shape, strides }
    }

    /// A view that must not outlive `self`.
    pub(super) fn raw(&self) -> FoveaTensor {
        let start = match &self.memory {
            Memory::Heap(elements) => elements.as_ptr(),
            Memory::Pages(pages) => pages.start.cast::<T>().cast_const(),
        };
        FoveaTensor {
            size: size_of::<FoveaTensor>(),
            data: start.wrapping_add(self.first).cast::<c_void>(),
            dtype: T::TYPE,
            ndim: u32::try_from(self.shape.len()).unwrap_or(0),
            shape: self.shape.as_ptr(),
            strides: self.strides.as_ptr(),
        }
    }
}

fn strides(shape: &[usize], how: Layout) -> Vec<i64> {
    let (_, plain) = layout(shape);
    let axes = shape.len();
    let extent = |axis: usize| i64::try_from(shape[axis]).unwrap_or(i64::MAX).max(1);
    match how {
        Layout::Plain => plain,
        Layout::Reversed => plain.into_iter().map(|stride| -stride).collect(),
        Layout::Padded => {
            let mut strides = vec![1; axes];
            for axis in (1..axes).rev() {
                strides[axis - 1] = strides[axis] * extent(axis) + axis as i64;
            }
            strides
        }
        Layout::Transposed => {
            let mut strides = vec![1; axes];
            for axis in 1..axes {
                strides[axis] = strides[axis - 1] * extent(axis - 1);
            }
            strides
        }
        Layout::Repeated => {
            let mut strides = plain;
            if axes > 1 {
                strides[axes - 2] = 0;
            }
            strides
        }
    }
}

enum Memory<T> {
    Heap(Vec<T>),
    Pages(Pages),
}

/// Pages of their own; after the call they cannot be touched.
struct Pages {
    base: *mut c_void,
    length: usize,
    start: *mut c_void,
}

impl Pages {
    fn new<T: Element>(elements: &[T], place: Place) -> Self {
        // SAFETY: sysconf only reads.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
        let bytes = size_of_val(elements);
        let readable = bytes.next_multiple_of(page);
        let length = readable + 2 * page;
        // SAFETY: a fresh mapping of nobody's memory; the parts that are written and protected lie within it.
        unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let base = libc::mmap(ptr::null_mut(), length, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
            assert_ne!(base, libc::MAP_FAILED, "there is memory for a few pages");
            let guarded = place == Place::Guarded;
            // Guarded elements end where a page begins that cannot be touched.
            let start = base.cast::<u8>().add(page + if guarded { readable - bytes } else { 0 });
            ptr::copy_nonoverlapping(elements.as_ptr().cast::<u8>(), start, bytes);
            if guarded {
                libc::mprotect(base, length, libc::PROT_NONE);
                libc::mprotect(base.cast::<u8>().add(page).cast(), readable, libc::PROT_READ);
            }
            Self { base, length, start: start.cast() }
        }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // The addresses are not given back, so that nothing else comes to lie there.
        // SAFETY: the mapping is our own; what is lost with its contents was lent for a call that is over.
        unsafe { libc::mprotect(self.base, self.length, libc::PROT_NONE) };
    }
}

/// Elements on either side of a buffer that nobody may write.
const FENCE: usize = 32;

/// A buffer that a plugin writes, all zero, between fences.
pub(super) struct Buffer<T> {
    elements: Vec<T>,
    fence: T,
}

impl<T: Copy + PartialEq + Default> Buffer<T> {
    pub(super) fn new(length: usize, fence: T) -> Self {
        let mut elements = vec![fence; length + 2 * FENCE];
        elements[FENCE..FENCE + length].fill(T::default());
        Self { elements, fence }
    }

    pub(super) fn raw(&mut self) -> *mut T {
        self.elements[FENCE..].as_mut_ptr()
    }

    /// What was written.
    pub(super) fn taken(self, name: &str) -> Result<Vec<T>, String> {
        let end = self.elements.len() - FENCE;
        let whole = |part: &[T]| part.iter().all(|element| *element == self.fence);
        if !whole(&self.elements[..FENCE]) {
            return Err(format!("it wrote before the beginning of `{name}`"));
        }
        if !whole(&self.elements[end..]) {
            return Err(format!("it wrote behind the end of `{name}`"));
        }
        Ok(self.elements[FENCE..end].to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_holds_the_same_elements() {
        let values: Vec<f32> = (0..24).map(|i| i as f32).collect();
        for how in [Layout::Plain, Layout::Padded, Layout::Reversed, Layout::Transposed] {
            for place in [Place::Heap, Place::Guarded, Place::Lost] {
                let lent = Lent::new(&values, &[2, 3, 4], how, place);
                let tensor = lent.raw();
                for (index, value) in values.iter().enumerate() {
                    let at = [index / 12, index / 4 % 3, index % 4];
                    let offset: i64 = (0..3).map(|axis| at[axis] as i64 * lent.strides[axis]).sum();
                    // SAFETY: the offset is that of an element.
                    let found = unsafe { *tensor.data.cast::<f32>().offset(offset as isize) };
                    assert_eq!(found, *value, "{how:?} {place:?} {at:?}");
                }
            }
        }
        let rows = Lent::new(&[1u8, 2, 1, 2], &[2, 2], Layout::Repeated, Place::Heap);
        assert_eq!((rows.strides, rows.first), (vec![0, 1], 0));
    }

    #[test]
    fn fences_are_seen() {
        let mut buffer = Buffer::new(3, 7u8);
        // SAFETY: behind the buffer is the fence.
        unsafe { *buffer.raw().add(3) = 1 };
        assert_eq!(buffer.taken("valid").unwrap_err(), "it wrote behind the end of `valid`");
    }
}
