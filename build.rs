//! Lets every binary of this package find libtorch at run time, wherever cargo put the binary.

fn main() {
    // A new migration must be seen by sqlx::migrate!().
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=static");
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    // Beside an installed binary first (bin/shamisen, lib/torch/lib), then the checkout's own deps/.
    println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/../lib/torch/lib");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{root}/deps/libtorch/lib");
}
