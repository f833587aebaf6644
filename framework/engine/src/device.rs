//! From a request (`auto`, `cpu`, `cuda:0`) to a device. The main function is [`open`].

use crate::EngineError;
use burn::backend::DispatchDevice;
use burn::tensor::Device;
use fovea_plan::DeviceRequest;

/// A device with its name for reports.
#[derive(Clone, Debug)]
pub struct OpenDevice {
    /// The device, without autodiff.
    pub device: Device,
    /// `cpu (2 threads)` or `cuda:0`.
    pub name: String,
    /// Whether it has tf32 tensor cores.
    pub tf32: bool,
}

/// Whether a device is the CPU, with or without autodiff.
pub(crate) fn is_cpu(device: &Device) -> bool {
    match device.as_dispatch() {
        DispatchDevice::Flex(_) => true,
        DispatchDevice::Autodiff(device) => matches!(device.clone().inner(), DispatchDevice::Flex(_)),
        #[allow(unreachable_patterns, reason = "other devices exist with other features")]
        _ => false,
    }
}

/// Opens the device. `auto` takes the first GPU where this binary can use one, else the CPU.
///
/// # Errors
/// When CUDA is asked for and this binary or this machine has none; the text says which command mends it.
pub fn open(request: DeviceRequest) -> Result<OpenDevice, EngineError> {
    fovea_heap::keep_freed();
    match request {
        DeviceRequest::Cpu => Ok(cpu()),
        DeviceRequest::Auto => {
            if cfg!(feature = "cuda") && cuda_problem(0).is_none() {
                cuda(0)
            } else {
                Ok(cpu())
            }
        }
        DeviceRequest::Cuda(index) => cuda(index),
    }
}

/// What trials on the device will call it, without opening it; of the CPU its kind only: `cpu`.
#[must_use]
pub fn name(request: DeviceRequest) -> String {
    match request {
        DeviceRequest::Auto if cfg!(feature = "cuda") && cuda_problem(0).is_none() => "cuda:0".to_owned(),
        DeviceRequest::Cuda(index) => format!("cuda:{index}"),
        DeviceRequest::Auto | DeviceRequest::Cpu => "cpu".to_owned(),
    }
}

/// Whether the device can be opened, without opening it.
///
/// # Errors
/// As [`open`].
pub fn check(request: DeviceRequest) -> Result<(), EngineError> {
    match request {
        DeviceRequest::Cuda(index) => require_cuda(index),
        DeviceRequest::Auto | DeviceRequest::Cpu => Ok(()),
    }
}

fn cpu() -> OpenDevice {
    let threads = rayon::current_num_threads();
    let plural = if threads == 1 { "" } else { "s" };
    OpenDevice { device: Device::flex(), name: format!("cpu ({threads} thread{plural})"), tf32: false }
}

fn require_cuda(index: usize) -> Result<(), EngineError> {
    if !cfg!(feature = "cuda") {
        return Err(EngineError::Device(format!(
            "device `cuda:{index}` was asked for, but this fovea was built without CUDA. Build it with \
             `cargo build --release --features cuda`, or use device=cpu."
        )));
    }
    match cuda_problem(index) {
        Some(problem) => Err(EngineError::Device(format!(
            "device `cuda:{index}` was asked for, but {problem}. Use device=cpu, or device=auto to take a GPU \
             only where there is one."
        ))),
        None => Ok(()),
    }
}

#[cfg(feature = "cuda")]
fn cuda(index: usize) -> Result<OpenDevice, EngineError> {
    require_cuda(index)?;
    crate::kernels::keep();
    let device = Device::cuda(index);
    Ok(OpenDevice { device, name: format!("cuda:{index}"), tf32: has_tf32(index) })
}

#[cfg(feature = "cuda")]
fn has_tf32(index: usize) -> bool {
    use burn::cubecl::ir::{ElemType, FloatKind};

    let device = burn::cubecl::Device::Cuda(burn::cubecl::cuda::CudaDevice::new(index));
    device.client().properties().supports_type(ElemType::Float(FloatKind::TF32))
}

#[cfg(not(feature = "cuda"))]
fn cuda(index: usize) -> Result<OpenDevice, EngineError> {
    require_cuda(index).map(|()| cpu())
}

/// Why the GPU cannot be used, in words. Burn panics in a service thread where the driver's library is missing, so
/// the library is looked for before the device is touched.
fn cuda_problem(index: usize) -> Option<String> {
    if !driver_library_exists() {
        return Some("this machine has no NVIDIA driver (libcuda.so.1 was not found)".to_owned());
    }
    let gpus = std::fs::read_dir("/proc/driver/nvidia/gpus").map_or(usize::MAX, Iterator::count);
    (index >= gpus).then(|| format!("this machine has {gpus} GPU(s), numbered from 0"))
}

fn driver_library_exists() -> bool {
    let mut folders: Vec<std::path::PathBuf> = std::env::var_os("LD_LIBRARY_PATH")
        .map(|paths| std::env::split_paths(&paths).collect())
        .unwrap_or_default();
    folders.extend(
        [
            "/usr/lib/x86_64-linux-gnu",
            "/usr/lib/aarch64-linux-gnu",
            "/usr/lib64",
            "/usr/lib",
            "/lib/x86_64-linux-gnu",
            "/usr/local/nvidia/lib64",
            "/usr/local/nvidia/lib",
            "/usr/lib/wsl/lib",
        ]
        .map(Into::into),
    );
    if folders.iter().any(|f| f.join("libcuda.so.1").exists()) {
        return true;
    }
    // The loader's cache knows libraries in folders of /etc/ld.so.conf.
    std::fs::read("/etc/ld.so.cache").is_ok_and(|cache| cache.windows(12).any(|w| w == b"libcuda.so.1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_always_opens() {
        let open = open(DeviceRequest::Cpu).unwrap();
        assert!(open.name.starts_with("cpu ("));
        assert!(is_cpu(&open.device) && is_cpu(&open.device.autodiff()));
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn cuda_without_the_feature_names_the_command() {
        let text = open(DeviceRequest::Cuda(0)).unwrap_err().to_string();
        assert!(text.contains("--features cuda") && text.contains("cuda:0"), "{text}");
    }
}
