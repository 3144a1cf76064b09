#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fancyhwd_fuzz::bundles::run(data));
