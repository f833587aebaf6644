//! A network, as a graph of layers. The main trait is [`Model`].

use crate::call::{Fault, borrow, with_plugin, write};
use crate::error::Error;
use crate::plugin::{Plugin, describe};
use crate::raw::{
    FOVEA_MODEL, FoveaError, FoveaInstance, FoveaModel, FoveaModelRequest, FoveaPlugin, FoveaSink,
    FoveaStatus,
};
use serde_json::Value;

/// What a network is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelRequest {
    /// Channels of the pictures.
    pub channels: usize,
    /// Height of the pictures, pixels.
    pub height: usize,
    /// Width of the pictures, pixels.
    pub width: usize,
    /// Number of classes.
    pub classes: usize,
}

/// Describes a network, which Fovea builds from its own layers.
pub trait Model: Plugin {
    /// The graph of layers: see Fovea's documentation for its format.
    ///
    /// # Errors
    /// When there is no network for such pictures.
    fn graph(&mut self, request: &ModelRequest) -> Result<Value, Error>;
}

/// Describes a model.
#[must_use]
pub fn model<P: Model>() -> FoveaPlugin {
    let table = FoveaModel { size: size_of::<FoveaModel>(), flags: 0, reserved: 0, graph: Some(graph::<P>) };
    FoveaPlugin { model: Box::leak(Box::new(table)), ..describe::<P>(FOVEA_MODEL) }
}

/// # Safety
/// As `graph` in `fovea_plugin.h`.
unsafe extern "C" fn graph<P: Model>(
    instance: *mut FoveaInstance,
    request: *const FoveaModelRequest,
    sink: *const FoveaSink,
    error: *mut FoveaError,
) -> FoveaStatus {
    let call = |plugin: &mut P| {
        // SAFETY: the caller's promise.
        let request = unsafe { borrow(request, "request")? };
        let size = |length: u32| {
            usize::try_from(length).map_err(|_| Fault::contract("the host's request fits no memory"))
        };
        let request = ModelRequest {
            channels: size(request.channels)?,
            height: size(request.height)?,
            width: size(request.width)?,
            classes: size(request.classes)?,
        };
        let graph = plugin.graph(&request)?;
        // SAFETY: the caller's promise.
        unsafe { write(sink, &graph.to_string()) }
    };
    // SAFETY: the caller's promise.
    unsafe { with_plugin(instance, error, call) }
}
