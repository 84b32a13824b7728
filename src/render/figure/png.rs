//! From SVG to PNG, with the fonts that the window uses.

use std::sync::{Arc, OnceLock};

use resvg::tiny_skia::{FilterQuality, Pixmap, PixmapPaint, Transform};
use resvg::usvg::{self, ImageKind, Node};

/// Why a figure has no PNG.
#[derive(Debug, thiserror::Error)]
pub enum FigureError {
    /// The text is not SVG.
    #[error("not an SVG figure")]
    Parse(#[from] usvg::Error),
    /// The picture would have no pixels, or too many.
    #[error("a figure of {width} x {height} at scale {scale} does not fit into a picture of 1 to {most} pixels a side")]
    Size {
        /// The figure's width.
        width: f32,
        /// The figure's height.
        height: f32,
        /// Pixels a unit.
        scale: f32,
        /// The largest side.
        most: u32,
    },
    /// A picture inside the figure cannot be read, or the PNG cannot be written.
    #[error("PNG: {0}")]
    Png(String),
}

/// The largest side of a PNG.
const MOST_PIXELS: u32 = 16_384;

/// Draws an SVG figure, `scale` pixels a unit. Needs neither a display nor fonts on the system.
///
/// Of figures like ours: pictures are PNGs, not clipped, masked, filtered or translucent; everything else stands in groups (a
/// straight line beside a picture, in no group, would be left out).
pub fn svg_to_png(svg: &str, scale: f32) -> Result<Vec<u8>, FigureError> {
    let options = usvg::Options {
        font_family: "Ubuntu".to_owned(),
        fontdb: fonts(),
        // Only what is inside the file; a figure never reads another one.
        image_href_resolver: usvg::ImageHrefResolver {
            resolve_data: usvg::ImageHrefResolver::default_data_resolver(),
            resolve_string: Box::new(|_, _| None),
        },
        ..usvg::Options::default()
    };
    let tree = usvg::Tree::from_str(svg, &options)?;
    let (width, height) = (tree.size().width(), tree.size().height());
    let side = |length: f32| (length * scale).round();
    let fits = |length: f32| (1.0..=MOST_PIXELS as f32).contains(&side(length));
    let too_large = FigureError::Size { width, height, scale, most: MOST_PIXELS };
    if !fits(width) || !fits(height) {
        return Err(too_large);
    }
    let mut picture = Pixmap::new(side(width) as u32, side(height) as u32).ok_or(too_large)?;
    draw(tree.root().children(), Transform::from_scale(scale, scale), &mut picture)?;
    picture.encode_png().map_err(|error| FigureError::Png(error.to_string()))
}

/// Draws nodes in order. Pictures are ours to draw: resvg is built without its decoders for every raster format there is.
fn draw(nodes: &[Node], transform: Transform, onto: &mut Pixmap) -> Result<(), FigureError> {
    for node in nodes {
        match node {
            Node::Image(image) => {
                let ImageKind::PNG(bytes) = image.kind() else {
                    return Err(FigureError::Png("a picture in the figure is not a PNG".to_owned()));
                };
                let picture = Pixmap::decode_png(bytes).map_err(|error| FigureError::Png(error.to_string()))?;
                let paint = PixmapPaint { quality: FilterQuality::Bilinear, ..PixmapPaint::default() };
                onto.draw_pixmap(0, 0, picture.as_ref(), &paint, transform.pre_concat(image.abs_transform()), None);
            }
            Node::Group(group) if has_picture(node) => draw(group.children(), transform, onto)?,
            Node::Group(_) | Node::Path(_) | Node::Text(_) => {
                let Some(bounds) = node.abs_layer_bounding_box() else {
                    continue;
                };
                // `render_node` moves the node to the origin; this moves it back.
                resvg::render_node(node, transform.pre_translate(bounds.x(), bounds.y()), &mut onto.as_mut());
            }
        }
    }
    Ok(())
}

fn has_picture(node: &Node) -> bool {
    match node {
        Node::Image(_) => true,
        Node::Group(group) => group.children().iter().any(has_picture),
        Node::Path(_) | Node::Text(_) => false,
    }
}

/// egui's fonts: Ubuntu for text, the others for what it lacks.
fn fonts() -> Arc<usvg::fontdb::Database> {
    static FONTS: OnceLock<Arc<usvg::fontdb::Database>> = OnceLock::new();
    let load = || {
        let mut fonts = usvg::fontdb::Database::new();
        for data in egui::FontDefinitions::default().font_data.into_values() {
            fonts.load_font_source(usvg::fontdb::Source::Binary(Arc::clone(&data.font)));
        }
        fonts.set_sans_serif_family("Ubuntu");
        Arc::new(fonts)
    };
    Arc::clone(FONTS.get_or_init(load))
}
