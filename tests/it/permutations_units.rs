//! Match quality, strands, cycles and the table of units, in the window.

use egui::{OutputCommand, Role};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use lowroad::matching::{CycleType, GroupReport, RandomCrossings, n_crossings};

use crate::ui::{Screen, assert_shows, demo, press, press_role, settle, shows, until};

/// The demo aligned, at a part of the Permutations view.
fn aligned(part: &str) -> Screen {
    let mut screen = demo();
    press(&mut screen, "Align");
    until(&mut screen, "B is aligned", |s| s.current_alignment().is_some());
    settle(&mut screen);
    press(&mut screen, "Permutations");
    open_part(&mut screen, part);
    screen
}

fn open_part(screen: &mut Screen, part: &str) {
    press_role(screen, Role::Button, part);
}

/// The report of the group that is shown first.
fn group(screen: &Screen) -> GroupReport {
    screen.state().state().shown_alignment().unwrap().report.groups[0].clone()
}

/// Numbers of A's units in the table, from top to bottom.
fn rows(screen: &Screen) -> Vec<usize> {
    let mut found: Vec<(f32, usize)> = screen
        .query_all_by_role(Role::Button)
        .filter_map(|node| {
            let label = node.accesskit_node().label()?;
            let number = label.strip_prefix("Unit ")?.strip_suffix(" of A")?.parse().ok()?;
            Some((node.rect().top(), number))
        })
        .collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.into_iter().map(|(_, number)| number).collect()
}

/// The selected units, as the table has them.
fn assert_selected(screen: &mut Screen, expected: impl IntoIterator<Item = usize>) {
    open_part(screen, "Table");
    press(screen, "Units shown");
    screen.get_by_role_and_label(Role::Button, "Selected").click();
    screen.run_steps(4);
    let mut expected: Vec<usize> = expected.into_iter().collect();
    expected.sort_unstable();
    assert_shows(screen, &format!("{} of {} units", expected.len(), group(screen).n_units()));
    let shown = rows(screen);
    // Those that are scrolled out of sight are not drawn.
    assert_eq!(shown, expected[..shown.len()]);
    assert!(shown.len() == expected.len() || 3 < shown.len(), "{shown:?} of {expected:?}");
}

#[test]
fn quality_tells_the_matches_beyond_chance_and_selects_the_doubtful_ones() {
    let mut screen = aligned("Quality");
    let group = group(&screen);
    let chance = group.null_quantile(0.99).unwrap();
    let (n_live, n_above) = (group.live().count(), group.n_above(chance));
    assert_shows(&screen, &format!("{n_above} of {n_live} pairs"));
    assert_shows(&screen, &format!("above {chance:.2}, the 99th percentile of chance"));
    assert_shows(&screen, "Histogram: matched correlations");
    let contested: Vec<usize> = (0..group.n_units()).filter(|&place| group.contested()[place]).collect();
    assert!(!contested.is_empty() && contested.len() < group.n_units());
    press(&mut screen, &format!("Select {} contested", contested.len()));
    assert_selected(&mut screen, contested);
    open_part(&mut screen, "Quality");
    let ambiguous: Vec<usize> = (0..group.n_units()).filter(|&place| group.units[place].is_ambiguous()).collect();
    press(&mut screen, &format!("Select {} ambiguous", ambiguous.len()));
    assert_selected(&mut screen, ambiguous);
}

#[test]
fn a_box_drawn_over_the_dots_selects_them() {
    let mut screen = aligned("Quality");
    let n_units = group(&screen).n_units();
    let plot = screen.get_by_label_contains("Scatter of correlation and margin").rect().shrink(2.0);
    screen.drag_at(plot.left_top());
    screen.step();
    screen.hover_at(plot.center());
    screen.step();
    screen.drop_at(plot.right_bottom());
    screen.run_steps(3);
    assert_selected(&mut screen, 0..n_units);
}

#[test]
fn the_table_sorts_finds_and_filters_units() {
    let mut screen = aligned("Table");
    let group = group(&screen);
    let n_units = group.n_units();
    assert_eq!(rows(&screen)[..3], [0, 1, 2]);
    press(&mut screen, "Sort by after");
    let worst = (0..n_units).min_by(|&a, &b| group.units[a].after.total_cmp(&group.units[b].after)).unwrap();
    assert_eq!(rows(&screen)[0], worst);
    press(&mut screen, "Sort by after");
    let best = (0..n_units).rev().max_by(|&a, &b| group.units[a].after.total_cmp(&group.units[b].after)).unwrap();
    assert_eq!(rows(&screen)[0], best);

    screen.get_by_label("Find units").click();
    screen.run_steps(2);
    screen.get_by_label("Find units").type_text("5");
    screen.run_steps(3);
    let partner = group.permutation.inverse().source(5);
    let mut found = rows(&screen);
    found.sort_unstable();
    let mut expected = vec![5, partner];
    expected.sort_unstable();
    expected.dedup();
    assert_eq!(found, expected);
    press(&mut screen, "Unit 5 of A");
    screen.get_by_label("Find units").type_text("999");
    screen.run_steps(3);
    assert_shows(&screen, "No unit is like that");
    screen.get_by_label("Find units").click();
    screen.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
    screen.key_press(egui::Key::Backspace);
    screen.run_steps(3);
    assert_selected(&mut screen, [5]);
}

#[test]
fn the_table_is_copied_as_csv() {
    let mut screen = aligned("Table");
    screen.get_by_label("Copy as CSV").click_accesskit();
    let mut copied = None;
    for _ in 0..4 {
        screen.step();
        let commands = &screen.output().platform_output.commands;
        copied = copied.or_else(|| {
            commands.iter().find_map(|command| match command {
                OutputCommand::CopyText(text) => Some(text.clone()),
                _ => None,
            })
        });
    }
    let csv = copied.unwrap();
    let group = group(&screen);
    assert_eq!(csv.lines().count(), 1 + group.n_units());
    assert!(csv.starts_with("unit,source,before,after,margin,"));
    let third = csv.lines().nth(3).unwrap();
    assert!(third.starts_with(&format!("2,{},", group.permutation.source(2))), "{third}");
}

#[test]
fn strands_and_cycles_stand_beside_what_chance_would_give() {
    let mut screen = aligned("Strands");
    let group = group(&screen);
    let random = RandomCrossings { n_strands: group.n_units() };
    let (found, expected) = (n_crossings(group.permutation.sources()), random.mean().round() as u64);
    // Thousands are parted by commas.
    let told = |n: u64| if n < 1000 { n.to_string() } else { format!("{},{:03}", n / 1000, n % 1000) };
    assert_shows(&screen, &format!("{} crossings (a random permutation: {}", told(found), told(expected)));
    let cycles = CycleType::of(&group.permutation);
    assert_shows(&screen, &format!("{} cycles (random: ", cycles.n_cycles()));
    assert_shows(&screen, "Networks trained apart have their units in arbitrary order");
    assert_shows(&screen, &format!("Strands of {} units from A to B", group.n_units()));
    let longest = group.permutation.cycles().into_iter().rev().max_by_key(Vec::len).unwrap();
    let label = format!("Cycle of {} units", longest.len());
    screen.query_all_by_label(&label).next().unwrap().click_accesskit();
    screen.run_steps(3);
    assert_selected(&mut screen, longest);
}

#[test]
fn a_strand_is_selected_where_the_mouse_points() {
    let mut screen = aligned("Strands");
    let group = group(&screen);
    let figure = screen.get_by_label_contains("Strands of").rect();
    let step = figure.height() / group.n_units() as f32;
    // Where the strand of A's unit 3 leaves.
    let start = egui::pos2(figure.left() + 36.0, figure.top() + 3.5 * step);
    screen.hover_at(start);
    screen.run_steps(3);
    let words = format!("Unit 3 of A, unit {} of B: correlation {:.3}", group.units[3].source, group.units[3].after);
    assert!(shows(&screen, &words), "{words}");
    screen.drag_at(start);
    screen.step();
    screen.drop_at(start);
    screen.run_steps(3);
    assert_selected(&mut screen, [3]);
}
