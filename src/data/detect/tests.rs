use super::*;

#[test]
fn what_is_there_and_what_was_looked_for_are_both_listed() {
    let folder = tempfile::tempdir().unwrap();
    let message = |folder: &Path| open(folder).unwrap_err().to_string();
    assert!(message(folder.path()).contains("found an empty folder"));
    for i in 0..14 {
        fs::write(folder.path().join(format!("{i:02}.txt")), b"").unwrap();
    }
    let text = message(folder.path());
    assert!(text.contains("data_batch_1.bin") && text.contains("found 00.txt, 01.txt"), "{text}");
    assert!(text.contains("and 2 more"), "{text}");
    assert!(message(Path::new("/no/such/folder")).starts_with("no such file or folder (`optdigits`, `moons`"));
}

#[test]
fn a_folder_of_too_many_files_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..=MAX_ENTRIES {
        fs::write(folder.path().join(i.to_string()), b"").unwrap();
    }
    let message = open(folder.path()).unwrap_err().to_string();
    assert!(message.contains("more than 10000 files in the folder"), "{message}");
}
