//! From a place in a text to a place in one of several.

use std::ops::Range;

use crate::config::raw::Placed;
use crate::config::{At, Located};

/// One of the configuration's files, as an index into `Sources`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct File(pub(crate) usize);

impl File {
    /// The place of `range` in this file.
    pub(crate) const fn range(self, range: &Range<usize>) -> At {
        At { file: self.0, start: range.start, end: range.end }
    }

    /// The place of `value`.
    pub(crate) fn at<T>(self, value: &Placed<T>) -> At {
        self.range(&value.span())
    }

    /// `value` with its place.
    pub(crate) fn located<T: Clone>(self, value: &Placed<T>) -> Located<T> {
        Located { value: value.get().clone(), at: self.at(value) }
    }
}
