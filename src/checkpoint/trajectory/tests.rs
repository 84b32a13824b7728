use super::*;

const CHECKPOINT: &[u8] = b"\x08\0\0\0\0\0\0\0{}      ";

fn folder_with(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

fn names(trajectory: &Trajectory) -> Vec<String> {
    trajectory.files.iter().map(|path| name(path)).collect()
}

#[test]
fn epochs_come_in_the_order_of_their_numbers() {
    let epochs = ["epoch10.pt", "epoch2.pt", "epoch1.pt", "epoch002b.pt", "final.pt"].map(|name| (name, CHECKPOINT));
    let folder = folder_with(&epochs);
    let found = trajectory(folder.path()).unwrap();
    assert_eq!(names(&found), ["epoch1.pt", "epoch2.pt", "epoch002b.pt", "epoch10.pt", "final.pt"]);
    assert_eq!((found.n_beyond, found.n_others, found.faults.len()), (0, 0, 0));
}

#[test]
fn numbers_longer_than_any_integer_are_compared() {
    let (ten, nine) = (format!("1{}", "0".repeat(50)), "9".repeat(50));
    assert_eq!(natural_order(&ten, &nine), Ordering::Greater);
    assert_eq!(natural_order("a01", "a1"), Ordering::Less, "equal numbers are ordered as texts");
    assert_eq!(natural_order("", "a"), Ordering::Less);
    assert_eq!(natural_order("7", "a"), Ordering::Less);
}

#[test]
fn checkpoints_are_known_by_their_content() {
    let folder = folder_with(&[
        ("a", CHECKPOINT),
        ("log.pt", b"epoch 1: loss 0.3"),
        ("empty.pt", b""),
        ("data_batch_1", b"\x80\x02}q\x01."),
        ("labels.npy", b"\x93NUMPY\x01\0"),
        ("weights.npz", b"PK\x03\x04"),
    ]);
    fs::create_dir(folder.path().join("b.pt")).unwrap();
    let found = trajectory(folder.path()).unwrap();
    assert_eq!(names(&found), ["a", "weights.npz"]);
    assert_eq!(found.n_others, 5);
}

#[test]
fn folders_below_are_not_entered() {
    let folder = folder_with(&[("1.pt", CHECKPOINT)]);
    fs::create_dir(folder.path().join("below")).unwrap();
    fs::write(folder.path().join("below/2.pt"), CHECKPOINT).unwrap();
    assert_eq!(names(&trajectory(folder.path()).unwrap()), ["1.pt"]);
}

#[cfg(unix)]
#[test]
fn links_are_not_followed_and_pipes_do_not_block() {
    let folder = folder_with(&[("1.pt", CHECKPOINT)]);
    std::os::unix::fs::symlink(folder.path().join("1.pt"), folder.path().join("2.pt")).unwrap();
    std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(folder.path().join("3.pt")).status().unwrap().success());
    let found = trajectory(folder.path()).unwrap();
    assert_eq!((names(&found), found.n_others), (vec!["1.pt".to_owned()], 3));
}

#[test]
fn a_folder_without_checkpoints_and_a_file_are_refused() {
    let folder = folder_with(&[("notes.txt", b"none")]);
    let message = trajectory(folder.path()).unwrap_err().to_string();
    assert!(message.starts_with("expected checkpoints of a training run, found none among 1 entries: "), "{message}");
    let file = folder.path().join("notes.txt");
    assert!(matches!(trajectory(&file), Err(TrajectoryError::List { path, .. }) if path == file));
}

#[test]
fn more_checkpoints_than_are_listed_are_counted() {
    let folder = folder_with(&["1", "3", "20", "100"].map(|name| (name, CHECKPOINT)));
    let found = list(folder.path(), 4, 3).unwrap();
    assert_eq!((names(&found).join(" "), found.n_beyond), ("1 3 20".to_owned(), 1));
}

#[test]
fn a_folder_of_too_many_entries_is_refused() {
    let folder = folder_with(&["1", "2", "3"].map(|name| (name, CHECKPOINT)));
    assert!(list(folder.path(), 3, 9).is_ok());
    let message = list(folder.path(), 2, 9).unwrap_err().to_string();
    assert!(message.starts_with("more than 2 entries, choose the folder of one run: "), "{message}");
}
