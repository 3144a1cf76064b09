//! What the fuzz targets do with the bytes that they are given: each takes any, and panics when a rule is broken.
//!
//! The programs in `fuzz_targets/` run them under libFuzzer, and `tests/it/fuzz_targets.rs` with a stable compiler.

pub mod admission;
pub mod bundles;
pub mod certificates;
pub mod conditions;
pub mod counters;
pub mod database;
pub mod layouts;
pub mod links;

/// The characters of Z85, see <https://rfc.zeromq.org/spec/32/>.
const Z85: &[u8; 85] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// A key as text, by other means than those that are tested.
fn z85(key: &[u8; 32]) -> String {
    let digits = |bytes: &[u8]| {
        let number = bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte));
        [52_200_625, 614_125, 7_225, 85, 1].map(|unit: u64| char::from(Z85[(number / unit % 85) as usize]))
    };
    key.chunks(4).flat_map(digits).collect()
}
