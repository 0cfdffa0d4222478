//! The same source must give the same bytes, whoever encodes it. x264's macroblock tree reads memory that it never wrote
//! where a row of macroblocks is no multiple of eight (854 and 320 pixels wide, say), so what malloc hands out decides
//! some of its choices. Memory that always starts out alike makes them the same everywhere.

use std::sync::Once;

/// Lets fresh memory of this process start out alike from now on. Costs a fill for each allocation.
pub fn steady_memory() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: sets a parameter of the allocator, which any thread may do at any time.
        #[cfg(target_env = "gnu")]
        unsafe {
            libc::mallopt(libc::M_PERTURB, FILL);
        }
    });
}

/// What fresh memory is filled with, inverted: any number but zero, which switches filling off.
#[cfg(target_env = "gnu")]
const FILL: libc::c_int = 0xFF;
