//! Pages of a freed buffer serve the next, in every thread.

use std::hint::black_box;

/// Page faults of this process that needed no disk.
fn faults() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("this is Linux");
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name
        .split_whitespace()
        .nth(7)
        .and_then(|field| field.parse().ok())
        .expect("the tenth field is minflt")
}

fn use_buffers() {
    for megabytes in [96, 24, 3] {
        black_box(vec![1_u8; black_box(megabytes << 20)]);
    }
}

fn main() {
    if !cfg!(all(target_os = "linux", target_env = "gnu")) {
        return;
    }
    fovea_heap::keep_freed();
    use_buffers();
    let before = faults();
    for _ in 0..4 {
        use_buffers();
        std::thread::spawn(use_buffers).join().expect("it only allocates");
    }
    let new = faults() - before;
    // About 250,000 where they are mapped anew.
    assert!(new < 10_000, "{new} page faults");
}
