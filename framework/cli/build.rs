//! Tells the program what it is built from, for the records of trials: by `Cargo.lock`, compiler, target and features. No
//! commit: one that changes nothing in the source must not make another program.
//!
//! Lets the CUDA build link without LLVM: every LLVM function that Burn's CUDA backend names but Fovea never calls
//! is defined as address 0.
//!
//! After a change of Burn's version, make `llvm-symbols.txt` again: link once with `-Wl,--unresolved-symbols=ignore-all`,
//! then `nm target/release/fovea | grep -E ' U .*(LLVM|cubecl)' | awk '{print $2}' | sort -u`.

fn main() {
    println!("cargo:rerun-if-changed=framework/cli/build.rs");
    println!("cargo:rerun-if-changed=framework/cli/llvm-symbols.txt");
    describe_build();
    if std::env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return;
    }
    for name in include_str!("llvm-symbols.txt").split_whitespace() {
        println!("cargo:rustc-link-arg-bins=-Wl,--defsym={name}=0");
    }
}

/// Sets `BUILD_OF_FOVEA_*` for `env!` in `framework/cli/build_info.rs`; what is not known is empty. Cargo gives them
/// to programs that it starts, too, and variables that begin with `FOVEA_` are keys of experiments.
fn describe_build() {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let path = "Cargo.lock";
    if std::path::Path::new(path).exists() {
        // One that is missing would always be new.
        println!("cargo:rerun-if-changed={path}");
    }
    let lock = std::fs::read(path).map(|lock| blake3::hash(&lock).to_hex().to_string());
    let compiler = std::process::Command::new(variable("RUSTC")).arg("-V").output();
    let compiler = compiler.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let mut features: Vec<String> = std::env::vars()
        .filter_map(|(name, _)| Some(name.strip_prefix("CARGO_FEATURE_")?.to_lowercase().replace('_', "-")))
        .filter(|feature| feature != "default")
        .collect();
    features.sort();
    for (name, value) in [
        ("LOCK", lock.unwrap_or_default()),
        ("COMPILER", compiler.unwrap_or_default()),
        ("TARGET", variable("TARGET")),
        ("FEATURES", features.join(",")),
    ] {
        println!("cargo:rustc-env=BUILD_OF_FOVEA_{name}={value}");
    }
}
