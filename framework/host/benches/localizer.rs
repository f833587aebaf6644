//! What a call across the boundary costs: a localizer that does nothing, on pictures of 224x224, for which the pixels are
//! not copied; and one that looks at every pixel. `cargo bench -p fovea-host`

use burn::tensor::Device;
use divan::{Bencher, counter::ItemsCount};
use fovea_api::registry::BuildContext;
use fovea_api::{ImageView, Localizer, Registry, RgbImage};
use fovea_host::guard::Limits;
use fovea_host::{Search, load};
use std::path::{Path, PathBuf};
use std::process::Command;

const PICTURES: usize = 64;
const SIDE: usize = 224;

fn main() {
    divan::main();
}

/// The localizer of a library in `tests/fixtures/plugins`.
fn localizer(source: &str, name: &str, limits: Limits) -> Box<dyn Localizer> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let out: PathBuf = std::env::temp_dir().join(format!("fovea-bench-{source}-{}.so", std::process::id()));
    let cc = Command::new("cc")
        .args(["-shared", "-fPIC", "-O3", "-I"])
        .arg(root.join("framework/abi/include"))
        .arg(root.join(format!("tests/fixtures/plugins/{source}.c")))
        .arg("-o")
        .arg(&out)
        .status();
    assert!(cc.is_ok_and(|status| status.success()), "{source}.c compiles");
    let mut registry = Registry::new();
    let search = Search { paths: vec![out], surroundings: false, prober: None, limits };
    load(&search, &mut registry).expect("the library loads");
    let context = BuildContext { base_dir: root, device: Device::flex(), registry: registry.clone() };
    registry.build_localizer(name, serde_json::json!({}), &context).expect("the localizer is made")
}

fn run(bencher: Bencher<'_, '_>, localizer: &dyn Localizer) {
    let image = RgbImage { width: SIDE, height: SIDE, pixels: vec![200; SIDE * SIDE * 3] };
    let views: Vec<ImageView<'_>> = (0..PICTURES)
        .map(|index| ImageView { id: "a", split: "train", index, image: &image, mask: None })
        .collect();
    bencher.counter(ItemsCount::new(PICTURES)).bench_local(|| localizer.localize(&views));
}

/// `wild.c` as it should be: one box, without looking.
#[divan::bench]
fn nothing(bencher: Bencher<'_, '_>) {
    run(bencher, localizer("wild", "wild", Limits::default()).as_ref());
}

/// The same, with memory unwatched.
#[divan::bench]
fn nothing_unwatched(bencher: Bencher<'_, '_>) {
    run(bencher, localizer("wild", "wild", Limits { memory: None, ..Limits::default() }).as_ref());
}

/// `good.c`: looks at every pixel, two pictures a call.
#[divan::bench]
fn every_pixel(bencher: Bencher<'_, '_>) {
    run(bencher, localizer("good", "green-box", Limits::default()).as_ref());
}
