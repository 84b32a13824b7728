//! Chooses where tensors live: a real GPU through wgpu where there is one, burn's flex device on the CPU otherwise.
//!
//! Compute has a wgpu device of its own: a fault there must not take the window down, and the fields that are drawn are
//! small enough to be read back and uploaded. (Should a profile ever ask for it, eframe's device can be handed to burn here.)

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::OnceLock;

use burn::tensor::{Device, DeviceKind};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What the user asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    /// A GPU if there is a real one, the CPU otherwise.
    #[default]
    Auto,
    Gpu,
    Cpu,
}

impl DeviceChoice {
    pub const ALL: [Self; 3] = [Self::Auto, Self::Gpu, Self::Cpu];
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Gpu => "gpu",
            Self::Cpu => "cpu",
        })
    }
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|choice| choice.to_string() == text)
            .ok_or_else(|| format!("expected auto, gpu or cpu, found `{text}`"))
    }
}

/// Why the chosen device cannot be had.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DeviceError {
    #[error("no GPU: expected a Vulkan, Metal or DX12 adapter that is real hardware, found {found}")]
    NoGpu { found: String },
    #[error("the GPU `{name}` could not be opened: {reason}")]
    Open { name: String, reason: String },
}

/// A device ready for use, and what to call it.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(super) device: Device,
    name: String,
    is_gpu: bool,
}

impl Engine {
    /// Opens the device that `choice` asks for. `Auto` falls back to the CPU and says why in the name.
    pub fn open(choice: DeviceChoice) -> Result<Self, DeviceError> {
        match choice {
            DeviceChoice::Cpu => Ok(Self::cpu()),
            DeviceChoice::Gpu => Self::gpu(),
            DeviceChoice::Auto if !shows_graphics_device() => {
                log::info!("computing on the CPU: the system shows no graphics device");
                Ok(Self::named_cpu(", no GPU found"))
            }
            DeviceChoice::Auto => match Self::gpu() {
                Ok(engine) => Ok(engine),
                Err(error @ DeviceError::NoGpu { .. }) => {
                    log::info!("computing on the CPU: {error}");
                    Ok(Self::named_cpu(", no GPU found"))
                }
                Err(error) => {
                    log::warn!("computing on the CPU: {error}");
                    Ok(Self::named_cpu(", the GPU could not be opened"))
                }
            },
        }
    }

    /// All cores of the CPU, which is always there.
    pub fn cpu() -> Self {
        Self::named_cpu("")
    }

    fn named_cpu(why: &str) -> Self {
        let n_threads = rayon::current_num_threads();
        Self { device: Device::flex(), name: format!("CPU, {n_threads} threads{why}"), is_gpu: false }
    }

    /// burn's wgpu runtime can be set up once in a process; later engines share it.
    fn gpu() -> Result<Self, DeviceError> {
        static GPU: OnceLock<Result<Engine, DeviceError>> = OnceLock::new();
        GPU.get_or_init(|| {
            let (kind, name) = find_gpu()?;
            // The fallible constructor: `Device::wgpu` would panic at the first operation instead.
            match Device::wgpu_options().device_kind(kind).init() {
                Ok(device) => Ok(Self { device, name: format!("GPU: {name}"), is_gpu: true }),
                Err(error) => Err(DeviceError::Open { name, reason: error.to_string() }),
            }
        })
        .clone()
    }

    /// For the status bar: `GPU: NVIDIA H100`, `CPU, 8 threads, no GPU found`.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn is_gpu(&self) -> bool {
        self.is_gpu
    }
}

/// Whether the system shows a graphics device at all. Where it shows none, Vulkan's loader would only find a processor that
/// draws in software, and Mesa complains aloud of a desktop that is not there (`XDG_RUNTIME_DIR`).
fn shows_graphics_device() -> bool {
    /// Of Mesa's drivers, NVIDIA's, Windows' subsystem for Linux, Qualcomm's and Arm's.
    const NODES: [&str; 5] = ["/dev/dri", "/dev/nvidiactl", "/dev/dxg", "/dev/kgsl-3d0", "/dev/mali0"];
    !cfg!(target_os = "linux") || NODES.iter().any(|node| Path::new(node).exists())
}

/// The first adapter that is real hardware, discrete before integrated before virtual.
fn find_gpu() -> Result<(DeviceKind, String), DeviceError> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: wgpu::Backends::PRIMARY,
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY));
    let infos: Vec<wgpu::AdapterInfo> = adapters.iter().map(wgpu::Adapter::get_info).collect();
    for (wanted, kind) in [
        (wgpu::DeviceType::DiscreteGpu, DeviceKind::DiscreteGpu(0)),
        (wgpu::DeviceType::IntegratedGpu, DeviceKind::IntegratedGpu(0)),
        (wgpu::DeviceType::VirtualGpu, DeviceKind::VirtualGpu(0)),
    ] {
        if let Some(info) = infos.iter().find(|info| info.device_type == wanted) {
            return Ok((kind, info.name.clone()));
        }
    }
    let found = if infos.is_empty() {
        "none".to_owned()
    } else {
        infos.iter().map(|i| format!("{} ({:?})", i.name, i.device_type)).collect::<Vec<_>>().join(", ")
    };
    Err(DeviceError::NoGpu { found })
}
