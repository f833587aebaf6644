//! Calls of plugins with inputs that lie anywhere in memory, and answers as rows of numbers. The main function is [`ask`].

use super::arrays::{Buffer, Layout, Lent, Place};
use super::input::{Input, Picture, Seen};
use crate::call::{Failure, Instance, Written, str_of};
use crate::library::Functions;
use crate::localizer::{Answers, raw_image};
use crate::loss::Arrays;
use fovea_abi::raw::{
    FOVEA_ERROR, FOVEA_SCALES_GRADIENTS, FOVEA_WANTS_BOXES, FOVEA_WANTS_HEATMAPS, FOVEA_WANTS_MASKS,
    FoveaBoxes, FoveaExtractor, FoveaImage, FoveaLocalization, FoveaLocalizationSink, FoveaLocalizer,
    FoveaLoss, FoveaLossValue, FoveaModel, FoveaModelRequest, FoveaSink, FoveaStatus, FoveaStr, FoveaTensor,
};
use fovea_api::{ImageView, Localization};
use std::ffi::c_void;
use std::ptr;

/// How an input is handed over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) layout: Layout,
    pub(super) place: Place,
    /// What pictures are said to be and to come from.
    pub(super) origin: (&'static str, usize),
}

/// As the host itself does it.
pub(super) const ORDINARY: Manner = Manner { layout: Layout::Plain, place: Place::Heap, origin: ("test", 0) };

/// Value of the fences around buffers of numbers.
const FENCE: f32 = -12_345.5;

/// The answer to `input`, a row for each item, after checking that it can be right. What the numbers are is up to the
/// kind: [`crate::check::answers`] compares them only.
pub(super) fn ask(
    instance: &Instance,
    functions: Functions,
    input: &Input,
    manner: Manner,
) -> Result<Vec<Vec<f32>>, String> {
    match (functions, input) {
        (Functions::Localizer(functions), Input::Pictures(pictures)) => {
            let found = localize(instance, functions, pictures, manner)?;
            Ok(found.iter().map(|found| found.as_ref().map_or_else(Vec::new, row)).collect())
        }
        (Functions::Extractor(functions), Input::Heatmaps(values, shape)) => {
            let boxes = extract(instance, functions, values, *shape, true, manner)?;
            let gradient: Vec<f32> = (0..shape[0] * 4)
                .map(|i| if boxes.valid[i / 4] { (i % 4 + 1) as f32 * 0.25 } else { 0.0 })
                .collect();
            let back = vjp(instance, functions, values, *shape, &gradient, manner)?.unwrap_or_default();
            let size = if back.is_empty() { 0 } else { shape[1] * shape[2] };
            let row = |item: usize| {
                let edges = item * 4..item * 4 + 4;
                let mut row = vec![f32::from(u8::from(boxes.valid[item]))];
                if boxes.valid[item] {
                    row.extend(&boxes.hard[edges.clone()]);
                    row.extend(&boxes.differentiable[edges]);
                    row.extend(&back[item * size..(item + 1) * size]);
                }
                row
            };
            Ok((0..shape[0]).map(row).collect())
        }
        (Functions::Loss(functions), Input::Seen(seen)) => {
            let loss = evaluate(instance, functions, seen, manner)?;
            let n = seen.shape[0];
            let row = |item: usize| {
                let of = |values: &[f32]| {
                    let size = values.len() / n.max(1);
                    values[item * size..(item + 1) * size].to_vec()
                };
                [vec![loss.values[item]], of(&loss.boxes), of(&loss.heatmaps)].concat()
            };
            Ok((0..n).map(row).collect())
        }
        (Functions::Model(functions), Input::Request(side, classes)) => {
            let text = graph(instance, functions, *side, *classes)?;
            Ok(vec![text.bytes().map(f32::from).collect()])
        }
        _ => Err("inputs of another kind; this is a mistake of the suite".to_owned()),
    }
}

fn row(found: &Localization) -> Vec<f32> {
    let place = found.bbox;
    let mut row = vec![place.x1, place.y1, place.x2, place.y2, found.confidence];
    row.extend(found.mask.iter().flat_map(|mask| mask.pixels.iter().map(|pixel| f32::from(*pixel))));
    row
}

fn counted(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// What failed, in words.
fn failed(Failure { item, message, .. }: Failure) -> String {
    let about = item.map_or_else(String::new, |item| format!("item {item}: "));
    format!("{about}{message}")
}

fn localize(
    instance: &Instance,
    functions: &'static FoveaLocalizer,
    pictures: &[Picture],
    manner: Manner,
) -> Result<Vec<Option<Localization>>, String> {
    let localize = functions.localize.ok_or("it has no `localize`")?;
    let wants_masks = functions.flags & FOVEA_WANTS_MASKS != 0;
    let lent: Vec<(Lent<u8>, Option<Lent<u8>>)> = pictures
        .iter()
        .map(|picture| {
            let (h, w) = (picture.image.height, picture.image.width);
            let ones: Vec<u8> = picture.mask.pixels.iter().map(|pixel| u8::from(*pixel >= 128)).collect();
            let pixels = Lent::new(&picture.image.pixels, &[h, w, 3], manner.layout, manner.place);
            // Rows of masks differ even where those of the picture do not.
            let layout = if manner.layout == Layout::Repeated { Layout::Plain } else { manner.layout };
            (pixels, wants_masks.then(|| Lent::new(&ones, &[h, w], layout, manner.place)))
        })
        .collect();
    let tensors: Vec<_> =
        lent.iter().map(|(pixels, mask)| (pixels.raw(), mask.as_ref().map(Lent::raw))).collect();
    let (split, first) = manner.origin;
    let views: Vec<ImageView<'_>> = pictures
        .iter()
        .enumerate()
        .map(|(item, picture)| ImageView {
            id: if first == 0 { &picture.id } else { "another name" },
            split,
            index: first + item,
            image: &picture.image,
            mask: Some(&picture.mask),
        })
        .collect();
    let images: Vec<FoveaImage> =
        tensors.iter().zip(&views).map(|(tensors, view)| raw_image(view, tensors)).collect();
    let pointers: Vec<*const FoveaImage> = images.iter().map(ptr::from_ref).collect();
    let mut answers = Answers::new(&views);
    let sizes: Vec<String> =
        pictures.iter().map(|p| format!("{}x{}", p.image.width, p.image.height)).collect();
    let about = format!("{} ({})", counted(pictures.len(), "picture"), sizes.join(", "));
    let outcome = instance.call("localize", format_args!("{about}"), |instance, error| {
        let sink = answers.sink();
        // SAFETY: all arguments live for the call; the instance is locked.
        (unsafe { localize(instance, pointers.as_ptr(), pointers.len(), &raw const sink, error) }, 0)
    });
    match answers.problem {
        Some(problem) => Err(problem),
        None => outcome.map_err(failed).map(|()| answers.found),
    }
}

/// Boxes of N heatmaps.
pub(super) struct Extracted {
    pub(super) hard: Vec<f32>,
    pub(super) differentiable: Vec<f32>,
    pub(super) valid: Vec<bool>,
}

/// Boxes, after checking that they can be right.
pub(super) fn extract(
    instance: &Instance,
    functions: &'static FoveaExtractor,
    values: &[f32],
    shape: [usize; 3],
    differentiable: bool,
    manner: Manner,
) -> Result<Extracted, String> {
    let extract = functions.extract.ok_or("it has no `extract`")?;
    let [n, height, width] = shape;
    let lent = Lent::new(values, &shape, manner.layout, manner.place);
    let (mut hard, mut valid) = (Buffer::new(n * 4, FENCE), Buffer::new(n, 77u8));
    let mut soft = Buffer::new(if differentiable { n * 4 } else { 0 }, FENCE);
    let about = format!("{} of {width}x{height}", counted(n, "heatmap"));
    instance
        .call("extract", format_args!("{about}"), |instance, error| {
            let tensor = lent.raw();
            let boxes = FoveaBoxes {
                size: size_of::<FoveaBoxes>(),
                hard: hard.raw(),
                differentiable: if differentiable { soft.raw() } else { ptr::null_mut() },
                valid: valid.raw(),
            };
            // SAFETY: all arguments live for the call and the buffers have the sizes that the header says.
            (unsafe { extract(instance, &raw const tensor, &raw const boxes, error) }, 0)
        })
        .map_err(failed)?;
    let (hard, soft, flags) = (hard.taken("hard")?, soft.taken("differentiable")?, valid.taken("valid")?);
    for (item, flag) in flags.iter().enumerate() {
        let wrong = |message: String| Err(format!("heatmap {item} of {about}: {message}"));
        let box_ = &hard[item * 4..item * 4 + 4];
        if *flag > 1 {
            return wrong(format!("`valid` is {flag}, and 0 or 1 is expected"));
        }
        for (name, values) in [("hard", &hard), ("differentiable", &soft)] {
            let row = values.get(item * 4..item * 4 + 4).unwrap_or_default();
            if !row.iter().all(|edge| edge.is_finite()) {
                return wrong(format!("the {name} box is {row:?}, and finite numbers are expected"));
            }
        }
        let inside = 0.0 <= box_[0] && box_[0] < box_[2] && box_[2] <= width as f32;
        let inside = inside && 0.0 <= box_[1] && box_[1] < box_[3] && box_[3] <= height as f32;
        if *flag == 1 && !inside {
            return wrong(format!(
                "the hard box is {box_:?}, and a box that is not empty is expected within [0, 0, {width}, {height}]"
            ));
        }
    }
    Ok(Extracted { hard, differentiable: soft, valid: flags.iter().map(|flag| *flag == 1).collect() })
}

/// The vector-Jacobian product; `None` where there is none.
pub(super) fn vjp(
    instance: &Instance,
    functions: &'static FoveaExtractor,
    values: &[f32],
    shape: [usize; 3],
    gradient: &[f32],
    manner: Manner,
) -> Result<Option<Vec<f32>>, String> {
    let Some(vjp) = functions.vjp else { return Ok(None) };
    let [n, height, width] = shape;
    let lent = Lent::new(values, &shape, manner.layout, manner.place);
    // Gradients of edges differ even where heatmaps do not.
    let layout = if manner.layout == Layout::Repeated { Layout::Plain } else { manner.layout };
    let gradient = Lent::new(gradient, &[n, 4], layout, manner.place);
    let mut out = Buffer::new(values.len(), FENCE);
    let about = format!("{} of {width}x{height}", counted(n, "heatmap"));
    instance
        .call("vjp", format_args!("{about}"), |instance, error| {
            let (tensor, gradient) = (lent.raw(), gradient.raw());
            // SAFETY: all arguments live for the call and the buffer is as large as the heatmaps.
            let status = unsafe { vjp(instance, &raw const tensor, &raw const gradient, out.raw(), error) };
            (status, 0)
        })
        .map_err(failed)?;
    let out = out.taken("heatmaps_gradient")?;
    match out.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(format!("`vjp` of {about} wrote {value}, and a finite gradient is expected")),
        None => Ok(Some(out)),
    }
}

/// Value and gradient; empty where they are not wanted.
pub(super) struct Evaluated {
    pub(super) values: Vec<f32>,
    pub(super) boxes: Vec<f32>,
    pub(super) heatmaps: Vec<f32>,
}

/// Value and gradient, after checking that they are finite.
pub(super) fn evaluate(
    instance: &Instance,
    functions: &'static FoveaLoss,
    seen: &Seen,
    manner: Manner,
) -> Result<Evaluated, String> {
    let evaluate = functions.evaluate.ok_or("it has no `evaluate`")?;
    let wants = |flag: u32| functions.flags & flag != 0;
    let [n, height, width] = seen.shape;
    let rows = [n, 4];
    // Rows of boxes differ even where those of heatmaps do not.
    let apart = if manner.layout == Layout::Repeated { Layout::Plain } else { manner.layout };
    let boxes = wants(FOVEA_WANTS_BOXES).then(|| Lent::new(&seen.boxes, &rows, apart, manner.place));
    let targets = Lent::new(&seen.targets, &rows, apart, manner.place);
    let heatmaps = wants(FOVEA_WANTS_HEATMAPS)
        .then(|| Lent::new(&seen.heatmaps, &seen.shape, manner.layout, manner.place));
    let masks = wants(FOVEA_WANTS_MASKS).then(|| Lent::new(&seen.masks, &seen.shape, apart, manner.place));
    let upstream = seen.upstream.as_ref().filter(|_| wants(FOVEA_SCALES_GRADIENTS));
    let mut values = Buffer::new(n, FENCE);
    let size = |flag: u32, size: usize| if wants(flag) && seen.gradients { size } else { 0 };
    let mut to_boxes = Buffer::new(size(FOVEA_WANTS_BOXES, n * 4), FENCE);
    let mut to_heatmaps = Buffer::new(size(FOVEA_WANTS_HEATMAPS, n * height * width), FENCE);
    let about = format!("{} of {width}x{height}", counted(n, "picture"));
    instance
        .call("evaluate", format_args!("{about}"), |instance, error| {
            let arrays = Arrays {
                boxes: boxes.as_ref().map(Lent::raw),
                targets: targets.raw(),
                heatmaps: heatmaps.as_ref().map(Lent::raw),
                masks: masks.as_ref().map(Lent::raw),
            };
            let upstream = upstream.map(Vec::as_slice);
            let explanation = arrays.explanation(seen.shape, &seen.valid, upstream);
            let wanted = |flag: u32, buffer: &mut Buffer<f32>| {
                if wants(flag) && seen.gradients { buffer.raw() } else { ptr::null_mut() }
            };
            let value = FoveaLossValue {
                size: size_of::<FoveaLossValue>(),
                values: values.raw(),
                boxes_gradient: wanted(FOVEA_WANTS_BOXES, &mut to_boxes),
                heatmaps_gradient: wanted(FOVEA_WANTS_HEATMAPS, &mut to_heatmaps),
            };
            // SAFETY: all arguments live for the call and the buffers have the sizes that the header says.
            (unsafe { evaluate(instance, &raw const explanation, &raw const value, error) }, 0)
        })
        .map_err(failed)?;
    let found = Evaluated {
        values: values.taken("values")?,
        boxes: to_boxes.taken("boxes_gradient")?,
        heatmaps: to_heatmaps.taken("heatmaps_gradient")?,
    };
    for (name, numbers) in
        [("values", &found.values), ("boxes_gradient", &found.boxes), ("heatmaps_gradient", &found.heatmaps)]
    {
        if let Some(at) = numbers.iter().position(|number| !number.is_finite()) {
            let item = at / (numbers.len() / n.max(1)).max(1);
            return Err(format!(
                "picture {item} of {about}: `{name}` holds {}, and finite numbers are expected",
                numbers[at]
            ));
        }
    }
    Ok(found)
}

fn request(side: u32, classes: u32) -> FoveaModelRequest {
    let size = size_of::<FoveaModelRequest>();
    FoveaModelRequest { size, channels: 3, height: side, width: side, classes }
}

/// The graph of layers as JSON.
pub(super) fn graph(
    instance: &Instance,
    functions: &'static FoveaModel,
    side: u32,
    classes: u32,
) -> Result<String, String> {
    let graph = functions.graph.ok_or("it has no `graph`")?;
    let request = request(side, classes);
    let mut written = Written::default();
    let about = format!("{side}x{side} and {classes} classes");
    instance
        .call("graph", format_args!("{about}"), |instance, error| {
            let sink = written.sink();
            // SAFETY: all arguments live for the call.
            (unsafe { graph(instance, &raw const request, &raw const sink, error) }, 0)
        })
        .map_err(failed)?;
    written.text()
}

/// Calls with a sink that refuses everything. How often it was called, and whether the function returned FOVEA_OK.
pub(super) fn refusing(
    instance: &Instance,
    functions: Functions,
    input: &Input,
) -> Result<(usize, bool), String> {
    unsafe extern "C" fn no_part(context: *mut c_void, _: FoveaStr) -> FoveaStatus {
        // SAFETY: the context is the counter of the call in progress.
        unsafe { *context.cast::<usize>() += 1 };
        FOVEA_ERROR
    }
    unsafe extern "C" fn no_place(
        context: *mut c_void,
        _: usize,
        _: *const FoveaLocalization,
    ) -> FoveaStatus {
        // SAFETY: the context is the counter of the call in progress.
        unsafe { *context.cast::<usize>() += 1 };
        FOVEA_ERROR
    }
    let mut calls = 0usize;
    let context = ptr::from_mut(&mut calls).cast::<c_void>();
    let outcome = match (functions, input) {
        (Functions::Localizer(functions), Input::Pictures(pictures)) => {
            let localize = functions.localize.ok_or("it has no `localize`")?;
            let lent: Vec<Lent<u8>> = pictures
                .iter()
                .map(|Picture { image, .. }| {
                    Lent::new(&image.pixels, &[image.height, image.width, 3], Layout::Plain, Place::Heap)
                })
                .collect();
            let tensors: Vec<FoveaTensor> = lent.iter().map(Lent::raw).collect();
            let images: Vec<FoveaImage> = tensors
                .iter()
                .map(|pixels| FoveaImage {
                    size: size_of::<FoveaImage>(),
                    pixels: ptr::from_ref(pixels),
                    mask: ptr::null(),
                    id: str_of("a.png"),
                    split: str_of("test"),
                    index: 0,
                })
                .collect();
            let pointers: Vec<*const FoveaImage> = images.iter().map(ptr::from_ref).collect();
            instance.call(
                "localize",
                format_args!("pictures, into a sink that refuses"),
                |instance, error| {
                    let size = size_of::<FoveaLocalizationSink>();
                    let sink = FoveaLocalizationSink { size, context, found: Some(no_place) };
                    // SAFETY: all arguments live for the call.
                    let status = unsafe {
                        localize(instance, pointers.as_ptr(), pointers.len(), &raw const sink, error)
                    };
                    (status, 0)
                },
            )
        }
        (Functions::Model(functions), Input::Request(side, classes)) => {
            let graph = functions.graph.ok_or("it has no `graph`")?;
            let request = request(*side, *classes);
            instance.call("graph", format_args!("a request, into a sink that refuses"), |instance, error| {
                let sink = FoveaSink { size: size_of::<FoveaSink>(), context, write: Some(no_part) };
                // SAFETY: all arguments live for the call.
                (unsafe { graph(instance, &raw const request, &raw const sink, error) }, 0)
            })
        }
        _ => return Ok((0, true)),
    };
    Ok((calls, outcome.is_ok()))
}
