use std::mem::offset_of;

use super::*;

/// Parses and validates WGSL; every shader is joined with the colours, as the pipelines do.
fn module(source: &str) -> naga::Module {
    let module =
        naga::front::wgsl::parse_str(source).unwrap_or_else(|error| panic!("{}", error.emit_to_string(source)));
    let mut validator =
        naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::empty());
    validator.validate(&module).unwrap_or_else(|error| panic!("{}", error.emit_to_string(source)));
    module
}

#[test]
fn every_shader_is_valid_without_any_optional_capability() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let colormap = std::fs::read_to_string(folder.join("colormap.wgsl")).unwrap();
    let mut shaders = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(path.extension().unwrap(), "wgsl", "{}", path.display());
        let source = std::fs::read_to_string(&path).unwrap();
        module(&if path.ends_with("colormap.wgsl") { source } else { colormap.clone() + &source });
        shaders += 1;
    }
    assert!(shaders >= 2);
}

#[test]
fn the_uniform_lies_in_memory_as_the_shader_reads_it() {
    let module = module(HEATMAP_WGSL);
    let (_, ty) = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some("Heatmap")).unwrap();
    let naga::TypeInner::Struct { members, span } = &ty.inner else { panic!("Heatmap is a struct") };
    let in_shader: Vec<(&str, usize)> =
        members.iter().map(|member| (member.name.as_deref().unwrap(), member.offset as usize)).collect();
    macro_rules! offsets {
        ($($field:ident),* $(,)?) => { vec![$((stringify!($field), offset_of!(gpu_data::Heatmap, $field))),*] };
    }
    let in_rust = offsets![
        cell_origin,
        cell_step,
        frame_origin,
        pattern_origin,
        size,
        is_log,
        is_smooth,
        low,
        inverse_span,
        bands,
        line_levels,
        line_half_width,
        casing_half_width,
        pattern_period,
        stripe_half_width,
        broken_ground,
        broken_ink,
        unknown_ground,
        unknown_ink,
        dot_radius,
        _padding_0,
        _padding_1,
        _padding_2,
    ];
    assert_eq!(in_shader, in_rust);
    assert_eq!(*span as usize, size_of::<gpu_data::Heatmap>());
}

#[test]
fn without_wgpu_heatmaps_are_images() {
    assert_eq!(install(None), Renderer::Image);
}
