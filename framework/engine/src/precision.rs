//! What `training.precision` means on a device. The main function is [`check`].
//!
//! Burn has no switch for tf32. On a GPU whose tensor cores have it (compute capability 8.0 and newer), every product
//! of f32 tensors is tuned over kernels that multiply f32 and kernels that round the factors to tf32, and the fastest is
//! taken, whichever it is (`adjust_dtypes` in cubek-matmul, which the convolutions use, too). PyTorch does the same
//! with convolutions unless `torch.backends.cudnn.allow_tf32 = False`. So on such a GPU `f32` and `tf32` are one
//! computation, and what is said of it here is all that can be done about it:
//!
//! - `tf32` on a CPU, or on a GPU without it, is an error: nothing there computes that way.
//! - `f32` on a GPU that has tf32 is a note before the run, a warning of each trial, and in its provenance.
//! - Both in one run on a GPU are an error: trials would differ in their ids and in nothing else.
//! - `bf16` can be had everywhere. A CPU multiplies the rounded numbers in f32, which is slower than `f32`.

use crate::{EngineError, device};
use fovea_plan::{DeviceRequest, Precision};

/// In which type the layers of a network multiply.
#[must_use]
pub fn of_layers(precision: Precision) -> fovea_api::Precision {
    match precision {
        Precision::F32 | Precision::Tf32 => fovea_api::Precision::F32,
        Precision::Bf16 => fovea_api::Precision::Bf16,
    }
}

/// Whether a device can keep what trials ask for, without opening it; gives what their user has to know.
///
/// # Errors
/// When it cannot, with what to write instead.
pub fn check(
    precisions: impl IntoIterator<Item = Precision>,
    request: DeviceRequest,
) -> Result<Option<String>, EngineError> {
    let (mut f32, mut tf32) = (false, false);
    for precision in precisions {
        f32 |= precision == Precision::F32;
        tf32 |= precision == Precision::Tf32;
    }
    let name = device::name(request);
    let gpu = name.starts_with("cuda");
    match (gpu, f32, tf32) {
        (false, _, true) => Err(needs_gpu(request, &name)),
        (true, true, true) => Err(EngineError::Device(format!(
            "training.precision has both \"f32\" and \"tf32\", which on {name} are one computation: Burn multiplies f32 \
             numbers on tf32 tensor cores wherever that is faster, and cannot be told otherwise. Keep \"tf32\" there, and \
             run \"f32\" with device=cpu."
        ))),
        (true, true, false) => Ok(Some(format!(
            "{name} may multiply f32 numbers on tf32 tensor cores (compute capability 8.0 and newer) where Burn finds that \
             faster; it has no switch for that. training.precision = \"tf32\" says so in the trials' identity, too."
        ))),
        _ => Ok(None),
    }
}

fn needs_gpu(request: DeviceRequest, name: &str) -> EngineError {
    let here = if request == DeviceRequest::Auto {
        "device auto, which is the CPU here".to_owned()
    } else {
        format!("device {name}")
    };
    EngineError::Device(format!(
        "training.precision = \"tf32\" needs device cuda:N with tf32 tensor cores; {here} has none. Use \
         training.precision=f32 or bf16."
    ))
}

/// How an open device multiplies, for the record of a trial; `None` where it is as the configuration says.
///
/// # Errors
/// When it cannot keep the precision.
pub(crate) fn kept(
    precision: Precision,
    device: &device::OpenDevice,
) -> Result<Option<&'static str>, EngineError> {
    match (precision, device.tf32) {
        (Precision::Tf32, false) => Err(EngineError::Device(format!(
            "training.precision = \"tf32\" needs tf32 tensor cores, which {} does not have. Use \
             training.precision=f32 or bf16.",
            device.name
        ))),
        (Precision::F32 | Precision::Tf32, true) => Ok(Some("tf32 where Burn finds it faster")),
        (Precision::F32 | Precision::Bf16, _) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Precision::{Bf16, F32, Tf32};

    fn text(precisions: &[Precision], request: DeviceRequest) -> String {
        match check(precisions.iter().copied(), request) {
            Ok(None) => String::new(),
            Ok(Some(note)) => format!("note: {note}"),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn a_cpu_has_no_tf32() {
        assert_eq!(text(&[F32, Bf16], DeviceRequest::Cpu), "");
        let found = text(&[F32, Tf32], DeviceRequest::Cpu);
        assert!(found.starts_with("error:") && found.contains("needs device cuda:N"), "{found}");
    }

    #[test]
    fn a_gpu_cannot_tell_f32_from_tf32() {
        let gpu = DeviceRequest::Cuda(1);
        assert_eq!(text(&[Tf32, Bf16], gpu), "");
        let found = text(&[F32, Bf16], gpu);
        assert!(found.starts_with("note: cuda:1 may multiply"), "{found}");
        let found = text(&[F32, Tf32], gpu);
        assert!(found.starts_with("error:") && found.contains("one computation"), "{found}");
    }

    #[test]
    fn an_open_device_keeps_it_or_says_so() {
        let open = |tf32| device::OpenDevice { tf32, ..device::open(DeviceRequest::Cpu).unwrap() };
        assert_eq!(kept(F32, &open(false)).unwrap(), None);
        assert!(kept(F32, &open(true)).unwrap().is_some());
        assert_eq!(kept(Bf16, &open(true)).unwrap(), None);
        assert!(kept(Tf32, &open(true)).unwrap().is_some());
        assert!(kept(Tf32, &open(false)).unwrap_err().to_string().contains("tf32 tensor cores"));
    }
}
