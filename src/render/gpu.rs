//! The heatmap's pipeline, its textures by heatmap, and the paint callback that egui calls for each of them.
//!
//! Values are uploaded raw, once a revision; range, scale, contours and panning are a uniform write.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytemuck::Zeroable as _;
use eframe::egui_wgpu::{self, CallbackResources, CallbackTrait, RenderState, ScreenDescriptor};

use super::colormap::ColorMap;
use super::field::{CellState, Field};
use super::raster::{self, Ground, Hatching, View};
use super::style::{HeatmapStyle, Ramp};

/// `shaders/heatmap.wgsl` with what it uses; WGSL needs no order of declarations.
pub const HEATMAP_WGSL: &str =
    concat!(include_str!("../../shaders/colormap.wgsl"), include_str!("../../shaders/heatmap.wgsl"));

/// How long the textures of a heatmap that is no longer drawn are kept, so that a change of tabs uploads nothing.
const KEEP_UNUSED: Duration = Duration::from_secs(5);

mod gpu_data {
    /// Mirrors `Heatmap` in `shaders/heatmap.wgsl`.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
    pub(super) struct Heatmap {
        pub cell_origin: [f32; 2],
        pub cell_step: [f32; 2],
        pub frame_origin: [f32; 2],
        pub pattern_origin: [f32; 2],
        pub size: [i32; 2],
        pub is_log: u32,
        pub is_smooth: u32,
        pub low: f32,
        pub inverse_span: f32,
        pub bands: f32,
        pub line_levels: f32,
        pub line_half_width: f32,
        pub casing_half_width: f32,
        pub pattern_period: f32,
        pub stripe_half_width: f32,
        pub broken_ground: [f32; 4],
        pub broken_ink: [f32; 4],
        pub unknown_ground: [f32; 4],
        pub unknown_ink: [f32; 4],
        pub dot_radius: f32,
        pub _padding_0: f32,
        pub _padding_1: f32,
        pub _padding_2: f32,
    }
}

/// How heatmaps are drawn in this window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Renderer {
    /// On the CPU, into an image: without wgpu, and in tests.
    #[default]
    Image,
    /// By wgpu.
    Gpu {
        /// Fields with more cells along a side than this are drawn on the CPU.
        max_side: u32,
    },
}

/// Builds the pipeline in the window's renderer. To be called once, with `cc.wgpu_render_state`.
///
/// `None` (no wgpu), and a device that refuses the pipeline, give [`Renderer::Image`].
pub fn install(state: Option<&RenderState>) -> Renderer {
    let Some(state) = state else {
        return Renderer::Image;
    };
    let scope = state.device.push_error_scope(wgpu::ErrorFilter::Validation);
    let resources = Resources::new(&state.device, state.target_format);
    if let Some(error) = pollster::block_on(scope.pop()) {
        log::warn!("heatmaps are drawn on the CPU because this GPU refused the shader: {error}");
        return Renderer::Image;
    }
    state.renderer.write().callback_resources.insert(resources);
    Renderer::Gpu { max_side: state.device.limits().max_texture_dimension_2d }
}

/// Whether the processor draws, as a software driver or because there is no wgpu at all.
pub fn is_software(state: Option<&RenderState>) -> bool {
    state.is_none_or(|state| state.adapter.get_info().device_type == wgpu::DeviceType::Cpu)
}

/// A paint callback that fills `frame` (in points) with the part of the field that `view` shows.
pub(super) fn paint_callback(
    id: egui::Id,
    field: &Arc<Field>,
    style: &HeatmapStyle,
    view: &View,
    ground: Ground,
    frame: egui::Rect,
) -> egui::Shape {
    let uniform = uniform(field, style, view, ground, frame);
    let callback = HeatmapCallback { id, field: Arc::clone(field), style: style.clone(), uniform };
    egui_wgpu::Callback::new_paint_callback(frame, callback).into()
}

fn uniform(field: &Field, style: &HeatmapStyle, view: &View, ground: Ground, frame: egui::Rect) -> gpu_data::Heatmap {
    let ramp = Ramp::of(style);
    let hatching = Hatching::on(ground);
    let grey = |level: f32| [level, level, level, 1.0];
    gpu_data::Heatmap {
        cell_origin: view.cell_origin,
        cell_step: view.cell_step,
        frame_origin: [frame.left() * view.scale, frame.top() * view.scale],
        pattern_origin: view.pattern_origin,
        size: [field.width as i32, field.height as i32],
        is_log: u32::from(ramp.log),
        is_smooth: u32::from(style.smooth),
        low: ramp.low,
        inverse_span: ramp.inverse_span,
        bands: style.contours.band_count() as f32,
        line_levels: style.contours.line_levels() as f32,
        line_half_width: raster::LINE_HALF_WIDTH * view.scale,
        casing_half_width: raster::CASING_HALF_WIDTH * view.scale,
        pattern_period: raster::PATTERN_PERIOD * view.scale,
        stripe_half_width: raster::STRIPE_HALF_WIDTH * view.scale,
        broken_ground: grey(hatching.broken_ground),
        broken_ink: grey(hatching.broken_ink),
        unknown_ground: grey(hatching.unknown_ground),
        unknown_ink: grey(hatching.unknown_ink),
        dot_radius: raster::DOT_RADIUS * view.scale,
        ..gpu_data::Heatmap::zeroed()
    }
}

struct HeatmapCallback {
    id: egui::Id,
    field: Arc<Field>,
    style: HeatmapStyle,
    uniform: gpu_data::Heatmap,
}

impl CallbackTrait for HeatmapCallback {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        _screen: &ScreenDescriptor,
        _encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        if let Some(resources) = resources.get_mut::<Resources>() {
            resources.prepare(device, queue, self);
        }
        Vec::new()
    }

    fn finish_prepare(
        &self,
        _device: &wgpu::Device,
        _queue: &wgpu::Queue,
        _encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        if let Some(resources) = resources.get_mut::<Resources>() {
            resources.drawn.retain(|_, drawn| drawn.last_used.elapsed() < KEEP_UNUSED);
        }
        Vec::new()
    }

    fn paint(
        &self,
        _info: egui::PaintCallbackInfo,
        pass: &mut wgpu::RenderPass<'static>,
        resources: &CallbackResources,
    ) {
        let Some(resources) = resources.get::<Resources>() else {
            return;
        };
        if let Some(drawn) = resources.drawn.get(&self.id) {
            pass.set_pipeline(&resources.pipeline);
            pass.set_bind_group(0, &drawn.bind_group, &[]);
            pass.draw(0..3, 0..1);
        }
    }
}

/// What lives as long as the window's renderer.
struct Resources {
    pipeline: wgpu::RenderPipeline,
    layout: wgpu::BindGroupLayout,
    drawn: HashMap<egui::Id, Drawn>,
}

/// What one heatmap has on the GPU, and which data that is.
struct Drawn {
    uniform: wgpu::Buffer,
    values: wgpu::Texture,
    states: wgpu::Texture,
    colors: wgpu::Texture,
    bind_group: wgpu::BindGroup,
    size: [u32; 2],
    revision: Option<u64>,
    palette: Option<(ColorMap, bool)>,
    last_used: Instant,
}

impl Resources {
    fn new(device: &wgpu::Device, target: wgpu::TextureFormat) -> Self {
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("heatmap"),
            source: wgpu::ShaderSource::Wgsl(HEATMAP_WGSL.into()),
        });
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("heatmap"),
            entries: &[
                layout_entry(
                    0,
                    wgpu::BindingType::Buffer {
                        ty: wgpu::BufferBindingType::Uniform,
                        has_dynamic_offset: false,
                        min_binding_size: NonZeroU64::new(size_of::<gpu_data::Heatmap>() as u64),
                    },
                ),
                layout_entry(1, texture_type(wgpu::TextureSampleType::Float { filterable: false })),
                layout_entry(2, texture_type(wgpu::TextureSampleType::Uint)),
                layout_entry(3, texture_type(wgpu::TextureSampleType::Float { filterable: false })),
            ],
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some("heatmap"),
            bind_group_layouts: &[Some(&layout)],
            ..Default::default()
        });
        let pipeline = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some("heatmap"),
            layout: Some(&pipeline_layout),
            vertex: wgpu::VertexState {
                module: &module,
                entry_point: Some("vs_main"),
                buffers: &[],
                compilation_options: wgpu::PipelineCompilationOptions::default(),
            },
            primitive: wgpu::PrimitiveState::default(),
            depth_stencil: None,
            multisample: wgpu::MultisampleState::default(),
            fragment: Some(wgpu::FragmentState {
                module: &module,
                entry_point: Some(if target.is_srgb() { "fs_linear" } else { "fs_gamma" }),
                targets: &[Some(wgpu::ColorTargetState {
                    format: target,
                    blend: Some(wgpu::BlendState::PREMULTIPLIED_ALPHA_BLENDING),
                    write_mask: wgpu::ColorWrites::ALL,
                })],
                compilation_options: wgpu::PipelineCompilationOptions::default(),
            }),
            multiview_mask: None,
            cache: None,
        });
        Self { pipeline, layout, drawn: HashMap::new() }
    }

    fn prepare(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, callback: &HeatmapCallback) {
        let size = [callback.field.width as u32, callback.field.height as u32];
        self.drawn.retain(|id, drawn| *id != callback.id || drawn.size == size);
        let drawn = self.drawn.entry(callback.id).or_insert_with(|| Drawn::new(device, &self.layout, size));
        drawn.last_used = Instant::now();
        if drawn.revision != Some(callback.field.revision) {
            drawn.upload_field(queue, &callback.field);
        }
        let palette = (callback.style.map, callback.style.reversed);
        if drawn.palette != Some(palette) {
            write_texture(queue, &drawn.colors, bytemuck::cast_slice(&callback.style.table()), 4);
            drawn.palette = Some(palette);
        }
        queue.write_buffer(&drawn.uniform, 0, bytemuck::bytes_of(&callback.uniform));
    }
}

impl Drawn {
    fn new(device: &wgpu::Device, layout: &wgpu::BindGroupLayout, size: [u32; 2]) -> Self {
        let uniform = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("heatmap"),
            size: size_of::<gpu_data::Heatmap>() as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let values = create_texture(device, "heatmap values", size, wgpu::TextureFormat::R32Float);
        let states = create_texture(device, "heatmap states", size, wgpu::TextureFormat::R8Uint);
        let colors = create_texture(device, "heatmap colours", [256, 1], wgpu::TextureFormat::Rgba8Unorm);
        let [values_view, states_view, colors_view] =
            [&values, &states, &colors].map(|texture| texture.create_view(&wgpu::TextureViewDescriptor::default()));
        let entry = |binding, resource| wgpu::BindGroupEntry { binding, resource };
        let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("heatmap"),
            layout,
            entries: &[
                entry(0, uniform.as_entire_binding()),
                entry(1, wgpu::BindingResource::TextureView(&values_view)),
                entry(2, wgpu::BindingResource::TextureView(&states_view)),
                entry(3, wgpu::BindingResource::TextureView(&colors_view)),
            ],
        });
        let last_used = Instant::now();
        Self { uniform, values, states, colors, bind_group, size, revision: None, palette: None, last_used }
    }

    fn upload_field(&mut self, queue: &wgpu::Queue, field: &Field) {
        let cells = (0..field.height).flat_map(|y| (0..field.width).map(move |x| (x, y)));
        let states: Vec<CellState> = cells.clone().map(|(x, y)| field.state(x, y)).collect();
        let finite = |(state, (x, y))| {
            if state == CellState::Finite { field.get(x, y) } else { None }
        };
        let values: Vec<f32> = states.iter().copied().zip(cells).map(|cell| finite(cell).unwrap_or(0.0)).collect();
        let states: Vec<u8> = states.into_iter().map(|state| state as u8).collect();
        write_texture(queue, &self.values, bytemuck::cast_slice(&values), 4);
        write_texture(queue, &self.states, &states, 1);
        self.revision = Some(field.revision);
    }
}

fn layout_entry(binding: u32, ty: wgpu::BindingType) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry { binding, visibility: wgpu::ShaderStages::FRAGMENT, ty, count: None }
}

fn texture_type(sample_type: wgpu::TextureSampleType) -> wgpu::BindingType {
    wgpu::BindingType::Texture { sample_type, view_dimension: wgpu::TextureViewDimension::D2, multisampled: false }
}

fn create_texture(device: &wgpu::Device, label: &str, size: [u32; 2], format: wgpu::TextureFormat) -> wgpu::Texture {
    device.create_texture(&wgpu::TextureDescriptor {
        label: Some(label),
        size: wgpu::Extent3d { width: size[0], height: size[1], depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
        view_formats: &[],
    })
}

fn write_texture(queue: &wgpu::Queue, texture: &wgpu::Texture, bytes: &[u8], bytes_per_texel: u32) {
    let layout = wgpu::TexelCopyBufferLayout {
        offset: 0,
        bytes_per_row: Some(texture.width() * bytes_per_texel),
        rows_per_image: Some(texture.height()),
    };
    queue.write_texture(texture.as_image_copy(), bytes, layout, texture.size());
}

#[cfg(test)]
#[path = "gpu_tests.rs"]
mod tests;
