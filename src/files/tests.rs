use super::*;

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_at_the_limit_is_read_and_one_above_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("five");
    fs::write(&path, b"12345").unwrap();
    assert_eq!(read_limited(&path, 5).unwrap(), b"12345");
    let message = read_limited(&path, 4).unwrap_err().to_string();
    assert!(message.starts_with("expected at most 4 bytes, the file has 5: "), "{message}");
    assert!(message.ends_with("five"), "{message}");
}

#[test]
fn a_missing_file_and_a_folder_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.pt");
    assert!(matches!(read_limited(&missing, 9), Err(FileError::NotFound { path }) if path == missing));
    assert!(matches!(read_limited(folder.path(), 9), Err(FileError::NotAFile { found: "a folder", .. })));
}

#[cfg(target_os = "linux")]
#[test]
fn pipes_and_devices_are_refused_without_blocking() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.pt");
    let status = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(status.success());
    assert!(matches!(read_limited(&pipe, 9), Err(FileError::NotAFile { found: "a pipe", .. })));
    assert!(matches!(read_limited(Path::new("/dev/zero"), 9), Err(FileError::NotAFile { found: "a device", .. })));
    assert!(matches!(read_head(&pipe, 9), Err(FileError::NotAFile { found: "a pipe", .. })));
    assert!(matches!(write_atomic(&pipe, b"x"), Err(FileError::NotAFile { found: "a pipe", .. })));
    assert!(matches!(write_atomic(Path::new("/dev/full"), b"x"), Err(FileError::NotAFile { found: "a device", .. })));
}

#[test]
fn a_saved_file_holds_the_new_bytes_and_nothing_is_left_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("session");
    write_atomic(&path, b"old").unwrap();
    write_atomic(&path, b"newer").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"newer");
    assert_eq!(names_in(folder.path()), ["session"]);
}

#[test]
fn a_full_disk_leaves_the_old_file_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("session");
    fs::write(&path, b"old").unwrap();
    let result = replace_with(&path, 6, |file| {
        file.write_all(b"new")?;
        Err(io::Error::from(io::ErrorKind::StorageFull))
    });
    let message = result.unwrap_err().to_string();
    assert!(message.contains("no storage space") && message.contains("untouched"), "{message}");
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names_in(folder.path()), ["session"]);
}

#[test]
fn saving_into_a_missing_folder_names_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone");
    let error = write_atomic(&gone.join("session"), b"x").unwrap_err();
    assert!(matches!(&error, FileError::NoFolder { folder } if *folder == gone), "{error}");
}

#[test]
fn saving_over_a_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(write_atomic(folder.path(), b"x"), Err(FileError::NotAFile { found: "a folder", .. })));
}

#[cfg(unix)]
#[test]
fn a_read_only_folder_is_an_error_unless_the_user_may_write_anyway() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("session");
    fs::write(&path, b"old").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let result = write_atomic(&path, b"new");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // The administrator may write everywhere: then the save must simply have worked.
    let expected: &[u8] = if result.is_ok() { b"new" } else { b"old" };
    assert_eq!(fs::read(&path).unwrap(), expected);
    assert_eq!(names_in(folder.path()), ["session"]);
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_stays_one_and_permissions_are_kept() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    let link = folder.path().join("link");
    fs::write(&file, b"old").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    write_atomic(&link, b"new").unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read(&file).unwrap(), b"new");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
}
