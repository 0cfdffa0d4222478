//! The one source of chance, so that a failing run can be repeated from its seed as far as the machine allows.

use std::sync::Mutex;
use std::time::Duration;

/// Numerical Recipes' linear congruence; the high bits are good enough to choose victims by.
pub struct Dice(Mutex<u64>);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03))
    }

    /// 0 to `sides` - 1.
    pub fn roll(&self, sides: u64) -> u64 {
        let mut state = self.0.lock().expect("dice");
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) % sides.max(1)
    }

    /// One of these.
    pub fn pick<'a, T>(&self, of: &'a [T]) -> Option<&'a T> {
        (!of.is_empty()).then(|| &of[self.roll(of.len() as u64) as usize])
    }

    /// Milliseconds from a range.
    pub fn pause(&self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.roll(to - from))
    }
}
