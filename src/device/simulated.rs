//! The simulated device: `srand(seed)` and then `(int16_t) rand()` of glibc, on every platform.
//!
//! glibc's default generator is the additive feedback generator TYPE_3 (degree 31, separation 3) of its
//! `stdlib/random_r.c`: `r[i] = r[i-3] + r[i-31]`, of which the lowest bit is dropped.

use crate::codec::layout::Fields;
use crate::codec::number::Scalar;
use crate::device::{Device, Fill};
use crate::error::Result;
use crate::process::stop::Stop;

const DEGREE: usize = 31;
const SEPARATION: usize = 3;

/// Values that `srand` throws away so that the seed has spread over the whole state.
const DISCARDED: usize = 10 * DEGREE;

/// The generator, and a device of its values.
#[derive(Clone, Debug)]
pub struct Simulated {
    state: [u32; DEGREE],
    /// Where `r[i-31]` stands, to be replaced by `r[i]`.
    oldest: usize,
}

impl Simulated {
    /// The state after `srand(seed)`.
    pub fn new(seed: u32) -> Self {
        let mut state = [0_u32; DEGREE];
        // A seed of 0 would stay 0 for ever; the C library takes 1 instead.
        let mut word = seed.max(1) as i32;
        for slot in &mut state {
            *slot = word as u32;
            // 16807 * word mod 2^31 - 1 without overflow (Schrage), sign included as in C.
            word = 16_807 * (word % 127_773) - 2_836 * (word / 127_773);
            if word < 0 {
                word += i32::MAX;
            }
        }
        // The C library begins by adding state[0] to state[SEPARATION].
        let mut device = Self { state, oldest: SEPARATION };
        for _ in 0..DISCARDED {
            device.rand();
        }
        device
    }

    /// The next value of `rand()`: 0 to 2^31 - 1.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "both indices are below DEGREE, which the compiler sees too")]
    pub fn rand(&mut self) -> u32 {
        let oldest = self.oldest;
        let three_ago = if oldest >= SEPARATION { oldest - SEPARATION } else { oldest + DEGREE - SEPARATION };
        let value = self.state[oldest].wrapping_add(self.state[three_ago]);
        self.state[oldest] = value;
        self.oldest = if oldest + 1 == DEGREE { 0 } else { oldest + 1 };
        value >> 1
    }
}

impl Device for Simulated {
    fn fill(&mut self, payload: &mut [u8], _stop: &Stop) -> Result<Fill> {
        for sample in payload.as_chunks_mut().0 {
            *sample = (self.rand() as i16).to_le_bytes();
        }
        Ok(Fill::Records(payload.len()))
    }

    fn may_wait(&self) -> bool {
        false
    }
}

/// A device of other numbers: integers are the lowest bits of `rand()`, floats its part of 2^31.
#[derive(Clone, Debug)]
pub struct Numbers {
    generator: Simulated,
    record: Fields,
}

impl Numbers {
    /// Numbers of this generator, in records like this one.
    pub fn new(generator: Simulated, record: Fields) -> Self {
        Self { generator, record }
    }
}

impl Device for Numbers {
    fn fill(&mut self, payload: &mut [u8], _stop: &Stop) -> Result<Fill> {
        let Self { generator, record } = self;
        for bytes in payload.chunks_exact_mut(record.bytes().max(1)) {
            for number in record.numbers() {
                let value = generator.rand();
                let part = f64::from(value) / f64::from(1_u32 << 31);
                let bits = match number.of.kind {
                    Scalar::Float32 => u64::from((part as f32).to_bits()),
                    Scalar::Float64 => part.to_bits(),
                    Scalar::Int64 | Scalar::UInt64 => u64::from(value) << 32 | u64::from(generator.rand()),
                    _ => u64::from(value),
                };
                if let Some(bytes) = bytes.get_mut(number.offset..number.offset + number.of.bytes()) {
                    number.of.put(bits, bytes);
                }
            }
        }
        Ok(Fill::Records(payload.len()))
    }

    fn may_wait(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    /// The numbers of a payload.
    fn int16(payload: &[u8]) -> impl Iterator<Item = i16> {
        payload.as_chunks().0.iter().map(|pair| i16::from_le_bytes(*pair))
    }

    use super::*;

    #[test]
    fn the_first_packets_of_seed_12345_are_known() {
        let mut device = Simulated::new(12345);
        let stop = Stop::new().unwrap();
        let mut packet = || {
            let mut payload = [0; 32];
            assert_eq!(device.fill(&mut payload, &stop).unwrap(), Fill::Records(32));
            int16(&payload).collect::<Vec<_>>()
        };
        let known: [[i16; 16]; 3] = [
            [
                -22457, -24171, 7149, -12485, -32159, 25040, 449, -5938, -25192, -4104, 27, -31935, -18407, -30443,
                -27250, -27947,
            ],
            [
                20946, -23616, 9865, 31416, -15911, -10845, -5332, 25662, 10955, -32501, -18717, -24490, -16511,
                -28861, 24205, 26568,
            ],
            [
                12505, 31355, 14083, -19654, -9141, 14532, -25591, 31203, 10428, -25564, -732, -7979, 9529, -27982,
                29610, 30475,
            ],
        ];
        for packet_samples in known {
            assert_eq!(packet(), packet_samples);
        }
    }
}
