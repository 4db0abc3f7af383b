//! When the answer to a read may be kept. A file of its own, so that the test `slot_unchecked` can leave the rule out of the very
//! same slots and show that revoked sessions then stay.

use crate::store::Ticket;

/// Whether the answer to the read `mine` may be kept, where `latest` is the last read of that key that began, `changed` whether the key
/// changed since that began, and `epoch` the present one.
///
/// Each part is needed. `changed`: Redis says once that a key changed and then forgets us, so an answer that was on its way may be
/// the old value and nobody will say so again. The generation: the mark stands on the latest read only, and an earlier answer
/// may be handed over later than the message that outdated it. The epoch: after a gap in the messages nothing was heard at all.
pub(crate) fn may_keep(mine: Ticket, latest: Ticket, changed: bool, epoch: u64) -> bool {
    mine.generation == latest.generation && !changed && mine.epoch == epoch
}
