//! Tells the crate whether it has the embedded engine: a cargo feature, on systems that it is written for.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(embedded)");
    let is = |name: &str, values: &[&str]| {
        std::env::var(name).is_ok_and(|value| values.contains(&value.as_str()))
    };
    let wanted = std::env::var_os("CARGO_FEATURE_EMBEDDED").is_some();
    let has_kernel = is("CARGO_CFG_TARGET_OS", &["linux"]);
    // Those whose system calls the seccomp rules know.
    let has_rules = is("CARGO_CFG_TARGET_ARCH", &["x86_64", "aarch64"]);
    if wanted && has_kernel && has_rules {
        println!("cargo::rustc-cfg=embedded");
    }
}
