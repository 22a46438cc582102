//! Lets every binary of this package find libtorch at run time, wherever cargo put the binary.

fn main() {
    // A new migration must be seen by sqlx::migrate!().
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=static");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    let libtorch = std::env::var("LIBTORCH").unwrap_or_default();
    println!("cargo:rustc-env=SHAMISEN_LIBTORCH={}", version(&libtorch).unwrap_or("unknown".to_owned()));
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    // Beside an installed binary first (bin/shamisen, lib/torch/lib), then the checkout's own deps/.
    println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/../lib/torch/lib");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{root}/deps/libtorch/lib");
}

/// libtorch's version, as its header has it: a model's card names it.
fn version(libtorch: &str) -> Option<String> {
    let header = std::fs::read_to_string(format!("{libtorch}/include/torch/headeronly/version.h")).ok()?;
    let part = |name: &str| {
        let line = header.lines().find_map(|line| line.strip_prefix("#define TORCH_VERSION_")?.strip_prefix(name));
        line.map(str::trim)
    };
    Some(format!("{}.{}.{}", part("MAJOR ")?, part("MINOR ")?, part("PATCH ")?))
}
