//! Arrays that lie in memory in any way.

use super::{Array, Failure};
use crate::call::{Fault, guarded};
use crate::raw::{FOVEA_ERROR, FoveaTensor};
use crate::view::View;
use crate::{Heatmap, Image};
use std::borrow::Cow;
use std::ptr::null;

fn view<'a, T: crate::view::Element, const D: usize>(
    tensor: *const FoveaTensor,
) -> Result<View<'a, T, D>, String> {
    // SAFETY: the tests give tensors that are good for their reach, or null, or with a bad description.
    unsafe { View::from_raw(tensor, "array") }.map_err(|fault| match fault {
        Fault::Failed(FOVEA_ERROR, error) => error.message,
        _ => unreachable!(),
    })
}

#[test]
fn strides_of_all_kinds() {
    let values: Vec<f32> = (0..24).map(|i| i as f32).collect();
    let contiguous = Array::new(&values, [2, 3, 4]);
    let seen = view::<f32, 3>(contiguous.raw()).unwrap();
    assert!(matches!(seen.contiguous(), Cow::Borrowed(v) if v == values));
    assert_eq!((seen.plane(1).width(), seen.plane(1).height(), seen.plane(1).at(3, 2)), (4, 3, 23.0));
    assert_eq!(seen.plane(1).values()[..], values[12..]);

    // Channels last, a transpose, flips from the last element, and one row for all.
    let permuted = Array::strided(&values, 0, [4, 2, 3], [1, 12, 4]);
    let seen = view::<f32, 3>(permuted.raw()).unwrap();
    assert!(matches!(seen.plane(2).values(), Cow::Owned(v) if v == [2.0, 6.0, 10.0, 14.0, 18.0, 22.0]));
    let flipped = Array::strided(&values, 23, [6, 4], [-4, -1]);
    let reversed: Vec<f32> = values.iter().rev().copied().collect();
    assert_eq!(view::<f32, 2>(flipped.raw()).unwrap().contiguous()[..], reversed);
    let broadcast = Array::strided(&values, 4, [3, 4], [0, 1]);
    let seen = view::<f32, 2>(broadcast.raw()).unwrap();
    assert_eq!(seen.row(2), [4.0, 5.0, 6.0, 7.0]);
    assert_eq!(seen.contiguous()[..], [4.0, 5.0, 6.0, 7.0].repeat(3));
    // The stride of a dimension with one element does not matter.
    let single = Array::strided(&values, 0, [1, 4], [-99, 1]);
    assert!(matches!(view::<f32, 2>(single.raw()).unwrap().contiguous(), Cow::Borrowed(_)));
}

#[test]
fn empty_arrays() {
    let mut none = Array::new(&[0f32; 0], [0, 3, 4]);
    none.raw.get_mut().data = null();
    assert!(view::<f32, 3>(none.raw()).unwrap().contiguous().is_empty());
    let flat = Array::new(&[0f32; 0], [2, 0, 4]);
    let seen = view::<f32, 3>(flat.raw()).unwrap();
    assert_eq!((seen.plane(1).height(), seen.plane(1).values().len()), (0, 0));
}

#[test]
fn descriptions_that_cannot_be() {
    let values = [0f32; 4];
    let good = || Array::new(&values, [2, 2]);
    let fails = |change: &dyn Fn(&mut Array<'_, 2>)| {
        let mut array = good();
        change(&mut array);
        view::<f32, 2>(array.raw()).unwrap_err()
    };
    assert!(view::<f32, 2>(null()).unwrap_err().contains("no array"));
    assert!(fails(&|a| a.raw.get_mut().size = 8).contains("8 bytes instead of"));
    assert!(fails(&|a| a.raw.get_mut().dtype = 1).contains("type 1 instead of 2"));
    assert!(fails(&|a| a.raw.get_mut().ndim = 3).contains("3 dimensions instead of 2"));
    assert!(fails(&|a| a.raw.get_mut().data = null()).contains("no elements"));
    assert!(
        fails(&|a| a.raw.get_mut().data = a.raw.get_mut().data.wrapping_byte_add(1)).contains("no elements")
    );
    assert!(fails(&|a| a.raw.get_mut().shape = null()).contains("2 elements of a shape"));
    assert!(fails(&|a| a.raw.get_mut().strides = null()).contains("2 elements of strides"));
    assert!(fails(&|a| a.shape[0] = -1).contains("-1 elements"));
    assert!(fails(&|a| a.shape = [i64::MAX, i64::MAX]).contains("fits no memory"));
    assert!(fails(&|a| a.shape = [0, i64::MAX]).contains("fits no memory"));
    assert!(fails(&|a| a.strides[0] = i64::MAX).contains("fits no memory"));
    assert!(fails(&|a| a.strides = [i64::MIN, 1]).contains("fits no memory"));
    // A later version's longer struct is fine.
    let mut longer = good();
    longer.raw.get_mut().size += 64;
    assert!(view::<f32, 2>(longer.raw()).is_ok());
}

#[test]
fn reading_outside_is_a_panic_that_is_caught() {
    let values = [0f32; 6];
    let map = Heatmap::new(&values, 3, 2);
    assert_eq!((map.width(), map.height(), map.at(2, 1)), (3, 2, 0.0));
    crate::panics::note_places();
    let mut failure = Failure::new(200);
    // SAFETY: the error is good.
    let status = unsafe {
        guarded(failure.raw(), || {
            let _ = map.at(3, 1);
            Ok(())
        })
    };
    assert_eq!(status, crate::raw::FOVEA_PANIC);
    assert!(
        failure.text().contains("view.rs") && failure.text().contains("[1, 3] is outside"),
        "{}",
        failure.text()
    );
}

#[test]
#[should_panic(expected = "6 values are not an array of shape [2, 4]")]
fn a_plane_of_the_wrong_size() {
    let _ = Heatmap::new(&[0.0; 6], 4, 2);
}

#[test]
fn pictures() {
    let bytes: Vec<u8> = (0..18).collect();
    let image = Image::new(&bytes, 3, 2);
    assert_eq!((image.width(), image.height(), image.pixel(2, 1)), (3, 2, [15, 16, 17]));
    assert_eq!(image.rgb()[..], bytes);
    assert!(image.mask().is_none());
}
