//! Lets the CUDA build link without LLVM: every LLVM function that Burn's CUDA backend names but Fovea never calls
//! is defined as address 0.
//!
//! After a change of Burn's version, make `llvm-symbols.txt` again: link once with `-Wl,--unresolved-symbols=ignore-all`,
//! then `nm target/release/fovea | grep -E ' U .*(LLVM|cubecl)' | awk '{print $2}' | sort -u`.

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
