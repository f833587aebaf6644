//! New buffers, written piece by piece on all threads. The function is [`in_chunks`].

use rayon::prelude::*;
use std::mem::MaybeUninit;

/// `length` numbers, written by `write` in pieces of `chunk` (the last may be shorter), each with its number, on the
/// threads of the pool. A piece is all zeros when `write` gets it.
///
/// `vec![0.0; length]` clears the whole buffer on one thread, and by the time it is written to it has left the cache:
/// an eighth of a training step. Here each task clears its own piece right before it writes to it.
///
/// # Panics
/// When `chunk` is 0 and `length` is not.
pub fn in_chunks(length: usize, chunk: usize, write: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let mut buffer: Vec<f32> = Vec::with_capacity(length);
    if length > 0 {
        let pieces = buffer.spare_capacity_mut()[..length].par_chunks_mut(chunk);
        pieces.enumerate().for_each(|(index, piece)| write(index, cleared(piece)));
    }
    // SAFETY: the capacity is at least `length`, and each of the first `length` elements was cleared by `cleared`: the
    // pieces cover them, and `for_each` came back, so every piece was handled (a panic in one would have come here).
    unsafe { buffer.set_len(length) };
    buffer
}

/// The same memory, all zeros.
fn cleared(piece: &mut [MaybeUninit<f32>]) -> &mut [f32] {
    piece.fill(MaybeUninit::new(0.0));
    // SAFETY: every element was written in the line above.
    unsafe { piece.assume_init_mut() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_cleared_and_written() {
        assert_eq!(in_chunks(0, 0, |_, _| {}), []);
        // Memory that was used before.
        drop(vec![f32::NAN; 1000]);
        let buffer = in_chunks(1000, 64, |index, piece| {
            assert!(piece.iter().all(|x| *x == 0.0));
            assert_eq!(piece.len(), if index == 15 { 40 } else { 64 });
            piece[0] = index as f32 + 1.0;
        });
        let expected = |i: usize| if i.is_multiple_of(64) { (i / 64 + 1) as f32 } else { 0.0 };
        assert!(buffer.iter().enumerate().all(|(i, x)| *x == expected(i)));
        assert_eq!(buffer.len(), 1000);
    }
}
