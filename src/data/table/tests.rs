use super::*;
use crate::data::open;

fn parse(text: &str) -> Result<Table, DataError> {
    Table::parse(text.as_bytes(), Path::new("t.csv"))
}

fn fails(text: &str, part: &str) {
    let message = parse(text).map(|_| ()).unwrap_err().to_string();
    assert!(message.contains(part) && message.ends_with(": t.csv"), "expected `{part}` in: {message}");
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn the_label_column_is_the_last_or_has_its_name() {
    for (text, features, labels) in [
        ("1,2,0\n3,4,1\n", [1.0, 2.0, 3.0, 4.0], ["0", "1"]),
        ("a,b,c\n1,2,x\n3,4,y\n", [1.0, 2.0, 3.0, 4.0], ["x", "y"]),
        ("a,Class,b\n1,x,2\n3,y,4\n", [1.0, 2.0, 3.0, 4.0], ["x", "y"]),
        ("target;a;b\r\nx;1;2\r\ny;3e0;4.0\r\n", [1.0, 2.0, 3.0, 4.0], ["x", "y"]),
        ("\u{feff}a\tb\ty\n 1\t2\t p q \n3\t4\tr", [1.0, 2.0, 3.0, 4.0], ["p q", "r"]),
        ("1,2,setosa\n3,4,\"a,b\"\n", [1.0, 2.0, 3.0, 4.0], ["setosa", "a,b"]),
    ] {
        let table = parse(text).unwrap();
        assert_eq!(
            (table.n_features, table.features.as_slice(), table.labels.as_slice()),
            (2, &features[..], &labels.map(str::to_owned)[..]),
            "{text:?}"
        );
    }
}

#[test]
fn what_is_no_table_of_numbers_is_named_by_its_place() {
    fails("1,2,0\n3,,1\n", "line 2, column 2: expected a finite number, found ``");
    fails("a,b,y\n1,2,0\n3,nan,1\n", "line 3, column 2 (`b`): expected a finite number, found `nan`");
    fails("1,2,0\n3,inf,1\n", "found `inf`");
    fails("1,2,0\n3,x,1\n", "found `x`");
    fails("1,2,0\n3,4,\n", "column 3: expected a label, found ``");
    fails("1,2,0\n3,1\n", "line 2: expected 3 columns, found 2");
    fails("1,2,0\n3,1,2,3\n", "line 2: expected 3 columns, found 4");
    fails("1\n2\n", "found one column");
    fails("", "expected examples, found none");
    fails("a,b,label\n", "expected examples, found none");
}

#[test]
fn whole_numbers_from_zero_keep_their_places() {
    let (names, notes) = classes([&parse("5,0\n5,3.0\n").unwrap()]).unwrap();
    assert_eq!((names, notes), (["0", "1", "2", "3"].map(str::to_owned).to_vec(), Vec::new()));
}

#[test]
fn other_labels_are_sorted_and_counted() {
    for (text, expected, n_notes) in [
        ("5,10\n5,9\n5,9\n", vec!["9", "10"], 1),
        ("5,1\n5,-1\n", vec!["-1", "1"], 1),
        ("5,dog\n5,cat\n5,dog\n", vec!["cat", "dog"], 0),
    ] {
        let table = parse(text).unwrap();
        let (names, notes) = classes([&table]).unwrap();
        assert_eq!((names.clone(), notes.len()), (expected.iter().map(|s| (*s).to_owned()).collect(), n_notes));
        for (label, text) in table.split(&names).labels.iter().zip(&table.labels) {
            assert_eq!(names[usize::from(*label)], *text);
        }
    }
}

#[test]
fn measurements_are_no_classes() {
    let text: String = (0..1_001).map(|i| format!("1,{}.5\n", i)).collect();
    let message = classes([&parse(&text).unwrap()]).unwrap_err().to_string();
    assert!(message.contains("at most 1000 classes"), "{message}");
    assert!(classes([&parse("1,0\n1,5000000000\n").unwrap()]).is_err());
}

#[test]
fn one_file_is_divided_and_two_are_taken_as_they_are() {
    let rows: String = (0..50).map(|i| format!("{i},{},{}\n", i * i, i % 2)).collect();
    let one = folder(&[("digits.csv", &rows)]);
    let found = open(one.path().join("digits.csv").to_str().unwrap()).unwrap();
    assert_eq!((found.name.as_str(), found.shape, found.n_classes()), ("digits", ImageShape::tabular(2), 2));
    assert_eq!((found.train.len(), found.test.len(), found.notes.len()), (40, 10, 1));
    let two = folder(&[("train.csv", &rows), ("test.csv", "1,2,1\n")]);
    let found = open(two.path().to_str().unwrap()).unwrap();
    assert_eq!((found.train.len(), found.test.len(), found.notes.len()), (50, 1, 0));
    assert_eq!(found.test.values, Values::Floats(vec![1.0, 2.0]));
    let differ = folder(&[("train.csv", &rows), ("test.csv", "1,2,3,1\n")]);
    let message = open(differ.path().to_str().unwrap()).unwrap_err().to_string();
    assert!(message.contains("expected test images of 2 values like the training images, found 3 values"), "{message}");
}

#[test]
fn one_class_or_too_few_examples_to_hold_one_out_are_refused() {
    for (rows, part) in
        [("1,0\n2,0\n3,0\n", "at least two classes"), ("1,0\n2,1\n", "expected test examples, found none")]
    {
        let folder = folder(&[("a.csv", rows)]);
        let message = open(folder.path().join("a.csv").to_str().unwrap()).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
}
