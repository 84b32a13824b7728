//! The README's pictures, drawn by the window itself. `UPDATE_SCREENSHOTS=1` writes them; otherwise they are drawn again and
//! compared with those in `screenshots/`, so that they cannot go stale unseen. Without a wgpu adapter this is skipped, and says so.

use std::path::PathBuf;

use egui::Theme;
use egui_kittest::Harness;
use image::RgbaImage;
use lowroad::app::{Action, CompareOver, EnsembleForm, EnsembleKind, TrainingForm};
use lowroad::compute::DeviceChoice;
use lowroad::data::Attack;
use lowroad::ui::{Window, WindowOptions};

use crate::ui::{Screen, press, set, settle, until};

/// Mean difference of a colour channel, of 255, that drivers and fonts explain.
const MEAN_DIFFERENCE: f64 = 4.0;
/// A pixel has changed when a channel differs by more than this, of 255; so many pixels may have.
const CHANGED: u8 = 48;
const SHARE_CHANGED: f64 = 0.04;

fn has_adapter() -> bool {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    !pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all())).is_empty()
}

/// The demo on the CPU, drawn by wgpu, with everything evaluated.
fn demo(size: [f32; 2]) -> Screen {
    let options = WindowOptions { device: DeviceChoice::Cpu, ..WindowOptions::default() };
    let mut screen = Harness::builder()
        .with_size(size)
        .with_step_dt(1.0 / 30.0)
        .with_render_cursor(false)
        .wgpu()
        .build_eframe(move |cc| Window::new(cc, options).unwrap());
    settle(&mut screen);
    screen
}

fn path_of(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("screenshots").join(name)
}

/// Writes the picture, or says how it differs from the one that is kept.
fn take(screen: &mut Screen, name: &str) -> Result<(), String> {
    screen.remove_cursor();
    screen.run_steps(6);
    let picture = screen.render().unwrap();
    let path = path_of(name);
    if std::env::var_os("UPDATE_SCREENSHOTS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        write(&picture, &path);
        return Ok(());
    }
    let kept = image::open(&path).map_err(|error| format!("{name}: {error}"))?.into_rgba8();
    compare(&kept, &picture).map_err(|difference| {
        let seen = std::env::temp_dir().join(format!("lowroad-{name}"));
        write(&picture, &seen);
        format!("{name}: {difference}; drawn now: {}; UPDATE_SCREENSHOTS=1 keeps it", seen.display())
    })
}

/// Opaque, and as small as PNG makes it.
fn write(picture: &RgbaImage, path: &std::path::Path) {
    use image::ImageEncoder as _;
    use image::codecs::png::{CompressionType, FilterType, PngEncoder};
    let opaque = image::DynamicImage::ImageRgba8(picture.clone()).into_rgb8();
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::Adaptive)
        .write_image(&opaque, opaque.width(), opaque.height(), image::ExtendedColorType::Rgb8)
        .unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn compare(kept: &RgbaImage, seen: &RgbaImage) -> Result<(), String> {
    if kept.dimensions() != seen.dimensions() {
        return Err(format!("kept at {:?}, drawn at {:?}", kept.dimensions(), seen.dimensions()));
    }
    let (mut sum, mut changed) = (0.0, 0.0);
    for (a, b) in kept.pixels().zip(seen.pixels()) {
        let differences = [0, 1, 2].map(|channel| a.0[channel].abs_diff(b.0[channel]));
        sum += differences.iter().map(|d| f64::from(*d)).sum::<f64>() / 3.0;
        changed += f64::from(u8::from(differences.iter().any(|d| CHANGED < *d)));
    }
    let n = f64::from(kept.width()) * f64::from(kept.height());
    let (mean, share) = (sum / n, changed / n);
    if MEAN_DIFFERENCE < mean || SHARE_CHANGED < share {
        return Err(format!("mean difference {mean:.2} of 255, {:.1} % of the pixels changed", 100.0 * share));
    }
    Ok(())
}

/// Takes pictures where there is something that draws, and tells all that differ from those that are kept.
fn pictures(take_them: impl FnOnce(&mut dyn FnMut(&mut Screen, &str))) {
    if !has_adapter() {
        eprintln!("skipped: no wgpu adapter here (install mesa-vulkan-drivers for one in software)");
        return;
    }
    let mut faults = Vec::new();
    take_them(&mut |screen, name| faults.extend(take(screen, name).err()));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_pictures_of_the_readme_are_what_the_window_draws() {
    pictures(|check| {
        let mut screen = demo([1440.0, 900.0]);
        check(&mut screen, "demo-dark.png");
        screen.ctx.set_theme(Theme::Light);
        check(&mut screen, "demo-light.png");
        screen.ctx.set_theme(Theme::Dark);

        press(&mut screen, "Align");
        until(&mut screen, "B is aligned", |s| s.current_alignment().is_some());
        settle(&mut screen);
        check(&mut screen, "aligned.png");

        press(&mut screen, "Path ends at aligned B");
        settle(&mut screen);
        press(&mut screen, "Find path");
        until(&mut screen, "the path is fitted", |s| s.path.as_ref().is_some_and(|p| p.epochs_done == 30));
        settle(&mut screen);
        press(&mut screen, "Pin run 1");
        press(&mut screen, "Statistics");
        screen.state_mut().act(Action::SetT(0.3));
        check(&mut screen, "path.png");
        screen.ctx.set_theme(Theme::Light);
        check(&mut screen, "path-light.png");
        screen.ctx.set_theme(Theme::Dark);
        screen.set_size(egui::vec2(1920.0, 1080.0));
        settle(&mut screen);
        check(&mut screen, "path-1920.png");
        screen.set_size(egui::vec2(900.0, 600.0));
        check(&mut screen, "small.png");
    });
}

#[test]
fn the_picture_of_a_decision_boundary_is_what_the_window_draws() {
    pictures(|check| {
        let mut screen = demo([1440.0, 900.0]);
        screen.state_mut().act(Action::OpenData("moons".to_owned()));
        until(&mut screen, "the moons are open", |s| s.data.as_ref().is_some_and(|d| d.dataset.name == "moons"));
        screen.state_mut().act(Action::ShowTraining(true));
        let mut form = TrainingForm { network: "2-16-16-2".to_owned(), ..TrainingForm::default() };
        form.recipe.descent.epochs = 60;
        screen.state_mut().act(Action::ChangeTraining(Box::new(form)));
        until(&mut screen, "there is a network", |s| matches!(s.training.network, Some(Ok(_))));
        screen.state_mut().act(Action::Train);
        until(&mut screen, "both are trained", |s| s.training.n_finished == 2);
        screen.state_mut().act(Action::ShowTraining(false));
        settle(&mut screen);
        check(&mut screen, "boundary.png");
    });
}

#[test]
fn the_picture_of_a_robust_pair_is_what_the_window_draws() {
    pictures(|check| {
        let mut screen = demo([1440.0, 900.0]);
        screen.state_mut().act(Action::ShowTraining(true));
        let mut form = TrainingForm { network: "64-32-10".to_owned(), ..TrainingForm::default() };
        form.recipe.descent.epochs = 20;
        form.recipe.descent.attack = Some(Attack::GREY);
        screen.state_mut().act(Action::ChangeTraining(Box::new(form)));
        until(&mut screen, "there is a network", |s| matches!(s.training.network, Some(Ok(_))));
        screen.state_mut().act(Action::Train);
        until(&mut screen, "both are trained", |s| s.training.n_finished == 2);
        screen.state_mut().act(Action::ShowTraining(false));
        set(&mut screen, |s| {
            s.robust.along_path = true;
            s.robust.adversary.n_images = 200;
            s.plane.under_attack = true;
            s.path.fit.descent.attack = Some(Attack::GREY);
            s.path.fit.descent.epochs = 10;
        });
        settle(&mut screen);
        press(&mut screen, "Find path");
        until(&mut screen, "the path is fitted", |s| s.path.as_ref().is_some_and(|p| p.epochs_done == 10));
        settle(&mut screen);
        press(&mut screen, "Pin run 1");
        check(&mut screen, "robust.png");
    });
}

#[test]
fn the_picture_of_the_four_curves_is_what_the_window_draws() {
    pictures(|check| {
        let mut screen = demo([1440.0, 900.0]);
        press(&mut screen, "Compare");
        screen.state_mut().act(Action::CompareFourCurves(CompareOver { n_seeds: 3, ..CompareOver::ONCE }));
        until(&mut screen, "all curves are there", |s| s.compare.running.is_none());
        settle(&mut screen);
        press(&mut screen, "Accuracy curves");
        screen.ctx.set_theme(Theme::Light);
        check(&mut screen, "compare-light.png");
    });
}

#[test]
fn the_pictures_of_the_permutations_are_what_the_window_draws() {
    pictures(|check| {
        let mut screen = demo([1440.0, 900.0]);
        press(&mut screen, "Align");
        until(&mut screen, "B is aligned", |s| s.current_alignment().is_some());
        press(&mut screen, "Permutations");
        settle(&mut screen);
        check(&mut screen, "permutations.png");
        press(&mut screen, "Strands");
        settle(&mut screen);
        screen.ctx.set_theme(Theme::Light);
        check(&mut screen, "permutations-light.png");
    });
}

#[test]
fn the_picture_of_ensembles_is_what_the_window_draws() {
    pictures(|check| {
        let mut screen = demo([1440.0, 900.0]);
        press(&mut screen, "Ensemble");
        for kind in [EnsembleKind::PathAndModes, EnsembleKind::Heads, EnsembleKind::Swa, EnsembleKind::Fge] {
            screen.state_mut().act(Action::ChangeEnsemble(Box::new(EnsembleForm { kind, ..EnsembleForm::default() })));
            screen.state_mut().act(Action::AskTogether);
            settle(&mut screen);
        }
        check(&mut screen, "ensemble.png");
    });
}

#[test]
fn a_changed_panel_is_no_driver_difference() {
    let kept = RgbaImage::from_pixel(100, 100, image::Rgba([24, 24, 24, 255]));
    let mut seen = kept.clone();
    assert_eq!(compare(&kept, &seen), Ok(()));
    seen.put_pixel(3, 3, image::Rgba([255, 255, 255, 255]));
    assert_eq!(compare(&kept, &seen), Ok(()), "one pixel is");
    for x in 0..25 {
        for y in 0..25 {
            seen.put_pixel(x, y, image::Rgba([200, 200, 200, 255]));
        }
    }
    assert!(compare(&kept, &seen).is_err());
    assert!(compare(&kept, &RgbaImage::new(100, 99)).is_err());
}
