//! The interface as it crosses the boundary: `include/fovea_plugin.h`, item by item and under the same names. The
//! rules and the meaning of every member are written there; a test compiles the header and compares sizes, offsets
//! and constants.

use std::ffi::{CStr, c_char, c_void};

/// Versions with another major number do not understand each other.
pub const FOVEA_ABI_MAJOR: u32 = 1;
/// A host takes plugins up to its own minor version.
pub const FOVEA_ABI_MINOR: u32 = 0;
/// The one exported symbol, a [`FoveaEntry`].
pub const FOVEA_ENTRY: &CStr = c"fovea_plugin_entry";
/// The ELF section that holds a [`FoveaNote`].
pub const FOVEA_NOTE_SECTION: &str = ".note.fovea";

/// What a function returns.
pub type FoveaStatus = i32;
/// Done.
pub const FOVEA_OK: FoveaStatus = 0;
/// Failed; the error says why.
pub const FOVEA_ERROR: FoveaStatus = 1;
/// The configuration is bad.
pub const FOVEA_BAD_CONFIG: FoveaStatus = 2;
/// The plugin's own code panicked or threw.
pub const FOVEA_PANIC: FoveaStatus = 3;
/// The plugin cannot do this at all.
pub const FOVEA_UNSUPPORTED: FoveaStatus = 4;

/// Picture -> at most one box.
pub const FOVEA_LOCALIZER: u32 = 1;
/// Heatmap -> box.
pub const FOVEA_EXTRACTOR: u32 = 2;
/// Boxes or heatmap -> a number and its gradient.
pub const FOVEA_LOSS: u32 = 4;
/// A network, as a graph of layers.
pub const FOVEA_MODEL: u32 = 8;

/// Element type: bytes.
pub const FOVEA_U8: u32 = 1;
/// Element type: 32-bit floats.
pub const FOVEA_F32: u32 = 2;

/// It looks at true masks (localizers), or at target masks (losses).
pub const FOVEA_WANTS_MASKS: u32 = 1;
/// It looks at the boxes extracted from heatmaps (losses).
pub const FOVEA_WANTS_BOXES: u32 = 2;
/// It looks at heatmaps (losses).
pub const FOVEA_WANTS_HEATMAPS: u32 = 4;
/// It multiplies its gradients by `upstream` itself (losses).
pub const FOVEA_SCALES_GRADIENTS: u32 = 8;

/// Text: UTF-8, not terminated by zero.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FoveaStr {
    /// First byte; may be null where `len` is 0.
    pub ptr: *const c_char,
    /// Bytes.
    pub len: usize,
}

/// An error, owned by the host.
#[repr(C)]
#[derive(Debug)]
pub struct FoveaError {
    /// `size_of::<Self>()`.
    pub size: usize,
    /// Which item of the batch it is about; -1 for none.
    pub item: i64,
    /// The host's buffer.
    pub message: *mut c_char,
    /// Its size, bytes.
    pub capacity: usize,
    /// Bytes written.
    pub length: usize,
}

/// Takes text of any length.
#[repr(C)]
#[derive(Debug)]
pub struct FoveaSink {
    /// `size_of::<Self>()`.
    pub size: usize,
    /// The host's.
    pub context: *mut c_void,
    /// Appends a part.
    pub write: Option<unsafe extern "C" fn(context: *mut c_void, part: FoveaStr) -> FoveaStatus>,
}

/// A strided array that is only read.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FoveaTensor {
    /// `size_of::<Self>()`.
    pub size: usize,
    /// The element with all indices 0.
    pub data: *const c_void,
    /// [`FOVEA_U8`] or [`FOVEA_F32`].
    pub dtype: u32,
    /// Number of dimensions.
    pub ndim: u32,
    /// `ndim` extents.
    pub shape: *const i64,
    /// `ndim` strides, in elements.
    pub strides: *const i64,
}

/// What the host offers.
#[repr(C)]
#[derive(Debug)]
pub struct FoveaHost {
    /// `size_of::<Self>()`.
    pub size: usize,
    /// The host's [`FOVEA_ABI_MAJOR`].
    pub abi_major: u32,
    /// The host's [`FOVEA_ABI_MINOR`].
    pub abi_minor: u32,
    /// Version of Fovea.
    pub version: FoveaStr,
    /// The host's.
    pub context: *mut c_void,
    /// Writes a line to the trial's log.
    pub log: Option<unsafe extern "C" fn(context: *mut c_void, level: u32, line: FoveaStr)>,
    /// Functions that later versions add.
    pub get_extension: Option<unsafe extern "C" fn(context: *mut c_void, id: FoveaStr) -> *const c_void>,
}

/// The plugin's own; the host only hands it around.
#[repr(C)]
#[derive(Debug)]
pub struct FoveaInstance {
    _opaque: [u8; 0],
}

/// A picture at native size.
#[repr(C)]
#[derive(Debug)]
pub struct FoveaImage {
    /// `size_of::<Self>()`.
    pub size: usize,
    /// u8, `[height, width, 3]`, sRGB.
    pub pixels: *const FoveaTensor,
    /// u8 in {0, 1}, `[height, width]`, or null.
    pub mask: *const FoveaTensor,
    /// Name, for messages.
    pub id: FoveaStr,
    /// Split.
    pub split: FoveaStr,
    /// Position in the split.
    pub index: u64,
}

/// Where an object is.
#[repr(C)]
#[derive(Debug)]
pub struct FoveaLocalization {
    /// `size_of::<Self>()`.
    pub size: usize,
    /// Left.
    pub x1: f32,
    /// Top.
    pub y1: f32,
    /// Right, exclusive.
    pub x2: f32,
    /// Bottom, exclusive.
    pub y2: f32,
    /// In 0..=1.
    pub confidence: f32,
    /// 0.
    pub reserved: u32,
    /// u8 in {0, 1}, `[height, width]`, or null.
    pub mask: *const FoveaTensor,
}

/// Takes what was found.
#[repr(C)]
#[derive(Debug)]
pub struct FoveaLocalizationSink {
    /// `size_of::<Self>()`.
    pub size: usize,
    /// The host's.
    pub context: *mut c_void,
    /// Takes the localization of one picture.
    pub found: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            item: usize,
            localization: *const FoveaLocalization,
        ) -> FoveaStatus,
    >,
}

/// Functions of a localizer.
#[repr(C)]
#[derive(Debug)]
pub struct FoveaLocalizer {
    /// `size_of::<Self>()`.
    pub size: usize,
    /// [`FOVEA_WANTS_MASKS`] or 0.
    pub flags: u32,
    /// Pictures that it likes to get in one call; 0 is 1.
    pub batch: u32,
    /// Says for each picture where the object is.
    pub localize: Option<
        unsafe extern "C" fn(
            instance: *mut FoveaInstance,
            images: *const *const FoveaImage,
            count: usize,
            sink: *const FoveaLocalizationSink,
            error: *mut FoveaError,
        ) -> FoveaStatus,
    >,
}

/// Boxes of N heatmaps, in contiguous buffers of the host.
#[repr(C)]
#[derive(Debug)]
pub struct FoveaBoxes {
    /// `size_of::<Self>()`.
    pub size: usize,
    /// `[N, 4]`.
    pub hard: *mut f32,
    /// `[N, 4]`, or null.
    pub differentiable: *mut f32,
    /// `[N]`.
    pub valid: *mut u8,
}

/// Functions of a box extractor.
#[repr(C)]
#[derive(Debug)]
pub struct FoveaExtractor {
    /// `size_of::<Self>()`.
    pub size: usize,
    /// 0.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// Boxes of heatmaps `[N, H, W]`.
    pub extract: Option<
        unsafe extern "C" fn(
            instance: *mut FoveaInstance,
            heatmaps: *const FoveaTensor,
            boxes: *const FoveaBoxes,
            error: *mut FoveaError,
        ) -> FoveaStatus,
    >,
    /// Vector-Jacobian product of the differentiable boxes; null when they are constants.
    pub vjp: Option<
        unsafe extern "C" fn(
            instance: *mut FoveaInstance,
            heatmaps: *const FoveaTensor,
            boxes_gradient: *const FoveaTensor,
            heatmaps_gradient: *mut f32,
            error: *mut FoveaError,
        ) -> FoveaStatus,
    >,
}

/// What a loss sees of N pictures.
#[repr(C)]
#[derive(Debug)]
pub struct FoveaExplanation {
    /// `size_of::<Self>()`.
    pub size: usize,
    /// N.
    pub count: usize,
    /// Height of the pictures, pixels.
    pub height: usize,
    /// Width of the pictures, pixels.
    pub width: usize,
    /// f32, `[N, 4]`, or null.
    pub boxes: *const FoveaTensor,
    /// f32, `[N, 4]`.
    pub targets: *const FoveaTensor,
    /// f32, `[N, H, W]`, or null.
    pub heatmaps: *const FoveaTensor,
    /// f32, `[N, H, W]`, or null.
    pub masks: *const FoveaTensor,
    /// `[N]`.
    pub valid: *const u8,
    /// `[N]`, or null.
    pub upstream: *const f32,
}

/// Value and gradient, in contiguous buffers of the host.
#[repr(C)]
#[derive(Debug)]
pub struct FoveaLossValue {
    /// `size_of::<Self>()`.
    pub size: usize,
    /// `[N]`.
    pub values: *mut f32,
    /// `[N, 4]`, or null.
    pub boxes_gradient: *mut f32,
    /// `[N, H, W]`, or null.
    pub heatmaps_gradient: *mut f32,
}

/// Functions of an explanation loss.
#[repr(C)]
#[derive(Debug)]
pub struct FoveaLoss {
    /// `size_of::<Self>()`.
    pub size: usize,
    /// `FOVEA_WANTS_*` and [`FOVEA_SCALES_GRADIENTS`].
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// Value and gradient of each picture.
    pub evaluate: Option<
        unsafe extern "C" fn(
            instance: *mut FoveaInstance,
            explanation: *const FoveaExplanation,
            value: *const FoveaLossValue,
            error: *mut FoveaError,
        ) -> FoveaStatus,
    >,
}

/// What a network is for.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FoveaModelRequest {
    /// `size_of::<Self>()`.
    pub size: usize,
    /// Channels of the pictures.
    pub channels: u32,
    /// Height, pixels.
    pub height: u32,
    /// Width, pixels.
    pub width: u32,
    /// Number of classes.
    pub classes: u32,
}

/// Functions of a model.
#[repr(C)]
#[derive(Debug)]
pub struct FoveaModel {
    /// `size_of::<Self>()`.
    pub size: usize,
    /// 0.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
    /// Writes the graph of layers as JSON.
    pub graph: Option<
        unsafe extern "C" fn(
            instance: *mut FoveaInstance,
            request: *const FoveaModelRequest,
            sink: *const FoveaSink,
            error: *mut FoveaError,
        ) -> FoveaStatus,
    >,
}

/// One plugin of a library.
#[repr(C)]
#[derive(Debug)]
pub struct FoveaPlugin {
    /// `size_of::<Self>()`.
    pub size: usize,
    /// One of [`FOVEA_LOCALIZER`], [`FOVEA_EXTRACTOR`], [`FOVEA_LOSS`], [`FOVEA_MODEL`].
    pub kind: u32,
    /// 0.
    pub reserved: u32,
    /// Name in experiments.
    pub name: FoveaStr,
    /// Its version.
    pub version: FoveaStr,
    /// One line for help.
    pub summary: FoveaStr,
    /// JSON Schema of its configuration.
    pub config_schema: FoveaStr,
    /// Keys of the configuration that say where files are.
    pub path_keys: *const FoveaStr,
    /// How many.
    pub path_key_count: usize,
    /// Checks a configuration and fills in defaults; may be null.
    pub resolve: Option<
        unsafe extern "C" fn(
            config: FoveaStr,
            base_dir: FoveaStr,
            sink: *const FoveaSink,
            error: *mut FoveaError,
        ) -> FoveaStatus,
    >,
    /// Makes an instance.
    pub create: Option<
        unsafe extern "C" fn(
            config: FoveaStr,
            base_dir: FoveaStr,
            instance: *mut *mut FoveaInstance,
            error: *mut FoveaError,
        ) -> FoveaStatus,
    >,
    /// Frees an instance.
    pub destroy: Option<unsafe extern "C" fn(instance: *mut FoveaInstance)>,
    /// Functions that later versions know; may be null.
    pub get_extension: Option<unsafe extern "C" fn(id: FoveaStr) -> *const c_void>,
    /// Of a localizer.
    pub localizer: *const FoveaLocalizer,
    /// Of an extractor.
    pub extractor: *const FoveaExtractor,
    /// Of a loss.
    pub loss: *const FoveaLoss,
    /// Of a model.
    pub model: *const FoveaModel,
}

/// What a library holds.
#[repr(C)]
#[derive(Debug)]
pub struct FoveaLibrary {
    /// `size_of::<Self>()`.
    pub size: usize,
    /// The major version it was built for.
    pub abi_major: u32,
    /// The minor version it was built for.
    pub abi_minor: u32,
    /// `count` plugins.
    pub plugins: *const *const FoveaPlugin,
    /// How many.
    pub count: usize,
}

/// Type of the one exported symbol.
pub type FoveaEntry = unsafe extern "C" fn(
    host: *const FoveaHost,
    library: *mut *const FoveaLibrary,
    error: *mut FoveaError,
) -> FoveaStatus;

/// The ELF note that the host reads before it loads the library.
#[repr(C, align(4))]
#[derive(Clone, Copy, Debug)]
pub struct FoveaNote {
    /// 6: bytes of the owner's name with its zero.
    pub name_size: u32,
    /// 16: bytes from `abi_major` on.
    pub description_size: u32,
    /// 1.
    pub kind: u32,
    /// `Fovea`, padded with zeros.
    pub name: [u8; 8],
    /// [`FOVEA_ABI_MAJOR`] it was built for.
    pub abi_major: u32,
    /// [`FOVEA_ABI_MINOR`] it was built for.
    pub abi_minor: u32,
    /// Sum of the kinds of its plugins.
    pub kinds: u32,
    /// 0.
    pub reserved: u32,
}

impl FoveaNote {
    /// The note of a library built from this crate, with plugins of these kinds.
    #[must_use]
    pub const fn new(kinds: u32) -> Self {
        Self {
            name_size: 6,
            description_size: 16,
            kind: 1,
            name: *b"Fovea\0\0\0",
            abi_major: FOVEA_ABI_MAJOR,
            abi_minor: FOVEA_ABI_MINOR,
            kinds,
            reserved: 0,
        }
    }
}
