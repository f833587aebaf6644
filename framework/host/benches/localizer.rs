//! What a call across the boundary costs. `cargo bench -p fovea-host`
fn main() {}
