//! Several slices as one.

use std::io::IoSlice;

/// Copies `slices` into `room`, which is as long as all of them.
pub(crate) fn join<'a>(slices: &[IoSlice<'_>], room: &'a mut [u8]) -> &'a [u8] {
    let mut rest = &mut *room;
    for slice in slices {
        let (part, behind) = rest.split_at_mut(slice.len().min(rest.len()));
        part.copy_from_slice(slice.get(..part.len()).unwrap_or_default());
        rest = behind;
    }
    room
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_joined_in_their_order() {
        let slices = [IoSlice::new(b"head\r\n"), IoSlice::new(b""), IoSlice::new(b"body")];
        assert_eq!(join(&slices, &mut [0; 10]), b"head\r\nbody");
    }
}
