//! The functions of each kind.

use super::{Array, Failure, Instance, sample, sink, text};
use crate::raw::*;
use std::ffi::c_void;
use std::ptr::{null, null_mut};

type Found = Vec<(usize, [f32; 4], Option<Vec<u8>>)>;

unsafe extern "C" fn found(context: *mut c_void, item: usize, it: *const FoveaLocalization) -> FoveaStatus {
    // SAFETY: the context is a `Found`, and the localization lives for the call.
    let (all, it) = unsafe { (&mut *context.cast::<Found>(), &*it) };
    assert_eq!((it.size, it.reserved, it.confidence), (size_of::<FoveaLocalization>(), 0, 1.0));
    let mask = (!it.mask.is_null()).then(|| {
        // SAFETY: it lives for the call and is what it says.
        let mask = unsafe { crate::view::View::<u8, 2>::from_raw(it.mask, "mask") };
        mask.unwrap_or_else(|_| unreachable!()).contiguous().into_owned()
    });
    all.push((item, [it.x1, it.y1, it.x2, it.y2], mask));
    FOVEA_OK
}

unsafe extern "C" fn enough(_: *mut c_void, _: usize, _: *const FoveaLocalization) -> FoveaStatus {
    42
}

/// Localizes `count` pictures of 4 x 3 pixels, red but for a column on the left and `i` rows at the top.
fn localize(instance: &Instance, count: usize) -> (FoveaStatus, Found, i64, String) {
    let pictures: Vec<Vec<u8>> = (0..count)
        .map(|i| (0..36).map(|b| u8::from(b % 3 == 0 && b / 3 % 4 > 0 && b / 12 >= i) * 200).collect())
        .collect();
    let mask = [0u8, 0, 0, 0, 0, 1, 1, 1, 0, 1, 1, 1];
    let mask = Array::new(&mask, [3, 4]);
    let tensors: Vec<_> = pictures.iter().map(|p| Array::new(p, [3, 4, 3])).collect();
    let images: Vec<FoveaImage> = tensors
        .iter()
        .enumerate()
        .map(|(i, pixels)| FoveaImage {
            size: size_of::<FoveaImage>(),
            pixels: pixels.raw(),
            mask: if i == 1 { mask.raw() } else { null() },
            id: text("a picture"),
            split: text("test"),
            index: i as u64,
        })
        .collect();
    let pointers: Vec<*const FoveaImage> = images.iter().map(|i| &raw const *i).collect();
    let (mut all, mut failure) = (Found::new(), Failure::new(200));
    let sink = FoveaLocalizationSink {
        size: size_of::<FoveaLocalizationSink>(),
        context: (&raw mut all).cast(),
        found: Some(found),
    };
    let images = if count == 0 { null() } else { pointers.as_ptr() };
    // SAFETY: all pointers are good.
    let status = unsafe {
        let localize = (*instance.plugin.localizer).localize.unwrap();
        localize(instance.raw, images, count, &raw const sink, failure.raw())
    };
    (status, all, failure.raw.item, failure.text())
}

#[test]
fn localizers() {
    let instance = Instance::new("bright", "{}");
    let (status, found, _, message) = localize(&instance, 4);
    assert_eq!(status, FOVEA_OK, "{message}");
    let mask = vec![0u8, 0, 0, 0, 0, 1, 1, 1, 0, 1, 1, 1];
    assert_eq!(
        found,
        [
            (0, [1.0, 0.0, 4.0, 3.0], None),
            (1, [1.0, 1.0, 4.0, 3.0], Some(mask)),
            (2, [1.0, 2.0, 4.0, 3.0], None),
        ]
    );
    assert_eq!(localize(&instance, 0).0, FOVEA_OK);
    assert!(sample::LINES.lock().unwrap().contains(&(4, "a picture of test".to_owned())));
}

#[test]
fn what_a_localizer_gets_wrong() {
    let fails = |fault: &str| {
        let instance = Instance::new("bright", &format!(r#"{{"fault": "{fault}"}}"#));
        let (status, _, item, message) = localize(&instance, 3);
        assert_eq!(status, FOVEA_ERROR);
        (item, message)
    };
    assert_eq!(fails("error"), (1, "äöü".repeat(10)));
    assert_eq!(fails("count"), (-1, "0 answers for 3 pictures".to_owned()));
    assert!(fails("box").1.contains("does not lie in the picture of 4 x 3 pixels"));
    assert!(fails("nan").1.contains("[NaN, 0, 1, 1]"));
    assert!(fails("mask").1.contains("has 3 values"));
    assert!(fails("confidence").1.contains("not NaN"));
}

#[test]
fn an_instance_that_panicked_is_done_for() {
    let instance = Instance::new("bright", r#"{"fault": "panic"}"#);
    let (status, _, item, message) = localize(&instance, 1);
    assert_eq!((status, item), (FOVEA_PANIC, -1));
    assert!(message.contains("sample.rs:") && message.ends_with("at a picture"), "{message}");
    let (status, _, _, message) = localize(&instance, 1);
    assert_eq!(status, FOVEA_PANIC);
    assert!(message.contains("earlier call"), "{message}");
    let odd = Instance::new("bright", r#"{"fault": "payload"}"#);
    assert!(localize(&odd, 1).3.ends_with("no message"));
}

#[test]
fn messages_are_cut_at_a_character() {
    let instance = Instance::new("bright", r#"{"fault": "error"}"#);
    let bytes = [0u8; 3];
    let pixels = Array::new(&bytes, [1, 1, 3]);
    let image = FoveaImage {
        size: size_of::<FoveaImage>(),
        pixels: pixels.raw(),
        mask: null(),
        id: text(""),
        split: text(""),
        index: 1,
    };
    let sink = FoveaLocalizationSink {
        size: size_of::<FoveaLocalizationSink>(),
        context: null_mut(),
        found: Some(enough),
    };
    // SAFETY: a table of a description lives until the process ends.
    let localize = unsafe { (*instance.plugin.localizer).localize.unwrap() };
    for (capacity, expected) in [(5, "äö"), (4, "äö"), (1, ""), (0, "")] {
        let mut failure = Failure::new(capacity);
        let images = [&raw const image];
        // SAFETY: all pointers are good.
        let status = unsafe { localize(instance.raw, images.as_ptr(), 1, &raw const sink, failure.raw()) };
        assert_eq!((status, failure.text().as_str(), failure.raw.item), (FOVEA_ERROR, expected, 0));
    }
    // An error without a buffer, and one from before this version, which is left alone.
    let mut failure = Failure::new(9);
    failure.raw.message = null_mut();
    // SAFETY: null or good.
    let status = unsafe { localize(instance.raw, null(), 1, &raw const sink, failure.raw()) };
    assert_eq!((status, failure.raw.length), (FOVEA_ERROR, 0));
    let mut failure = Failure::new(9);
    failure.raw.size = 8;
    // SAFETY: null or good.
    let status = unsafe { localize(null_mut(), null(), 0, &raw const sink, failure.raw()) };
    assert_eq!((status, failure.raw.length), (FOVEA_ERROR, 0));
}

#[test]
fn a_sink_that_has_enough() {
    let instance = Instance::new("bright", "{}");
    let bytes = [200u8; 3];
    let pixels = Array::new(&bytes, [1, 1, 3]);
    let mut image = FoveaImage {
        size: size_of::<FoveaImage>(),
        pixels: pixels.raw(),
        mask: null(),
        id: text(""),
        split: text(""),
        index: 0,
    };
    let call = |image: &FoveaImage, found| {
        let mut failure = Failure::new(99);
        let sink =
            FoveaLocalizationSink { size: size_of::<FoveaLocalizationSink>(), context: null_mut(), found };
        let images = [&raw const *image];
        // SAFETY: all pointers are good.
        let status = unsafe {
            let localize = (*instance.plugin.localizer).localize.unwrap();
            localize(instance.raw, images.as_ptr(), 1, &raw const sink, failure.raw())
        };
        (status, failure.text())
    };
    assert_eq!(call(&image, Some(enough)), (42, String::new()));
    assert_eq!(call(&image, None).0, FOVEA_ERROR);
    // Pictures that cannot be.
    let mask = Array::new(&bytes, [1, 3]);
    image.mask = mask.raw();
    assert!(call(&image, Some(enough)).1.contains("size of its picture"));
    image.pixels = null();
    assert!(call(&image, Some(enough)).1.contains("no picture"));
    let grey = Array::new(&bytes, [1, 3, 1]);
    image.pixels = grey.raw();
    assert!(call(&image, Some(enough)).1.contains("1 channels"));
    image.size = 8;
    assert!(call(&image, Some(enough)).1.contains("8 bytes"));
}

#[test]
fn extractors_and_their_gradients() {
    let instance = Instance::new("sum", "{}");
    // Three heatmaps of 2 x 2, in columns.
    let values = [1.0f32, 0.0, 2.0, 1.0, 0.0, 2.0, 1.0, 0.0, 2.0, 1.0, 0.0, 2.0];
    let maps = Array::strided(&values, 0, [3, 2, 2], [1, 6, 3]);
    let (mut hard, mut soft, mut valid) = ([0f32; 12], [0f32; 12], [0u8; 3]);
    let mut boxes = FoveaBoxes {
        size: size_of::<FoveaBoxes>(),
        hard: hard.as_mut_ptr(),
        differentiable: soft.as_mut_ptr(),
        valid: valid.as_mut_ptr(),
    };
    let mut failure = Failure::new(99);
    // SAFETY: a table of a description lives until the process ends.
    let table = unsafe { &*instance.plugin.extractor };
    // SAFETY: all pointers are good.
    let status = unsafe { table.extract.unwrap()(instance.raw, maps.raw(), &raw const boxes, failure.raw()) };
    assert_eq!(status, FOVEA_OK, "{}", failure.text());
    assert_eq!(valid, [1, 0, 1]);
    assert_eq!(hard, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
    assert_eq!(soft, [0.0, 0.0, 4.0, 8.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 8.0, 16.0]);

    // Hard boxes only.
    boxes.differentiable = null_mut();
    // SAFETY: all pointers are good.
    let status = unsafe { table.extract.unwrap()(instance.raw, maps.raw(), &raw const boxes, failure.raw()) };
    assert_eq!(status, FOVEA_OK);
    boxes.valid = null_mut();
    // SAFETY: null or good.
    let status = unsafe { table.extract.unwrap()(instance.raw, maps.raw(), &raw const boxes, failure.raw()) };
    assert_eq!((status, failure.text().contains("validity")), (FOVEA_ERROR, true));

    let upstream = [0.0, 0.0, 1.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0f32];
    let upstream = Array::new(&upstream, [3, 4]);
    let mut gradient = [0f32; 12];
    let vjp = |upstream: *const FoveaTensor, gradient: *mut f32| {
        let mut failure = Failure::new(99);
        // SAFETY: null or good.
        unsafe { table.vjp.unwrap()(instance.raw, maps.raw(), upstream, gradient, failure.raw()) }
    };
    assert_eq!(vjp(upstream.raw(), gradient.as_mut_ptr()), FOVEA_OK);
    assert_eq!(gradient, [2.0, 2.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0, 2.0, 2.0, 2.0, 2.0]);
    assert_eq!(vjp(upstream.raw(), null_mut()), FOVEA_ERROR);
    assert_eq!(vjp(maps.raw(), gradient.as_mut_ptr()), FOVEA_ERROR);

    // No heatmaps at all, and heatmaps without pixels.
    for shape in [[0, 2, 2], [3, 0, 2]] {
        let none = Array::new(&[0f32; 0], shape);
        let (mut hard, mut valid) = ([0f32; 12], [0u8; 3]);
        let boxes = FoveaBoxes {
            size: size_of::<FoveaBoxes>(),
            hard: hard.as_mut_ptr(),
            differentiable: null_mut(),
            valid: valid.as_mut_ptr(),
        };
        // SAFETY: all pointers are good.
        let status =
            unsafe { table.extract.unwrap()(instance.raw, none.raw(), &raw const boxes, failure.raw()) };
        assert_eq!((status, valid), (FOVEA_OK, [0, 0, 0]));
    }
}

#[test]
fn losses() {
    let instance = Instance::new("square", "{}");
    let boxes = [0.0f32, 0.0, 3.0, 1.0, 9.0, 9.0, 9.0, 9.0, 0.0, 0.0, 2.0, 1.0];
    let boxes = Array::new(&boxes, [3, 4]);
    let targets = [0.0f32; 4];
    let targets = Array::strided(&targets, 0, [3, 4], [0, 1]);
    let maps = [0.5f32; 6];
    let maps = Array::new(&maps, [3, 1, 2]);
    let (valid, upstream) = ([1u8, 0, 1], [0.5f32, 0.0, 0.25]);
    let mut seen = FoveaExplanation {
        size: size_of::<FoveaExplanation>(),
        count: 3,
        height: 1,
        width: 2,
        boxes: boxes.raw(),
        targets: targets.raw(),
        heatmaps: maps.raw(),
        masks: null(),
        valid: valid.as_ptr(),
        upstream: upstream.as_ptr(),
    };
    let evaluate = |seen: &FoveaExplanation, gradients: bool| {
        let (mut values, mut to_boxes, mut to_maps) = ([0f32; 3], [0f32; 12], [0f32; 6]);
        let pointer = |gradient: &mut [f32]| if gradients { gradient.as_mut_ptr() } else { null_mut() };
        let out = FoveaLossValue {
            size: size_of::<FoveaLossValue>(),
            values: values.as_mut_ptr(),
            boxes_gradient: pointer(&mut to_boxes),
            heatmaps_gradient: pointer(&mut to_maps),
        };
        let mut failure = Failure::new(99);
        // SAFETY: null or good.
        let status = unsafe {
            let table = &*instance.plugin.loss;
            table.evaluate.unwrap()(instance.raw, &raw const *seen, &raw const out, failure.raw())
        };
        (status, values, to_boxes, to_maps, failure.text())
    };
    let expected = [0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0];
    let (status, values, to_boxes, to_maps, message) = evaluate(&seen, true);
    assert_eq!(status, FOVEA_OK, "{message}");
    assert_eq!((values, to_boxes, to_maps), ([9.5, 0.0, 4.5], expected, [0.5, 0.5, 0.0, 0.0, 0.25, 0.25]));
    let (status, values, to_boxes, ..) = evaluate(&seen, false);
    assert_eq!((status, values, to_boxes), (FOVEA_OK, [9.5, 0.0, 4.5], [0.0; 12]));
    seen.masks = maps.raw();
    seen.upstream = null();
    let (_, values, to_boxes, ..) = evaluate(&seen, true);
    assert_eq!((values, to_boxes[2]), ([10.0, 0.0, 5.0], 6.0));

    seen.masks = boxes.raw();
    assert!(evaluate(&seen, true).4.contains("dimensions"));
    seen.masks = null();
    seen.heatmaps = null();
    assert!(evaluate(&seen, true).4.contains("no heatmaps"));
    seen.heatmaps = maps.raw();
    seen.width = 3;
    assert!(evaluate(&seen, true).4.contains("shape [3, 1, 2], not [3, 1, 3]"));
    seen.width = 2;
    seen.count = 2;
    assert!(evaluate(&seen, true).4.contains("shape [3, 4], not [2, 4]"));
    seen.count = 3;
    seen.valid = null();
    assert!(evaluate(&seen, true).4.contains("validity"));
    seen.boxes = null();
    assert!(evaluate(&seen, true).4.contains("no predicted boxes"));
    seen.size = 8;
    assert!(evaluate(&seen, true).4.contains("8 bytes"));
}

#[test]
fn models() {
    let instance = Instance::new("linear", "{}");
    let (mut all, mut failure) = (String::new(), Failure::new(99));
    let sink = sink(&mut all);
    let request = FoveaModelRequest {
        size: size_of::<FoveaModelRequest>(),
        channels: 3,
        height: 8,
        width: 9,
        classes: 10,
    };
    // SAFETY: all pointers are good.
    let status = unsafe {
        let graph = (*instance.plugin.model).graph.unwrap();
        graph(instance.raw, &raw const request, &raw const sink, failure.raw())
    };
    assert_eq!((status, all.as_str()), (FOVEA_OK, r#"{"layers":[{"op":"linear","units":10}]}"#));
}
