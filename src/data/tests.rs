use super::*;

#[test]
fn the_embedded_set_opens_by_its_name() {
    let digits = open("optdigits").unwrap();
    assert_eq!((digits.source.as_str(), digits.n_classes(), digits.max_value), ("embedded", 10, 16));
    assert_eq!(digits.split(SplitName::Test).len(), 1_797);
    assert_eq!(digits.split(SplitName::Train).values.len(), digits.train.len() * digits.shape.pixels());
}

#[test]
fn splits_are_named_in_lower_case_everywhere() {
    for (name, text) in [(SplitName::Train, "train"), (SplitName::Test, "test")] {
        assert_eq!(name.to_string(), text);
        assert_eq!(serde_json::to_string(&name).unwrap(), format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<SplitName>(&format!("\"{text}\"")).unwrap(), name);
    }
}

#[test]
fn something_that_is_no_data_set_names_itself() {
    let message = open("no-such-set").unwrap_err().to_string();
    assert!(message.ends_with(": no-such-set"), "{message}");
}
