//! Bytes that Envoy hands over, in memory that it asked us for.

#![allow(unsafe_code, reason = "a block goes to the host and comes back as a pointer and a length")]

use std::cell::Cell;
use std::fmt;
use std::ops::Deref;
use std::ptr::slice_from_raw_parts_mut;

/// Blocks for what is no longer than this are used again and again.
const SPARE_LEN: usize = 4096;
// As many as are in use at a time.
thread_local! {
    static SPARES: [Cell<Option<Box<[u8]>>>; 4] = const { [const { Cell::new(None) }; 4] };
}

/// A block for the host to fill with so many bytes.
#[must_use]
#[inline]
pub fn allocate(size: usize) -> *mut u8 {
    if size > SPARE_LEN {
        return Box::into_raw(Box::<[u8]>::new_uninit_slice(size)).cast();
    }
    let spare = SPARES.with(|spares| spares.iter().find_map(Cell::take));
    Box::into_raw(spare.unwrap_or_else(|| Box::from([0; SPARE_LEN]))).cast()
}

/// What the host wrote into one block.
#[derive(Default)]
pub struct Bytes {
    block: Box<[u8]>,
    len: usize,
}

impl Bytes {
    /// Takes back a block.
    ///
    /// # Safety
    /// It was [`allocate`]d for exactly so many bytes, the host wrote all of them, and nobody else has it. A null
    /// pointer is no block, and no bytes.
    #[inline]
    pub unsafe fn take_back(block: *mut u8, len: usize) -> Self {
        if block.is_null() {
            return Self::default();
        }
        // SAFETY: as for this function; this is the length that `allocate` gave the block.
        let block = unsafe { Box::from_raw(slice_from_raw_parts_mut(block, len.max(SPARE_LEN))) };
        Self { block, len }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.block.get(..self.len).unwrap_or_default()
    }
}

impl Drop for Bytes {
    #[inline]
    fn drop(&mut self) {
        if self.block.len() == SPARE_LEN {
            let mut block = Some(std::mem::take(&mut self.block));
            // Where all places are taken, the block in the last one gives way.
            SPARES.with(|spares| {
                spares.iter().find(|place| {
                    block = place.replace(block.take());
                    block.is_none()
                });
            });
        }
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
