//! Which values the axes have at each point. The main type is [`Block`].

use crate::axes::Axis;
use crate::grid::groups;

/// Points that are crossed with each other: the grid, or those of one `[[include]]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Block {
    /// Slowest first; each option sets axes to positions.
    dimensions: Vec<Vec<Vec<(usize, usize)>>>,
    /// The `[[include]]`, counted from 0; `None` for the grid.
    pub(crate) include: Option<usize>,
    /// For each axis, whether the points name it; the others, and those beyond, have the base document's value.
    named: Vec<bool>,
}

impl Block {
    /// The cross product of the axes, where the axes of a `[[zip]]` are one.
    pub(crate) fn grid(axes: &[Axis]) -> Self {
        let mut start = 0;
        let dimension = |group: &[Axis]| {
            let members = start..start + group.len();
            start = members.end;
            let option = |position: usize| members.clone().map(|axis| (axis, position)).collect();
            (0..group[0].crossed()).map(option).collect()
        };
        let dimensions = groups(axes).map(dimension).collect();
        Self { dimensions, include: None, named: vec![true; axes.len()] }
    }

    /// The points of an `[[include]]`: the positions of each axis.
    pub(crate) fn included(positions: &[Vec<usize>], named: Vec<bool>, include: usize) -> Self {
        let options = |(axis, positions): (usize, &Vec<usize>)| {
            positions.iter().map(|&position| vec![(axis, position)]).collect()
        };
        let dimensions = positions.iter().enumerate().map(options).collect();
        Self { dimensions, include: Some(include), named }
    }

    /// Whether the points name an axis; if not, they have the base document's value.
    pub(crate) fn names(&self, axis: usize) -> bool {
        self.named.get(axis).copied().unwrap_or_default()
    }

    /// The positions of each axis, of an `[[include]]`.
    pub(crate) fn positions(&self) -> Vec<Vec<usize>> {
        let position = |option: &Vec<(usize, usize)>| option.iter().map(|(_, position)| *position).sum();
        self.dimensions.iter().map(|options| options.iter().map(position).collect()).collect()
    }

    /// How many points; `None` if more than anyone can count.
    pub(crate) fn size(&self) -> Option<u128> {
        self.dimensions.iter().try_fold(1u128, |size, options| size.checked_mul(options.len() as u128))
    }

    /// The position of the value of each of `axes` axes at the point of an index, the last dimension fastest.
    pub(crate) fn choice(&self, index: usize, axes: usize) -> Vec<usize> {
        let mut rest = index;
        let mut choice = vec![0; axes];
        for options in self.dimensions.iter().rev() {
            for &(axis, position) in &options[rest % options.len()] {
                choice[axis] = position;
            }
            rest /= options.len();
        }
        choice
    }
}
