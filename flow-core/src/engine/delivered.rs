//! What became of what was written.

use super::Inner;
use super::write::Sending;
use crate::mutant::mutant;
use crate::section::Section;
use crate::sync::lock;
use crate::{Delivered, Transport};

impl<T: Transport> Inner<T> {
    /// Both directions are held still meanwhile: a receive may be just taking away the error by which a transport knows of a loss.
    pub(super) fn delivered(&self) -> Delivered {
        let _section = Section::enter();
        if mutant!("asks_beside_a_receive") {
            return self.with_tx(|tx| self.delivered_by(tx));
        }
        if mutant!("asking_forgets_the_abort") {
            let _rx = lock(&self.rx);
            return self.delivered_by(&lock(&self.tx));
        }
        self.with_rx(|_| self.with_tx(|tx| self.delivered_by(tx)))
    }

    fn delivered_by(&self, tx: &Sending<T>) -> Delivered {
        // The rest of a taken write is still ours, or never went out.
        if tx.is_torn() {
            Delivered::No
        } else {
            self.transport.delivered()
        }
    }
}
