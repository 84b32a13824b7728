use eframe::egui_wgpu::{self, RenderState, RendererOptions};
use egui::{Vec2, vec2};
use egui_kittest::Harness;
use egui_kittest::wgpu::{WgpuTestRenderer, create_render_state, default_wgpu_setup};
use image::RgbaImage;

use super::super::colormap::ColorMap;
use super::super::style::Contours;
use super::*;

/// Two valleys and a wall, with cells that are infinite, not a number, and not computed yet.
fn landscape(side: usize) -> Field {
    let along = |cell: usize| cell as f32 / (side - 1) as f32 * 4.0 - 2.0;
    let value = |x: f32, y: f32| {
        let valley = |at: f32| (x - at).powi(2) + (y + 0.4 * at).powi(2);
        0.02 + valley(-1.0).min(valley(1.1)) + 1.5 * (-4.0 * x * x).exp()
    };
    let cells = (0..side).flat_map(|y| (0..side).map(move |x| (x, y)));
    let mut field = Field::from_values(side, side, cells.map(|(x, y)| value(along(x), along(y))).collect());
    for x in 0..side / 4 {
        field.set(x, side - 1, f32::NAN);
        field.set(x, side - 2, f32::INFINITY);
    }
    for index in 0..side {
        field.known[index * side + side - 1] = false;
    }
    field.touch();
    field
}

fn styles() -> [HeatmapStyle; 6] {
    let base = HeatmapStyle { clip: (0.02, 4.0), ..HeatmapStyle::default() };
    let contours = |bands, lines| Contours { bands, lines };
    [
        base.clone(),
        HeatmapStyle { smooth: false, reversed: true, map: ColorMap::Magma, ..base.clone() },
        HeatmapStyle { log: true, contours: contours(None, true), map: ColorMap::Batlow, ..base.clone() },
        HeatmapStyle { contours: contours(Some(8), true), ..base.clone() },
        HeatmapStyle { contours: contours(Some(5), false), log: true, map: ColorMap::Cividis, ..base.clone() },
        HeatmapStyle { smooth: false, contours: contours(Some(6), true), map: ColorMap::Diverging, ..base },
    ]
}

fn item(field: &Arc<Field>, style: &HeatmapStyle, renderer: Renderer) -> HeatmapItem {
    HeatmapItem::new(
        egui::Id::unique("landscape"),
        Arc::clone(field),
        (-2.0, 2.0),
        (-2.0, 2.0),
        style.clone(),
        renderer,
    )
}

/// A renderer for textures of `format`, of which egui prefers the one that does not encode by itself.
fn render_state(format: wgpu::TextureFormat) -> RenderState {
    let mut state = create_render_state(default_wgpu_setup(), RendererOptions::PREDICTABLE);
    let renderer = egui_wgpu::Renderer::new(&state.device, format, RendererOptions::PREDICTABLE);
    state.renderer = Arc::new(egui::mutex::RwLock::new(renderer));
    state.target_format = format;
    state
}

/// Draws items into frames of one window and photographs it.
fn photograph(
    size: Vec2,
    scale: f32,
    parts: impl Fn(Renderer) -> Vec<(HeatmapItem, PlotTransform)> + 'static,
) -> RgbaImage {
    photograph_in(wgpu::TextureFormat::Rgba8Unorm, size, scale, parts)
}

fn photograph_in(
    format: wgpu::TextureFormat,
    size: Vec2,
    scale: f32,
    parts: impl Fn(Renderer) -> Vec<(HeatmapItem, PlotTransform)> + 'static,
) -> RgbaImage {
    let state = render_state(format);
    let renderer = gpu::install(Some(&state));
    assert!(matches!(renderer, Renderer::Gpu { .. }), "the shader was refused");
    let mut harness = Harness::builder()
        .with_size(size)
        .with_pixels_per_point(scale)
        .renderer(WgpuTestRenderer::from_render_state(state))
        .build_ui(move |ui| {
            for (item, transform) in parts(renderer) {
                let mut shapes = Vec::new();
                item.shapes(ui, &transform, &mut shapes);
                let painter = ui.ctx().layer_painter(egui::LayerId::background());
                painter.with_clip_rect(*transform.frame()).extend(shapes);
            }
        });
    harness.run();
    harness.render().unwrap()
}

fn transform(frame: Rect, x: [f64; 2], y: [f64; 2]) -> PlotTransform {
    PlotTransform::new(frame, PlotBounds::from_min_max([x[0], y[0]], [x[1], y[1]]), [false; 2])
}

/// How many pixels differ by more than a little, where both have a colour.
fn differing(one: &RgbaImage, other: &RgbaImage) -> usize {
    assert_eq!(one.dimensions(), other.dimensions());
    let far = |one: [u8; 4], other: [u8; 4]| one.iter().zip(other).any(|(one, other)| one.abs_diff(other) > 6);
    one.pixels().zip(other.pixels()).filter(|(one, other)| other.0[3] > 0 && far(one.0, other.0)).count()
}

#[test]
#[ignore = "needs a wgpu adapter"]
fn the_gpu_draws_what_its_twin_draws() {
    let field = Arc::new(landscape(25));
    let frame = Rect::from_min_size(pos2(8.0, 5.0), vec2(230.0, 180.0));
    let views = [transform(frame, [-2.2, 2.2], [-2.2, 2.2]), transform(frame, [-1.31, -1.07], [0.2, 0.3])];
    for (scale, view) in [(1.0, views[0]), (2.0, views[0]), (1.0, views[1])] {
        for style in styles() {
            let (of, with) = (Arc::clone(&field), style.clone());
            let photo = photograph(vec2(250.0, 200.0), scale, move |renderer| vec![(item(&of, &with, renderer), view)]);
            let corner = (frame.min.to_vec2() * scale).round();
            let size = frame.size() * scale;
            let (width, height) = (size.x as u32, size.y as u32);
            let photo = image::imageops::crop_imm(&photo, corner.x as u32, corner.y as u32, width, height).to_image();
            let item = item(&field, &style, Renderer::Image);
            let twin = raster::draw(&field, &style, &item.view(&view, scale).unwrap(), Ground::Dark, [width, height]);
            let allowed = (width * height) as usize / 200;
            let differing = differing(&photo, &twin);
            assert!(differing <= allowed, "{style:?} at {scale}: {differing} of {} pixels differ", width * height);
        }
    }
}

#[test]
#[ignore = "needs a wgpu adapter"]
fn two_heatmaps_on_screen_keep_their_own_values() {
    let (low, high) =
        (Arc::new(Field::from_values(2, 2, vec![0.0; 4])), Arc::new(Field::from_values(3, 1, vec![1.0; 3])));
    let style = HeatmapStyle::default();
    let ends = [style.color_at(0.0), style.color_at(1.0)];
    let photo = photograph(vec2(100.0, 60.0), 1.0, move |renderer| {
        let frame = |left| Rect::from_min_size(pos2(left, 0.0), vec2(50.0, 60.0));
        let part = |id: &str, field: &Arc<Field>, left| {
            let item = HeatmapItem::new(
                egui::Id::unique(id),
                Arc::clone(field),
                (0.0, 1.0),
                (0.0, 1.0),
                style.clone(),
                renderer,
            );
            (item, transform(frame(left), [0.2, 0.8], [0.2, 0.8]))
        };
        vec![part("low", &low, 0.0), part("high", &high, 50.0)]
    });
    assert_eq!(photo.get_pixel(25, 30).0[..3], ends[0]);
    assert_eq!(photo.get_pixel(75, 30).0[..3], ends[1]);
    assert_eq!(photo.get_pixel(49, 30).0[..3], ends[0], "clipped to its frame");
}

#[test]
#[ignore = "needs a wgpu adapter"]
fn targets_that_encode_srgb_show_the_same_colours() {
    let photos = [wgpu::TextureFormat::Rgba8Unorm, wgpu::TextureFormat::Rgba8UnormSrgb].map(|format| {
        let (field, style) = (Arc::new(landscape(25)), styles()[3].clone());
        photograph_in(format, vec2(200.0, 200.0), 1.0, move |renderer| {
            let frame = Rect::from_min_size(pos2(0.0, 0.0), vec2(200.0, 200.0));
            vec![(item(&field, &style, renderer), transform(frame, [-2.0, 2.0], [-2.0, 2.0]))]
        })
    });
    assert_eq!(differing(&photos[0], &photos[1]), 0);
}

#[test]
fn a_plot_without_wgpu_draws_an_image_and_survives_every_shape_of_field() {
    let fields = [
        landscape(9),
        Field::from_values(1, 1, vec![f32::NAN]),
        Field::from_values(1, 4, vec![0.0, -1.0, f32::INFINITY, 2.0]),
        Field::from_values(4, 1, vec![1.0; 4]),
        Field::unknown(2, 2),
        Field::from_values(0, 3, Vec::new()),
    ];
    for field in fields.map(Arc::new) {
        for size in [vec2(200.0, 150.0), vec2(1.0, 1.0), vec2(0.0, 0.0)] {
            let field = Arc::clone(&field);
            let mut harness = Harness::builder().with_size(vec2(220.0, 170.0)).build_ui(move |ui| {
                egui_plot::Plot::new("plot").width(size.x).height(size.y).show(ui, |plot| {
                    plot.add(item(&field, &HeatmapStyle { log: true, ..HeatmapStyle::default() }, Renderer::Image));
                });
            });
            harness.run_steps(3);
        }
    }
}

#[test]
fn the_cell_under_a_position_is_the_one_drawn_there() {
    let field = Arc::new(landscape(5));
    let item = item(&field, &HeatmapStyle::default(), Renderer::Image);
    assert_eq!(item.cell_at(PlotPoint::new(-2.0, 2.0)), Some((0, 4)));
    assert_eq!(item.cell_at(PlotPoint::new(0.49, -0.51)), Some((2, 1)));
    assert_eq!(item.cell_at(PlotPoint::new(2.49, 0.0)), Some((4, 2)));
    assert_eq!(item.cell_at(PlotPoint::new(2.51, 0.0)), None);
    assert_eq!(item.cell_at(PlotPoint::new(f64::NAN, 0.0)), None);
    assert_eq!(item.bounds().min(), [-2.5, -2.5]);
    assert_eq!(item.bounds().max(), [2.5, 2.5]);
}

#[test]
#[ignore = "writes pictures to look at, and needs a wgpu adapter"]
fn look_at_heatmaps() {
    let folder = std::path::Path::new("/tmp/render-look");
    std::fs::create_dir_all(folder).unwrap();
    for (index, style) in styles().iter().enumerate() {
        raster::to_image(&landscape(31), style, 360, 360).save(folder.join(format!("image-{index}.png"))).unwrap();
    }
    for theme in [egui::Theme::Dark, egui::Theme::Light] {
        for (index, style) in styles().into_iter().enumerate().skip(2).take(2) {
            let state = create_render_state(default_wgpu_setup(), RendererOptions::PREDICTABLE);
            let renderer = gpu::install(Some(&state));
            let field = Arc::new(landscape(41));
            let mut harness = Harness::builder()
                .with_size(vec2(620.0, 470.0))
                .with_theme(theme)
                .renderer(WgpuTestRenderer::from_render_state(state))
                .build_ui_state(
                    move |ui, style: &mut HeatmapStyle| {
                        let side = ui.available_height();
                        ui.horizontal_top(|ui| {
                            ui.set_height(side);
                            egui_plot::Plot::new("plane").width(500.0).height(side).data_aspect(1.0).show(ui, |plot| {
                                plot.add(item(&field, style, renderer));
                                let path = vec![[-1.0, 0.4], [0.2, 1.4], [1.1, -0.44]];
                                plot.line(egui_plot::Line::new("path", path).color(Color32::WHITE).width(2.0));
                            });
                            let range = field.finite_range().unwrap();
                            super::super::color_bar_ui(ui, style, range, "nats");
                        });
                    },
                    style,
                );
            harness.run();
            harness.render().unwrap().save(folder.join(format!("window-{theme:?}-{index}.png"))).unwrap();
        }
    }
    let mut coarse = landscape(41);
    for index in 0..41 * 41 {
        coarse.known[index] = index / 41 < 24;
    }
    coarse.touch();
    for ground in [Ground::Dark, Ground::Light] {
        let picture = raster::to_image_on(&coarse, &styles()[3], 360, 360, ground, 1.0);
        picture.save(folder.join(format!("half-known-{ground:?}.png"))).unwrap();
    }
    let (field, style) = (Arc::new(landscape(41)), styles()[3].clone());
    for (name, is_image) in [("gpu", false), ("image", true)] {
        let (field, style) = (Arc::clone(&field), style.clone());
        let photo = photograph(vec2(420.0, 420.0), 1.0, move |renderer| {
            let renderer = if is_image { Renderer::Image } else { renderer };
            let frame = Rect::from_min_size(pos2(10.0, 10.0), vec2(400.0, 400.0));
            vec![(item(&field, &style, renderer), transform(frame, [-2.3, 0.1], [0.0, 2.3]))]
        });
        photo.save(folder.join(format!("zoomed-{name}.png"))).unwrap();
    }
}
