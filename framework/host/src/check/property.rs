//! What is asked of plugins. The main type is [`Property`]; [`PROPERTIES`] are all.

use super::subject::Subject;
use super::{answers, common, extractors, gradients, leaks, localizers, losses, models};
use fovea_api::PluginKind;
use serde::{Deserialize, Serialize};

/// What a property must know before it can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Needs {
    /// The description only.
    Description,
    /// That an instance can be made.
    Instance,
    /// That an ordinary input gets an answer.
    Answer,
}

/// What was found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Found {
    /// It holds; a remark, or nothing.
    Holds(String),
    /// There is nothing to ask.
    Skipped(String),
}

pub(super) const HOLDS: Found = Found::Holds(String::new());

/// What is asked of a plugin.
pub struct Property {
    /// Its name in reports.
    pub name: &'static str,
    /// What it asks, in one sentence.
    pub asks: &'static str,
    /// What to do where it does not hold.
    pub remedy: &'static str,
    /// Kinds of plugins that it is asked of.
    pub(super) kinds: &'static [PluginKind],
    pub(super) needs: Needs,
    /// Asks it. An error says what was found, with which input.
    pub(super) run: fn(&Subject) -> Result<Found, String>,
}

use PluginKind::{Extractor, Localizer, Loss, Model};

const ALL: &[PluginKind] = &[Localizer, Extractor, Loss, Model];
const ARRAYS: &[PluginKind] = &[Localizer, Extractor, Loss];

/// The property that [`Needs::Instance`] means.
pub(super) const CREATE: &str = "create";
/// The property that [`Needs::Answer`] means.
pub(super) const ANSWERS: &str = "answers";

macro_rules! properties {
    ($($name:literal, $kinds:expr, $needs:ident, $run:expr, $asks:literal, $remedy:literal;)*) => {
        &[$(Property {
            name: $name,
            asks: $asks,
            remedy: $remedy,
            kinds: $kinds,
            needs: Needs::$needs,
            run: $run,
        }),*]
    };
}

/// All properties, in the order in which they are asked.
pub const PROPERTIES: &[Property] = properties![
    "description", ALL, Description, common::description,
        "Name, version, summary and schema are what help and editors need.",
        "see FoveaPlugin in fovea_plugin.h";
    "defaults", ALL, Description, common::defaults,
        "The configuration resolves with the schema's defaults, and a resolved one to itself.",
        "make `resolve` and the schema's defaults say the same";
    "unknown-key", ALL, Description, common::unknown_key,
        "A key that the schema does not know is refused, and named.",
        "refuse it in `resolve` (serde: deny_unknown_fields), or leave `resolve` null";
    "wrong-type", ALL, Description, common::wrong_type,
        "A value of another type than the schema says is refused, and its key named.",
        "check types in `resolve` and write the key into `path`, or leave `resolve` null";
    "out-of-range", ALL, Description, common::out_of_range,
        "A number outside of the schema's minimum and maximum is refused, and its key named.",
        "check the range in `resolve` and write the key into `path`, or leave `resolve` null";
    "create", ALL, Description, common::create,
        "An instance can be made, several can live at a time, and they are freed in any order.",
        "keep what an instance needs in the instance, not in globals";
    "answers", ALL, Instance, answers::answers,
        "An ordinary input gets an answer that can be right.",
        "see the rules of its kind in fovea_plugin.h";
    "sizes", ALL, Answer, answers::sizes,
        "Inputs of every size get an answer that can be right, down to one pixel.",
        "think of sizes of 1, of width and height that differ, and of what is empty after rounding";
    "empty", ARRAYS, Answer, answers::empty,
        "A call with no items is fine.",
        "return FOVEA_OK when there is nothing to do; pointers may be null then";
    "repeats", ALL, Answer, answers::repeats,
        "An instance gives the same answer again, whatever it was asked in between.",
        "let no answer depend on earlier calls, clocks or uninitialised memory; seeds come from the configuration";
    "fresh-instance", ALL, Answer, answers::fresh_instance,
        "Another instance of the same configuration gives the same answer.",
        "let no answer depend on globals, addresses or clocks; seeds come from the configuration";
    "fresh-process", ALL, Answer, answers::fresh_process,
        "Another process gives the same answer.",
        "let no answer depend on addresses, hashes with random keys, clocks or process ids";
    "threads", ALL, Answer, answers::threads,
        "Instances in several threads at a time give the same answers, also when a thread takes over.",
        "keep what an instance needs in the instance, not in globals or thread-local memory";
    "batch", ARRAYS, Answer, answers::batch,
        "A batch gives what its items give one by one.",
        "treat every item as if it were alone, and write the answer of item i to place i";
    "strides", ARRAYS, Answer, answers::strides,
        "Where elements lie makes no difference: gaps, negative strides, other orders of axes, strides of 0.",
        "find element (i, j, ...) at data[i * strides[0] + j * strides[1] + ...], in elements";
    "inputs", ARRAYS, Answer, answers::inputs,
        "Inputs are only read, and only within their bounds.",
        "do not write to inputs, and check the last index of loops";
    "kept-inputs", ARRAYS, Answer, answers::kept_inputs,
        "No pointer to an input is kept after the call.",
        "copy what a later call needs";
    "leaked-instances", ALL, Instance, leaks::instances,
        "Making and freeing instances does not use up memory.",
        "free in `destroy` all that `create` allocates";
    "leaked-calls", ALL, Answer, leaks::calls,
        "Calls do not use up memory.",
        "free what a call allocates before it returns, and bound every cache";
    "origin", &[Localizer], Answer, localizers::origin,
        "The answer does not depend on a picture's name, split or index.",
        "look at pixels only: answers are cached by them";
    "sink", &[Localizer, Model], Answer, localizers::sink,
        "A sink that refuses is not called again, and its status is returned.",
        "return what the sink returns unless it is FOVEA_OK";
    "zero-heatmap", &[Extractor], Answer, extractors::zero,
        "A heatmap of zeros has no box.",
        "set `valid` to 0 where nothing is above zero";
    "hard-only", &[Extractor], Answer, extractors::hard_only,
        "Without `differentiable`, the hard boxes are the same.",
        "`differentiable` may be null";
    "not-finite", &[Extractor, Loss], Answer, extractors::not_finite,
        "NaN and infinities in heatmaps end in an error or in finite numbers.",
        "compare with care: every comparison with NaN is false";
    "vjp-linear", &[Extractor], Answer, gradients::linear,
        "The vector-Jacobian product is linear in the gradient of boxes, and zero where that is.",
        "write sum(gradient[k] * d box[k] / d heatmap), and nothing for rows of zeros";
    "gradient", &[Extractor], Answer, gradients::extractor,
        "The vector-Jacobian product is the derivative of the differentiable boxes (central differences).",
        "derive `vjp` from what `extract` computes";
    "gradient", &[Loss], Answer, gradients::loss,
        "Gradients are the derivatives of the values (central differences).",
        "derive them from what `values` holds, each picture's from its own";
    "upstream", &[Loss], Answer, losses::upstream,
        "With FOVEA_SCALES_GRADIENTS, gradients are multiplied by `upstream`, and values are not.",
        "multiply every gradient of picture n by upstream[n]; null stands for ones";
    "no-gradient", &[Loss], Answer, losses::no_gradient,
        "Without buffers for gradients, the values are the same.",
        "`boxes_gradient` and `heatmaps_gradient` may be null";
    "degenerate", &[Loss], Answer, losses::degenerate,
        "Empty, equal, disjoint and outlying boxes have finite values and gradients.",
        "guard divisions by areas and lengths, and roots at zero";
    "not-valid", &[Loss], Answer, losses::not_valid,
        "Pictures that are not valid change nothing for the others, and are finite.",
        "skip pictures whose `valid` is 0";
    "network", &[Model], Answer, models::network,
        "The graph is a network whose logits are finite and as many as there are classes.",
        "`fovea schema` and the docs of fovea_models::graph name the layers";
    "grad-cam", &[Model], Answer, models::grad_cam,
        "Grad-CAM has finite weights, one for each channel of the CAM layer.",
        "name a CAM layer with a height and a width, before the pooling";
];

/// The property of this name for this kind.
pub(super) fn find(name: &str, kind: PluginKind) -> Option<&'static Property> {
    PROPERTIES.iter().find(|property| property.name == name && property.kinds.contains(&kind))
}
