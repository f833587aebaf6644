//! `include/fovea_plugin.h` and `fovea_abi::raw` describe the same bytes: a C program prints what the header says.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use fovea_abi::raw::*;
use std::fmt::Write as _;
use std::mem::{align_of, offset_of, size_of};
use std::path::{Path, PathBuf};
use std::process::Command;

fn header() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("include")
}

/// Compiles; `false` where there is no such compiler.
fn compile(compiler: &str, arguments: &[&str], source: &Path, output: &Path) -> bool {
    let mut command = Command::new(compiler);
    command.args(arguments).arg("-I").arg(header()).arg(source).arg("-o").arg(output);
    let Ok(result) = command.output() else {
        println!("skipped: there is no {compiler}");
        return false;
    };
    assert!(
        result.status.success(),
        "{compiler} {arguments:?}:\n{}",
        String::from_utf8_lossy(&result.stderr)
    );
    true
}

/// A C program that prints a line per name, and the lines that Rust expects.
struct Twins {
    c: String,
    rust: String,
}

impl Twins {
    fn line(&mut self, name: &str, c: &str, rust: u64) {
        writeln!(self.c, r#"    printf("{name} %llu\n", (unsigned long long)({c}));"#).unwrap();
        writeln!(self.rust, "{name} {rust}").unwrap();
    }
}

macro_rules! compare {
    ($twins:ident: $($name:ident { $($member:ident),+ })+) => { $(
        let text = stringify!($name);
        $twins.line(&format!("{text}.size"), &format!("sizeof({text})"), size_of::<$name>() as u64);
        let alignment = format!("offsetof(struct {{ char c; {text} it; }}, it)");
        $twins.line(&format!("{text}.alignment"), &alignment, align_of::<$name>() as u64);
        $(
            let member = stringify!($member);
            let in_c = if text == "FoveaNote" && member == "kind" { "type" } else { member };
            $twins.line(&format!("{text}.{member}"), &format!("offsetof({text}, {in_c})"), offset_of!($name, $member) as u64);
        )+
        // All members are there: a struct pattern without `..` would not compile otherwise.
        let _ = |it: $name| { let $name { $($member: _),+ } = it; };
    )+ };
}

macro_rules! constants {
    ($twins:ident: $($name:ident)+) => { $(
        $twins.line(stringify!($name), stringify!($name), $name as u64);
    )+ };
}

fn twins() -> Twins {
    let mut twins = Twins { c: String::new(), rust: String::new() };
    compare! { twins:
        FoveaStr { ptr, len }
        FoveaError { size, item, message, capacity, length }
        FoveaSink { size, context, write }
        FoveaTensor { size, data, dtype, ndim, shape, strides }
        FoveaHost { size, abi_major, abi_minor, version, context, log, get_extension }
        FoveaImage { size, pixels, mask, id, split, index }
        FoveaLocalization { size, x1, y1, x2, y2, confidence, reserved, mask }
        FoveaLocalizationSink { size, context, found }
        FoveaLocalizer { size, flags, batch, localize }
        FoveaBoxes { size, hard, differentiable, valid }
        FoveaExtractor { size, flags, reserved, extract, vjp }
        FoveaExplanation { size, count, height, width, boxes, targets, heatmaps, masks, valid, upstream }
        FoveaLossValue { size, values, boxes_gradient, heatmaps_gradient }
        FoveaLoss { size, flags, reserved, evaluate }
        FoveaModelRequest { size, channels, height, width, classes }
        FoveaModel { size, flags, reserved, graph }
        FoveaPlugin {
            size, kind, reserved, name, version, summary, config_schema, path_keys, path_key_count, resolve, create,
            destroy, get_extension, localizer, extractor, loss, model
        }
        FoveaLibrary { size, abi_major, abi_minor, plugins, count }
        FoveaNote { name_size, description_size, kind, name, abi_major, abi_minor, kinds, reserved }
    }
    constants! { twins:
        FOVEA_ABI_MAJOR FOVEA_ABI_MINOR
        FOVEA_OK FOVEA_ERROR FOVEA_BAD_CONFIG FOVEA_PANIC FOVEA_UNSUPPORTED
        FOVEA_LOCALIZER FOVEA_EXTRACTOR FOVEA_LOSS FOVEA_MODEL
        FOVEA_U8 FOVEA_F32
        FOVEA_WANTS_MASKS FOVEA_WANTS_BOXES FOVEA_WANTS_HEATMAPS FOVEA_SCALES_GRADIENTS
    }
    let note = FoveaNote::new(5);
    // SAFETY: a note has no padding: 7 words of 4 bytes and 8 bytes of name.
    let bytes: [u8; size_of::<FoveaNote>()] = unsafe { std::mem::transmute(note) };
    for (i, byte) in bytes.into_iter().enumerate() {
        let c = format!("((const unsigned char *)&fovea_note)[{i}]");
        twins.line(&format!("note {i}"), &c, byte.into());
    }
    twins
}

#[test]
fn header_and_rust_agree() {
    let dir = tempfile::tempdir().unwrap();
    let (source, program) = (dir.path().join("layout.c"), dir.path().join("layout"));
    let twins = twins();
    let code = format!(
        "#include <fovea_plugin.h>\nFOVEA_NOTE(FOVEA_LOCALIZER + FOVEA_LOSS);\nint main(void) {{\n{}    return 0;\n}}\n",
        twins.c
    );
    std::fs::write(&source, code).unwrap();
    if !compile("cc", &["-std=c11"], &source, &program) {
        return;
    }
    let printed = Command::new(&program).output().unwrap();
    assert!(printed.status.success());
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), twins.rust);
    assert!(twins.rust.lines().count() > 150);
}

/// A plugin that uses what the header offers, in the common subset of C99 and C++11.
const SMALLEST: &str = r#"
#include <fovea_plugin.h>
static FoveaStatus localize(FoveaInstance *self, const FoveaImage *const *images, size_t count,
                            const FoveaLocalizationSink *sink, FoveaError *error) {
    (void)self; (void)images; (void)sink;
    return fovea_fail(error, -1, "%d pictures are too many", (int)count);
}
static FoveaStatus create(FoveaStr config, FoveaStr base_dir, FoveaInstance **instance, FoveaError *error) {
    (void)config; (void)base_dir; (void)instance; (void)error;
    return FOVEA_OK;
}
static void destroy(FoveaInstance *self) { (void)self; }
static const FoveaLocalizer localizer = {sizeof(FoveaLocalizer), 0, 1, localize};
static const FoveaPlugin plugin = {
    sizeof(FoveaPlugin), FOVEA_LOCALIZER, 0, FOVEA_STR("none"), FOVEA_STR("1"), FOVEA_STR("Nothing."), FOVEA_STR(""),
    NULL, 0, NULL, create, destroy, NULL, &localizer, NULL, NULL, NULL,
};
static const FoveaPlugin *const plugins[] = {&plugin};
static const FoveaLibrary library = {sizeof(FoveaLibrary), FOVEA_ABI_MAJOR, FOVEA_ABI_MINOR, plugins, 1};
FOVEA_NOTE(FOVEA_LOCALIZER);
#ifdef __cplusplus
extern "C"
#endif
FOVEA_EXPORT FoveaStatus fovea_plugin_entry(const FoveaHost *host, const FoveaLibrary **out, FoveaError *error);
FOVEA_EXPORT FoveaStatus fovea_plugin_entry(const FoveaHost *host, const FoveaLibrary **out, FoveaError *error) {
    (void)host; (void)error;
    *out = &library;
    return FOVEA_OK;
}
"#;

#[test]
fn the_header_is_c99_and_cpp11_without_warnings() {
    let dir = tempfile::tempdir().unwrap();
    let strict = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-shared", "-fPIC"];
    for (compiler, standard, name) in [
        ("gcc", "-std=c99", "c99.c"),
        ("gcc", "-std=c17", "c17.c"),
        ("g++", "-std=c++11", "cpp11.cpp"),
        ("g++", "-std=c++20", "cpp20.cpp"),
        ("clang", "-std=c99", "clang.c"),
    ] {
        let source = dir.path().join(name);
        std::fs::write(&source, SMALLEST).unwrap();
        let library = source.with_extension("so");
        compile(compiler, &[&strict[..], &[standard]].concat(), &source, &library);
        // Somebody who includes it without using anything gets no warning either.
        std::fs::write(&source, "#include <fovea_plugin.h>\nint nothing(void);\n").unwrap();
        compile(compiler, &[&strict[..], &[standard]].concat(), &source, &library);
    }
}
