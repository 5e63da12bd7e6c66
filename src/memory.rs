//! Memory: two-level segregated fit (Masmano and others, 2004), which finds a block in constant time, whatever was
//! allocated and freed before.

use rlsf::SmallGlobalTlsf;

#[global_allocator]
static ALLOCATOR: SmallGlobalTlsf = SmallGlobalTlsf::new();
