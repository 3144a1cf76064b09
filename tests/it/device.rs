//! The simulated device against the C library that it stands for.

use fancyhwd::device::Simulated;

use crate::support::Bench;

const VALUES: usize = 1_000_000;

#[test]
fn a_million_values_of_several_seeds_equal_those_of_the_c_library() {
    let bench = Bench::new();
    let rand = bench.compile("rand");
    for seed in [0, 1, 12345, u32::MAX] {
        let output = std::process::Command::new(&rand).arg(seed.to_string()).arg(VALUES.to_string()).output().unwrap();
        let of_libc: Vec<i16> = crate::support::samples(&output.stdout).collect();
        assert_eq!(of_libc.len(), VALUES);
        let mut device = Simulated::new(seed);
        let differing = of_libc.iter().position(|&value| value != device.rand() as i16);
        assert_eq!(differing, None, "seed {seed}: first differing value");
    }
}
