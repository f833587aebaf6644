//! What a GPU's memory is used for. The main trait is [`GpuMemory`], its implementation [`NvidiaSmi`].

use fovea_plan::DeviceRequest;
use fovea_records::provenance::Gpu;
use std::process::{Command, Stdio};

/// The memory of one GPU at one moment, in MiB.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// All of it.
    pub total: u64,
    /// What each process has of it, by process id.
    pub processes: Vec<(u32, u64)>,
}

/// Tells how the memory of a GPU is used. A trait, as the machine that tests run on may have none.
pub trait GpuMemory: Send + Sync + std::fmt::Debug {
    /// Of a device, or why that is not known, as a full sentence.
    ///
    /// # Errors
    /// When the device is no GPU, or nobody tells.
    fn read(&self, device: DeviceRequest) -> Result<MemoryUse, String>;

    /// What the GPU is, or why that is not known, as a full sentence. Unless it says otherwise, nobody knows.
    ///
    /// # Errors
    /// As those of [`read`](Self::read).
    fn describe(&self, device: DeviceRequest) -> Result<Gpu, String> {
        Err(format!("nobody tells what `{device}` is"))
    }
}

/// Asks `nvidia-smi`, wherever `PATH` has it.
#[derive(Clone, Copy, Debug, Default)]
pub struct NvidiaSmi;

impl GpuMemory for NvidiaSmi {
    fn read(&self, device: DeviceRequest) -> Result<MemoryUse, String> {
        let gpu = name(device).ok_or("a CPU has no memory of its own")?;
        let total = ask(&gpu, "--query-gpu=memory.total")?;
        let total = total.trim().parse().map_err(|_| format!("nvidia-smi says `{}`", total.trim()))?;
        let processes = parse(&ask(&gpu, "--query-compute-apps=pid,used_memory")?);
        Ok(MemoryUse { total, processes })
    }

    fn describe(&self, device: DeviceRequest) -> Result<Gpu, String> {
        let gpu = name(device).ok_or("a CPU is no GPU")?;
        let line = ask(&gpu, "--query-gpu=name,driver_version")?;
        parse_gpu(&line).ok_or_else(|| format!("nvidia-smi says `{}`", line.trim()))
    }
}

/// What `nvidia-smi` calls a device; `None` for the CPU.
fn name(device: DeviceRequest) -> Option<String> {
    let index = match device {
        DeviceRequest::Cuda(index) => index,
        DeviceRequest::Auto => 0,
        DeviceRequest::Cpu => return None,
    };
    Some(visible(index, std::env::var("CUDA_VISIBLE_DEVICES").ok().as_deref()))
}

/// A line like `NVIDIA H100 80GB HBM3, 550.54.15`.
fn parse_gpu(lines: &str) -> Option<Gpu> {
    let (model, driver) = lines.lines().next()?.rsplit_once(',')?;
    let (model, driver) = (model.trim().to_owned(), driver.trim().to_owned());
    (!model.is_empty() && !driver.is_empty()).then_some(Gpu { model, driver })
}

/// What `nvidia-smi` calls the GPU that CUDA calls by this number: it does not look at `CUDA_VISIBLE_DEVICES`.
fn visible(index: usize, devices: Option<&str>) -> String {
    let named = devices.and_then(|list| list.split(',').map(str::trim).nth(index));
    named.filter(|name| !name.is_empty()).map_or_else(|| index.to_string(), str::to_owned)
}

fn ask(gpu: &str, query: &str) -> Result<String, String> {
    let mut command = Command::new("nvidia-smi");
    command.args(["-i", gpu, query, "--format=csv,noheader,nounits"]).stdin(Stdio::null());
    let output = command.output().map_err(|e| format!("nvidia-smi cannot be started: {e}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let said = String::from_utf8_lossy(&output.stdout);
        Err(format!("nvidia-smi failed ({}): {}", output.status, said.trim()))
    }
}

/// Lines like `1234, 512`; of a process whose memory the driver does not tell (`[N/A]`) nothing is known.
fn parse(lines: &str) -> Vec<(u32, u64)> {
    let line = |line: &str| {
        let (pid, used) = line.split_once(',')?;
        Some((pid.trim().parse().ok()?, used.trim().parse().ok()?))
    };
    lines.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_nvidia_smi_are_read_and_gpus_have_the_names_it_knows() {
        assert_eq!(parse("17, 512\n18, [N/A]\n\n 19,1024 \n"), [(17, 512), (19, 1024)]);
        assert_eq!(visible(1, None), "1");
        assert_eq!(visible(1, Some("GPU-a, GPU-b")), "GPU-b");
        assert_eq!(visible(2, Some("5")), "2");
        let gpu = Gpu { model: "NVIDIA H100 80GB HBM3".into(), driver: "550.54.15".into() };
        assert_eq!(parse_gpu("NVIDIA H100 80GB HBM3, 550.54.15\n"), Some(gpu));
        assert_eq!(parse_gpu("No devices were found\n"), None);
        assert!(NvidiaSmi.describe(DeviceRequest::Cpu).is_err());
        assert!(NvidiaSmi.read(DeviceRequest::Cpu).unwrap_err().contains("CPU"));
    }
}
