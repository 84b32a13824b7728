use std::sync::Arc;

use super::*;
use crate::render::{ColorMap, Contours, Field, HeatmapStyle};

const BLUE: [u8; 3] = [31, 111, 235];
const ORANGE: [u8; 3] = [219, 109, 40];
const GREEN: [u8; 3] = [35, 134, 54];

fn plane() -> PlaneFigure {
    let side = 41;
    let along = |cell: usize| cell as f32 / (side - 1) as f32 * 28.0 - 4.0;
    let valley = |x: f32, y: f32, at: [f32; 2]| (x - at[0]).powi(2) + (y - at[1]).powi(2);
    let value = |x: f32, y: f32| {
        let nearest = valley(x, y, [0.0, 0.0]).min(valley(x, y, [20.0, 0.0])).min(valley(x, y, [10.0, 14.0]));
        0.02 + 0.03 * nearest
    };
    let cells = (0..side).flat_map(|y| (0..side).map(move |x| (x, y)));
    let mut field = Field::from_values(side, side, cells.map(|(x, y)| value(along(x), along(y))).collect());
    for x in 0..9 {
        field.set(x, side - 1, f32::NAN);
    }
    for y in 0..7 {
        field.known[y * side + side - 1] = false;
    }
    let marker = |label: &str, x, y, kind, color| Marker { label: label.to_owned(), x, y, kind, color };
    PlaneFigure {
        field: Arc::new(field),
        x: (-4.0, 24.0),
        y: (-4.0, 24.0),
        style: HeatmapStyle {
            map: ColorMap::Viridis,
            clip: (0.02, 6.0),
            log: true,
            contours: Contours { bands: Some(12), lines: true },
            ..HeatmapStyle::default()
        },
        title: "Two MLPs on MNIST & the <bend> between them".to_owned(),
        value_label: "test loss (nats)".to_owned(),
        x_label: "distance from A to B".to_owned(),
        y_label: "distance from the line".to_owned(),
        markers: vec![
            marker("A", 0.0, 0.0, MarkerKind::Endpoint, BLUE),
            marker("B", 20.0, 0.0, MarkerKind::Endpoint, ORANGE),
            marker("bend", 10.0, 14.0, MarkerKind::Bend, GREEN),
            marker("C", 23.5, 23.0, MarkerKind::Anchor, GREEN),
        ],
        paths: vec![
            Polyline { points: vec![[0.0, 0.0], [20.0, 0.0]], color: [90, 90, 90], dashed: true },
            Polyline { points: vec![[0.0, 0.0], [10.0, 14.0], [20.0, 0.0]], color: GREEN, dashed: false },
        ],
        caption: "Loss over the plane through A, B and the bend, 10,000 test images at each of 41 x 41 points. Hatched: not a \
                  number; dotted: not computed."
            .to_owned(),
        metadata: Some("lowroad plane A.pt B.pt bend.pt --data mnist --seed 1".to_owned()),
    }
}

fn curves() -> CurveFigure {
    let points = |height: f64| {
        (0..=60)
            .map(|step| f64::from(step) / 60.0)
            .map(|t| (t, 0.05 + height * (4.0 * t * (1.0 - t)).powi(2)))
            .collect()
    };
    let mut broken: Vec<(f64, f64)> = points(0.6);
    broken[20].1 = f64::INFINITY;
    broken[22].1 = f64::NAN;
    let series = |label: &str, color, dashed, points| Series {
        label: label.to_owned(),
        color,
        dashed,
        points,
        ..Series::default()
    };
    CurveFigure {
        series: vec![
            series("straight line", [90, 90, 90], true, points(1.9)),
            series("after activation matching", BLUE, false, broken),
            series("chain with one bend, 30 epochs of fitting", GREEN, false, points(0.02)),
        ],
        x_label: "t".to_owned(),
        y_label: "test loss (nats)".to_owned(),
        title: "Along the path".to_owned(),
        caption: "Barrier: largest loss less the mean of both ends.".to_owned(),
        ..CurveFigure::default()
    }
}

fn size_of_png(svg: &str) -> (u32, u32) {
    let png = svg_to_png(svg, 1.0).unwrap();
    let picture = image::load_from_memory(&png).unwrap().to_rgba8();
    let darkest = picture.pixels().map(|pixel| pixel.0[0]).min().unwrap();
    assert!(darkest < 100 && picture.pixels().all(|pixel| pixel.0[3] == 255));
    picture.dimensions()
}

#[test]
fn figures_parse_and_their_pngs_have_the_figures_size() {
    for svg in [plane().to_svg(), curves().to_svg(), CurveFigure { log: true, ..curves() }.to_svg()] {
        let tree = resvg::usvg::Tree::from_str(&svg, &resvg::usvg::Options::default()).unwrap();
        let (width, height) = size_of_png(&svg);
        assert!(
            (tree.size().width() - width as f32).abs() <= 1.0 && (tree.size().height() - height as f32).abs() <= 1.0
        );
    }
}

#[test]
fn panels_stand_above_one_another_under_one_legend() {
    let panels = vec![curves(), CurveFigure { y_label: "accuracy".to_owned(), ..curves() }];
    let stacked = StackedFigure { panels, title: "Both".to_owned(), ..StackedFigure::default() };
    let svg = stacked.to_svg();
    let (one, both) = (size_of_png(&curves().to_svg()), size_of_png(&svg));
    assert_eq!(one.0, both.0);
    assert!(both.1 > 3 * one.1 / 2, "{one:?} {both:?}");
    assert_eq!(svg.matches(">straight line</text>").count(), 1);
    assert!(svg.contains(">test loss (nats)</text>") && svg.contains(">accuracy</text>"));
    svg_to_png(&StackedFigure::default().to_svg(), 1.0).unwrap();
}

#[test]
fn only_whole_numbers_are_marked_where_things_are_counted() {
    let series = vec![Series { points: vec![(1.0, 0.1), (2.0, 0.2)], ..Series::default() }];
    let figure = |counts_x| CurveFigure { counts_x, series: series.clone(), ..CurveFigure::default() };
    let marks = |svg: &str, label: &str| svg.contains(&format!(">{label}<"));
    let (counted, measured) = (figure(true).to_svg(), figure(false).to_svg());
    assert!(marks(&counted, "1") && marks(&counted, "2") && !marks(&counted, "1.2"));
    assert!(marks(&measured, "1.0") && marks(&measured, "1.2"));
}

#[test]
fn panels_stand_beside_each_other_where_that_is_asked_for() {
    let stacked = StackedFigure { panels: vec![curves(); 4], columns: 2, ..StackedFigure::default() };
    let (one, four) = (size_of_png(&curves().to_svg()), size_of_png(&stacked.to_svg()));
    assert_eq!(four.0, 2 * one.0);
    assert!(four.1 < 3 * one.1, "two rows: {one:?} {four:?}");
}

#[test]
fn deviations_are_bars_that_the_axis_has_room_for() {
    let points = vec![(0.0, 1.0), (1.0, 2.0)];
    let plain = Series { points: points.clone(), ..Series::default() };
    let barred = Series { deviations: vec![0.1, 7.5], points, ..Series::default() };
    let svg = |series: &Series, y_range| {
        CurveFigure { series: vec![series.clone()], y_range, ..CurveFigure::default() }.to_svg()
    };
    let lines = |series: &Series| svg(series, Some((-10.0, 10.0))).matches("<polyline").count();
    assert_eq!(lines(&plain) + 6, lines(&barred), "two bars of three lines each");
    assert!(svg(&barred, None).contains(">5</text>") && !svg(&plain, None).contains(">5</text>"));
}

#[test]
fn texts_stay_texts_and_are_escaped() {
    let svg = plane().to_svg();
    assert!(svg.contains(">Two MLPs on MNIST &amp; the &lt;bend&gt; between them</text>"));
    assert!(svg.contains("<metadata>lowroad plane A.pt B.pt bend.pt --data mnist --seed 1</metadata>"));
    assert!(svg.contains(">test loss (nats) · log scale</text>"));
}

#[test]
fn a_colour_bar_has_a_tip_at_each_end_that_values_go_beyond() {
    let with_clip = |clip| {
        let style = HeatmapStyle { clip, log: false, ..HeatmapStyle::default() };
        PlaneFigure { style, markers: Vec::new(), paths: Vec::new(), ..plane() }.to_svg().matches("<polygon").count()
    };
    let (low, high) = plane().field.finite_range().unwrap();
    assert_eq!([(low, high), (low, 1.0), (1.0, high), (1.0, 2.0)].map(with_clip), [0, 1, 1, 2]);
}

#[test]
fn the_picture_inside_a_figure_reaches_its_png() {
    let figure = PlaneFigure { markers: Vec::new(), paths: Vec::new(), ..plane() };
    let png = svg_to_png(&figure.to_svg(), 1.0).unwrap();
    let picture = image::load_from_memory(&png).unwrap().to_rgb8();
    let colourful = picture.pixels().filter(|pixel| pixel.0.iter().max().unwrap() - pixel.0.iter().min().unwrap() > 60);
    assert!(colourful.count() > 50_000, "the heatmap is missing");
}

#[test]
fn straight_lines_reach_the_png() {
    let points = vec![(0.0, 0.5), (1.0, 0.5)];
    let flat = Series { color: [255, 0, 0], points, ..Series::default() };
    let figure = CurveFigure { series: vec![flat], y_range: Some((0.0, 1.0)), ..CurveFigure::default() };
    let png = svg_to_png(&figure.to_svg(), 1.0).unwrap();
    let picture = image::load_from_memory(&png).unwrap().to_rgb8();
    assert!(picture.pixels().filter(|pixel| pixel.0 == [255, 0, 0]).count() > 400);
}

#[test]
fn figures_of_nothing_and_of_broken_values_are_still_figures() {
    let empty = CurveFigure::default();
    let broken = Series { points: vec![(f64::NAN, 1.0), (0.5, f64::INFINITY), (1.0, -1.0)], ..Series::default() };
    let log = CurveFigure { series: vec![broken], log: true, ..CurveFigure::default() };
    for svg in [empty.to_svg(), log.to_svg()] {
        svg_to_png(&svg, 1.0).unwrap();
    }
    for field in
        [Field::from_values(1, 1, vec![1.0]), Field::unknown(0, 0), Field::from_values(1, 3, vec![f32::NAN; 3])]
    {
        for x in [(0.0, 0.0), (2.0, -2.0), (f64::NAN, 1.0)] {
            let figure = PlaneFigure { field: Arc::new(field.clone()), x, ..plane() };
            svg_to_png(&figure.to_svg(), 1.0).unwrap();
        }
    }
}

#[test]
fn what_is_not_a_figure_is_an_error() {
    assert!(matches!(svg_to_png("<html/>", 1.0), Err(FigureError::Parse(_))));
    for scale in [0.0, -1.0, f32::NAN, 1e6] {
        assert!(matches!(svg_to_png(&curves().to_svg(), scale), Err(FigureError::Size { .. })));
    }
}

#[test]
#[ignore = "writes pictures to look at"]
fn look_at_figures() {
    let folder = std::path::Path::new("/tmp/render-look");
    std::fs::create_dir_all(folder).unwrap();
    let wide = PlaneFigure { x: (-4.0, 60.0), title: String::new(), caption: String::new(), ..plane() };
    let linear = PlaneFigure {
        style: HeatmapStyle { map: ColorMap::Batlow, clip: (0.0, 6.0), log: false, ..HeatmapStyle::default() },
        ..plane()
    };
    let figures = [
        ("plane", plane().to_svg()),
        ("plane-wide", wide.to_svg()),
        ("plane-linear", linear.to_svg()),
        ("curves", curves().to_svg()),
        ("curves-log", CurveFigure { log: true, ..curves() }.to_svg()),
    ];
    for (name, svg) in figures {
        std::fs::write(folder.join(format!("{name}.svg")), &svg).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), svg_to_png(&svg, 1.5).unwrap()).unwrap();
    }
}
