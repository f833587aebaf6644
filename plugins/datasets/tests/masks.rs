//! Masks as people have them: small odd files, written here, with the reading that is expected of each.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use fovea_api::registry::{BuildContext, DatasetPlugin as _};
use fovea_api::{DatasetSource, Mask, Registry};
use fovea_datasets::{BadImagePolicy, Folder, FolderConfig, Waterbirds, WaterbirdsConfig};
use image::{DynamicImage, GrayImage, Luma, Rgb, RgbImage};
use png::{BitDepth, ColorType};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const WIDTH: usize = 16;
const HEIGHT: usize = 12;
const BLACK: [u8; 3] = [0; 3];
const WHITE: [u8; 3] = [255; 3];

/// Where each region of the test's mask lies.
#[derive(Clone, Copy, PartialEq)]
enum Region {
    Outside,
    /// 30 pixels.
    Object,
    /// 24 pixels around the object.
    Outline,
    /// 6 pixels in a corner.
    Second,
}

fn region(at: usize) -> Region {
    let (x, y) = (at % WIDTH, at / WIDTH);
    match (x, y) {
        (4..9, 3..9) => Region::Object,
        (3..10, 2..10) => Region::Outline,
        (13.., 10..) => Region::Second,
        _ => Region::Outside,
    }
}

/// A number for each pixel, by region.
fn numbers(of: impl Fn(Region) -> u16) -> Vec<u16> {
    (0..WIDTH * HEIGHT).map(|at| of(region(at))).collect()
}

/// Outside, object, outline, second.
fn regions([outside, object, outline, second]: [u16; 4]) -> Vec<u16> {
    numbers(|region| match region {
        Region::Outside => outside,
        Region::Object => object,
        Region::Outline => outline,
        Region::Second => second,
    })
}

/// A PNG of numbers as they are; palettes and transparency where they are given.
fn png(colour: ColorType, depth: BitDepth, samples: &[u16], palette: &[[u8; 3]], trns: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, WIDTH as u32, HEIGHT as u32);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    if !palette.is_empty() {
        encoder.set_palette(palette.concat());
    }
    if !trns.is_empty() {
        encoder.set_trns(trns.to_vec());
    }
    let data: Vec<u8> = match depth {
        BitDepth::Sixteen => samples.iter().flat_map(|v| v.to_be_bytes()).collect(),
        depth => {
            let bits = depth as usize;
            let pack = |part: &[u16]| part.iter().fold(0, |byte, v| byte << bits | *v) as u8;
            samples.chunks(8 / bits).map(pack).collect()
        }
    };
    encoder.write_header().unwrap().write_image_data(&data).unwrap();
    bytes
}

fn grey(levels: [u16; 4]) -> Vec<u8> {
    png(ColorType::Grayscale, BitDepth::Eight, &regions(levels), &[], &[])
}

fn grey_of(depth: BitDepth, levels: [u16; 4]) -> Vec<u8> {
    png(ColorType::Grayscale, depth, &regions(levels), &[], &[])
}

/// Colours by region, and opacity where it is given.
fn coloured(colours: [[u8; 3]; 4], alpha: Option<[u8; 4]>) -> Vec<u8> {
    let index = regions([0, 1, 2, 3]);
    let pixel = |at: &u16| {
        let at = usize::from(*at);
        let colour = colours[at].map(u16::from).to_vec();
        colour.into_iter().chain(alpha.map(|alpha| u16::from(alpha[at]))).collect::<Vec<_>>()
    };
    let samples: Vec<u16> = index.iter().flat_map(pixel).collect();
    let colour = if alpha.is_some() { ColorType::Rgba } else { ColorType::Rgb };
    png(colour, BitDepth::Eight, &samples, &[], &[])
}

/// Pascal VOC's palette.
fn voc() -> Vec<[u8; 3]> {
    let bit = |index: u8, at: u32| index >> at & 1;
    let channel = |index: u8, first: u32| {
        (bit(index, first) << 7)
            | (bit(index, first + 3) << 6)
            | (u8::from(first < 2) * (bit(index.wrapping_shr(6), first) << 5))
    };
    (0..=255).map(|index| [0, 1, 2].map(|first| channel(index, first))).collect()
}

fn indexed(indices: [u16; 4], palette: &[[u8; 3]], trns: &[u8]) -> Vec<u8> {
    png(ColorType::Indexed, BitDepth::Eight, &regions(indices), palette, trns)
}

fn jpeg(image: impl Into<DynamicImage>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 75);
    image.into().write_with_encoder(encoder).unwrap();
    bytes
}

fn jpeg_grey(levels: [u16; 4]) -> Vec<u8> {
    let values = regions(levels);
    jpeg(GrayImage::from_fn(WIDTH as u32, HEIGHT as u32, |x, y| {
        Luma([values[y as usize * WIDTH + x as usize] as u8])
    }))
}

fn put(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn context() -> BuildContext {
    BuildContext {
        base_dir: PathBuf::from("/nowhere"),
        device: Default::default(),
        registry: Registry::new(),
    }
}

fn picture() -> Vec<u8> {
    jpeg(RgbImage::from_pixel(WIDTH as u32, HEIGHT as u32, Rgb([90, 80, 70])))
}

/// How `folder` reads a mask.
fn binary(mask: &[u8]) -> Result<Mask, String> {
    let dir = TempDir::new().unwrap();
    put(&dir.path().join("train/cat/a.jpg"), &picture());
    put(&dir.path().join("train-masks/cat/a.png"), mask);
    let config = FolderConfig { root: dir.path().to_owned(), on_bad_image: BadImagePolicy::Error };
    read(Folder::build(config, &context()).unwrap().as_ref())
}

/// How `waterbirds` reads a mask.
fn soft(mask: &[u8]) -> Result<Mask, String> {
    let dir = TempDir::new().unwrap();
    put(&dir.path().join("a.jpg"), &picture());
    put(&dir.path().join("segmentations/a.png"), mask);
    put(&dir.path().join("metadata.csv"), b"img_filename,y,split,place\na.jpg,0,0,0\n");
    let config =
        WaterbirdsConfig { root: dir.path().to_owned(), masks: None, on_bad_image: BadImagePolicy::Error };
    read(Waterbirds::build(config, &context()).unwrap().as_ref())
}

fn read(source: &dyn DatasetSource) -> Result<Mask, String> {
    source.load("train", 0).map(|sample| sample.mask.unwrap()).map_err(|e| e.to_string())
}

/// Which regions of a mask are object; each region is one or the other.
fn object(mask: &Mask) -> [bool; 4] {
    let all = [Region::Outside, Region::Object, Region::Outline, Region::Second];
    all.map(|wanted| {
        let mut own = (0..WIDTH * HEIGHT).filter(|at| region(*at) == wanted).map(|at| mask.pixels[at]);
        let first = own.next().unwrap();
        assert!([0, 255].contains(&first) && own.all(|v| v == first), "a region is torn");
        first == 255
    })
}

const ONLY_OBJECT: [bool; 4] = [false, true, false, false];
const BOTH: [bool; 4] = [false, true, false, true];
const ALL_DRAWN: [bool; 4] = [false, true, true, true];
const EMPTY: [bool; 4] = [false; 4];
const WHOLE: [bool; 4] = [true; 4];

fn both_read(mask: &[u8], expected: [bool; 4], what: &str) {
    assert_eq!(binary(mask).map(|mask| object(&mask)), Ok(expected), "folder: {what}");
    assert_eq!(soft(mask).map(|mask| object(&mask)), Ok(expected), "waterbirds: {what}");
}

/// The error names the file and each of these.
fn refused(read: Result<Mask, String>, said: &[&str]) {
    let message = read.map(|mask| object(&mask)).unwrap_err();
    assert!(message.contains("a.png") && said.iter().all(|s| message.contains(s)), "{said:?} in {message}");
}

fn both_refuse(mask: &[u8], said: &[&str]) {
    refused(binary(mask), said);
    refused(soft(mask), said);
}

#[test]
fn black_and_white_is_read_at_one_half() {
    both_read(&grey([0, 255, 0, 0]), ONLY_OBJECT, "0 and 255");
    both_read(&grey([0, 255, 128, 127]), [false, true, true, false], "levels between");
    both_read(&grey([20, 200, 20, 20]), ONLY_OBJECT, "grey rather than black and white");
    both_read(&grey([255, 0, 255, 255]), [true, false, true, true], "inverted is legal");
    both_read(&grey([0; 4]), EMPTY, "all black");
    both_read(&grey([255; 4]), WHOLE, "all white");
    both_read(&coloured([BLACK, WHITE, BLACK, BLACK], None), ONLY_OBJECT, "RGB");
    both_read(&grey_of(BitDepth::One, [0, 1, 0, 0]), ONLY_OBJECT, "one bit");
    both_read(&grey_of(BitDepth::Two, [0, 3, 2, 1]), [false, true, true, false], "two bits, levels");
    both_read(&grey_of(BitDepth::Sixteen, [0, 65535, 0, 0]), ONLY_OBJECT, "16 bits");
    both_read(&grey_of(BitDepth::Sixteen, [0, 255, 0, 0]), ONLY_OBJECT, "bytes in 16 bits");
    both_read(&grey_of(BitDepth::Sixteen, [0, 65535, 32768, 32767]), [false, true, true, false], "16 bits");
    both_read(&indexed([0, 1, 0, 0], &[BLACK, WHITE], &[]), ONLY_OBJECT, "a palette of black and white");
    both_read(&indexed([1, 0, 1, 1], &[WHITE, BLACK], &[]), ONLY_OBJECT, "a palette of white and black");
}

#[test]
fn ringing_is_no_ambiguity() {
    for read in [binary, soft] {
        let mask = read(&jpeg_grey([0, 255, 255, 0])).unwrap();
        assert_eq!(mask.tight_box().unwrap().to_array(), [3.0, 2.0, 10.0, 10.0]);
        // The same after somebody saved it as PNG.
        let rung = image::load_from_memory(&jpeg_grey([0, 255, 255, 0])).unwrap().into_luma8();
        assert!(rung.pixels().any(|p| ![0, 255].contains(&p.0[0])), "it does ring");
        let values: Vec<u16> = rung.into_raw().into_iter().map(u16::from).collect();
        let again = png(ColorType::Grayscale, BitDepth::Eight, &values, &[], &[]);
        assert_eq!(read(&again), Ok(mask));
    }
}

#[test]
fn zero_and_one_are_read_as_such() {
    for depth in [BitDepth::One, BitDepth::Two, BitDepth::Four, BitDepth::Eight, BitDepth::Sixteen] {
        both_read(&grey_of(depth, [0, 1, 0, 1]), BOTH, "0 and 1");
    }
    both_read(&coloured([BLACK, [1; 3], BLACK, BLACK], None), ONLY_OBJECT, "RGB");
    both_read(&grey([1; 4]), WHOLE, "all 1");
    both_read(&grey([0, 1, 255, 0]), ONLY_OBJECT, "void outline");
}

#[test]
fn class_numbers_in_grey_are_objects_where_that_is_certain() {
    let read = |levels| binary(&grey(levels)).map(|mask| object(&mask));
    assert_eq!(read([0, 15, 0, 0]), Ok(ONLY_OBJECT));
    assert_eq!(read([0, 15, 255, 2]), Ok(BOTH), "Pascal VOC's classes with void");
    assert_eq!(read([0, 2, 3, 20]), Ok(ALL_DRAWN));
    assert_eq!(binary(&grey_of(BitDepth::Two, [0, 1, 0, 2])).map(|mask| object(&mask)), Ok(BOTH));
    assert_eq!(binary(&grey_of(BitDepth::Four, [0, 5, 0, 7])).map(|mask| object(&mask)), Ok(BOTH));
    assert_eq!(
        binary(&grey_of(BitDepth::Sixteen, [0, 7, 0, 24_001])).map(|mask| object(&mask)),
        Ok(BOTH),
        "instances"
    );
    // Several annotators' levels are levels: none of these reaches one half.
    for levels in [[0, 51, 0, 0], [0, 102, 51, 0], [51; 4]] {
        assert_eq!(soft(&grey(levels)).map(|mask| object(&mask)), Ok(EMPTY), "{levels:?}");
    }
    assert_eq!(soft(&grey([0, 255, 51, 102])).map(|mask| object(&mask)), Ok(ONLY_OBJECT));
    assert_eq!(
        soft(&grey_of(BitDepth::Four, [0, 15, 3, 6])).map(|mask| object(&mask)),
        Ok(ONLY_OBJECT),
        "the same, optimised"
    );
    refused(soft(&grey_of(BitDepth::Two, [0, 1, 0, 2])), &["0, 1, 2 of 3"]);
    refused(soft(&grey([0, 15, 0, 2])), &["0, 2, 15 of 255", "too dark"]);
    // Oxford's pets: 1 is the object, 2 the background, 3 the outline.
    both_refuse(&grey([2, 1, 3, 3]), &["1, 2, 3"]);
    refused(binary(&grey([90; 4])), &["brightest pixel is 90", "white (255)"]);
    both_refuse(&grey([0, 12, 140, 0]), &["0, 12, 140", "class numbers"]);
    // 1 pixel in 100 a class, the rest of what is drawn white: object or void.
    let mut values = regions([0, 255, 255, 255]);
    values[0] = 7;
    let stray = png(ColorType::Grayscale, BitDepth::Eight, &values, &[], &[]);
    both_refuse(&stray, &["0, 7, 255", "cannot be told"]);
}

#[test]
fn a_faint_mask_of_many_levels_is_refused() {
    let values: Vec<u16> = (0..WIDTH * HEIGHT).map(|at| (at % 100) as u16).collect();
    let faint = png(ColorType::Grayscale, BitDepth::Eight, &values, &[], &[]);
    refused(binary(&faint), &["brightest pixel is 99 of 255"]);
    assert_eq!(soft(&faint).unwrap().tight_box(), None, "soft masks may be faint");
    refused(binary(&jpeg_grey([0, 90, 0, 0])), &["brightest pixel is", "of 255"]);
}

#[test]
fn palettes_are_read_by_index() {
    assert_eq!(voc()[1], [128, 0, 0]);
    assert_eq!(voc()[15], [192, 128, 128]);
    both_read(&indexed([0, 15, 255, 2], &voc(), &[]), BOTH, "classes with void");
    both_read(&indexed([0, 1, 255, 2], &voc(), &[]), BOTH, "instances with void");
    both_read(&indexed([0, 56, 0, 0], &voc(), &[]), ONLY_OBJECT, "index 56 is a dark grey");
    both_read(&indexed([0; 4], &voc(), &[]), EMPTY, "background only");
    both_read(&indexed([15; 4], &voc(), &[]), WHOLE, "one class only");
    let two = [[WHITE, [128, 0, 0]], [BLACK, [0, 0, 60]]];
    for palette in two {
        let packed = png(ColorType::Indexed, BitDepth::One, &regions([0, 1, 0, 1]), &palette, &[]);
        both_read(&packed, BOTH, "one bit");
    }
    let greys: Vec<[u8; 3]> = (0..=255).map(|v| [v; 3]).collect();
    both_read(&indexed([0, 255, 127, 128], &greys, &[]), BOTH, "a palette of greys");
    both_refuse(&indexed([0, 255, 0, 0], &voc(), &[]), &["0, 255", "void"]);
    both_refuse(&indexed([1, 2, 1, 1], &voc(), &[]), &["1, 2", "cannot be told"]);
    both_refuse(&indexed([1, 0, 1, 1], &[[255, 0, 0], BLACK], &[]), &["black at index 1"]);
    both_refuse(&indexed([0, 1, 0, 0], &[[128, 64, 128], [0, 0, 142]], &[]), &["index 0", "(128, 64, 128)"]);
}

#[test]
fn an_alpha_channel_that_varies_is_the_mask() {
    let alpha = Some([0, 255, 0, 0]);
    both_read(&coloured([WHITE; 4], alpha), ONLY_OBJECT, "white");
    both_read(&coloured([BLACK; 4], alpha), ONLY_OBJECT, "black");
    both_read(&coloured([[1, 2, 3], [90, 80, 70], [9, 9, 9], BLACK], alpha), ONLY_OBJECT, "cut out");
    both_read(&coloured([WHITE; 4], Some([0, 255, 200, 100])), [false, true, true, false], "soft edges");
    both_read(&coloured([WHITE; 4], Some([0, 90, 0, 0])), ONLY_OBJECT, "an overlay");
    for constant in [0, 128, 255] {
        let mask = coloured([BLACK, WHITE, BLACK, BLACK], Some([constant; 4]));
        both_read(&mask, ONLY_OBJECT, "constant alpha says nothing");
    }
    both_read(
        &coloured([BLACK, WHITE, BLACK, BLACK], Some([255, 254, 255, 255])),
        ONLY_OBJECT,
        "opaque enough",
    );
    let pairs: Vec<u16> = regions([0, 255, 0, 0]).into_iter().flat_map(|alpha| [77, alpha]).collect();
    both_read(
        &png(ColorType::GrayscaleAlpha, BitDepth::Eight, &pairs, &[], &[]),
        ONLY_OBJECT,
        "grey with alpha",
    );
    let deep: Vec<u16> = regions([0, 65535, 0, 0]).into_iter().flat_map(|alpha| [0, 0, 0, alpha]).collect();
    both_read(&png(ColorType::Rgba, BitDepth::Sixteen, &deep, &[], &[]), ONLY_OBJECT, "16 bits");
    both_read(
        &indexed([0, 1, 0, 2], &[WHITE, [9; 3], BLACK], &[0]),
        BOTH,
        "a transparent colour of a palette",
    );
    let keyed = png(ColorType::Grayscale, BitDepth::Eight, &regions([255, 0, 255, 0]), &[], &[0, 255]);
    both_read(&keyed, BOTH, "a transparent grey");
    let samples: Vec<u16> = regions([0, 9, 0, 8]).into_iter().flat_map(|v| [v, v, 7]).collect();
    let keyed = png(ColorType::Rgb, BitDepth::Eight, &samples, &[], &[0, 0, 0, 0, 0, 7]);
    both_read(&keyed, BOTH, "a transparent colour");
    both_refuse(&coloured([WHITE; 4], Some([0, 90, 30, 0])), &["0 to 90", "alpha"]);
    // Rotated, with transparent corners.
    both_refuse(
        &coloured([BLACK, WHITE, BLACK, BLACK], Some([255, 255, 255, 0])),
        &["alpha", "black and white"],
    );
}

#[test]
fn colours_on_black_are_objects() {
    for colour in [[255, 0, 0], [0, 0, 255], [128, 0, 0], [0, 60, 0]] {
        both_read(&coloured([BLACK, colour, BLACK, BLACK], None), ONLY_OBJECT, "one colour");
    }
    let void = [224, 224, 192];
    both_read(&coloured([BLACK, [192, 128, 128], void, [128, 0, 0]], None), BOTH, "a looked-up palette");
    both_refuse(
        &coloured([WHITE, [255, 0, 0], WHITE, WHITE], None),
        &["(255, 0, 0), (255, 255, 255)", "background"],
    );
    both_refuse(&coloured([BLACK, [255, 0, 0], WHITE, BLACK], None), &["(0, 0, 0)", "(255, 255, 255)"]);
    let values = regions([0, 255, 0, 0]);
    let red = RgbImage::from_fn(WIDTH as u32, HEIGHT as u32, |x, y| {
        Rgb([values[y as usize * WIDTH + x as usize] as u8, 0, 0])
    });
    for read in [binary, soft] {
        let found = read(&jpeg(red.clone())).unwrap().tight_box().unwrap().to_array();
        assert!(
            found.iter().zip([4.0, 3.0, 9.0, 9.0]).all(|(a, b)| (a - b).abs() <= 1.0),
            "red JPEG: {found:?}"
        );
    }
    let photo =
        RgbImage::from_fn(WIDTH as u32, HEIGHT as u32, |x, y| Rgb([(x * 15) as u8, (y * 20) as u8, 90]));
    both_refuse(&jpeg(photo), &["many colours"]);
}

/// Damage of every kind ends in a mask or in a message.
#[test]
fn no_damage_panics() {
    let files = [
        grey([0, 255, 7, 0]),
        grey_of(BitDepth::Two, [0, 1, 2, 3]),
        grey_of(BitDepth::Sixteen, [0, 7, 300, 65535]),
        indexed([0, 15, 255, 2], &voc(), &[0, 255]),
        coloured([BLACK, WHITE, [9, 8, 7], BLACK], Some([0, 255, 90, 0])),
        jpeg_grey([0, 255, 200, 0]),
    ];
    let dir = TempDir::new().unwrap();
    put(&dir.path().join("train/cat/a.jpg"), &picture());
    let mask = dir.path().join("train-masks/cat/a.png");
    put(&mask, &files[0]);
    let config = FolderConfig { root: dir.path().to_owned(), on_bad_image: BadImagePolicy::Error };
    let source = Folder::build(config, &context()).unwrap();
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % below
    };
    let mut read = 0;
    for round in 0..1_500 {
        let mut bytes = files[round % files.len()].clone();
        for _ in 0..=random(3) {
            let at = random(bytes.len());
            bytes[at] = random(256) as u8;
        }
        bytes.truncate(bytes.len() - random(2) * random(20));
        mend_checksums(&mut bytes);
        fs::write(&mask, &bytes).unwrap();
        match source.load("train", 0) {
            Ok(sample) => read += usize::from(sample.mask.unwrap().pixels.len() == WIDTH * HEIGHT),
            Err(error) => assert!(error.to_string().contains("a.png: "), "{error}"),
        }
    }
    assert!(read > 25, "some damage is to pixels only: {read}");
}

/// Gives every chunk of a PNG the checksum of what it holds now, so that damage gets past it.
fn mend_checksums(bytes: &mut [u8]) {
    let mut at = 8;
    while let Some(head) = bytes.get(at..at + 4) {
        let end = at + 8 + u32::from_be_bytes(head.try_into().unwrap()) as usize;
        let Some(sum) = bytes.get(at + 4..end).map(crc) else { return };
        let Some(place) = bytes.get_mut(end..end + 4) else { return };
        place.copy_from_slice(&sum.to_be_bytes());
        at = end + 4;
    }
}

/// The checksum of a PNG's chunk.
fn crc(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        (0..8).for_each(|_| crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 });
    }
    !crc
}

#[test]
fn what_claims_gigapixels_or_is_torn_is_named() {
    let mut bomb = grey([0, 255, 0, 0]);
    // The width in the header.
    bomb[16..20].copy_from_slice(&1_000_000_000_u32.to_be_bytes());
    mend_checksums(&mut bomb);
    both_refuse(&bomb, &["1000000000 x 12"]);
    let whole = grey([0, 255, 0, 0]);
    both_refuse(&whole[..whole.len() - 20], &["cannot be decoded"]);
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("bomb.png");
    put(&path, &bomb);
    let message = fovea_datasets::decode_picture(&path).unwrap_err().to_string();
    assert!(message.contains("bomb.png") && message.contains("1000000000 x 12"), "{message}");
}
