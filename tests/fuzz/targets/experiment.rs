#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fovea_fuzz::experiment(bytes));
