//! Which pixels of a mask's file are the object. The main types are [`Pixels`], what the file holds, [`MaskLevels`],
//! and [`Found`]; the main function is [`object`]. What is read how: `decode`.

mod colours;
mod levels;
mod pixels;
mod reading;

pub(crate) use levels::MaskLevels;
pub(crate) use pixels::Pixels;
pub(crate) use reading::object;
