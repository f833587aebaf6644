//! Lets the CUDA build link without LLVM: every LLVM function that Burn's CUDA backend names but Fovea never calls
//! is defined as address 0. `framework/cli/llvm-symbols.txt` says how the list is made.

fn main() {
    println!("cargo:rerun-if-changed=framework/cli/build.rs");
    println!("cargo:rerun-if-changed=framework/cli/llvm-symbols.txt");
    if std::env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return;
    }
    for name in include_str!("llvm-symbols.txt").split_whitespace() {
        println!("cargo:rustc-link-arg-bins=-Wl,--defsym={name}=0");
    }
}
