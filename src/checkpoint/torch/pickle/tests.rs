//! Pickles written by hand, instruction by instruction.

use super::globals::Global;
use super::*;

fn load(pickle: &[u8]) -> Result<Heap<'_>, PickleFault> {
    Heap::load(pickle, MAX_BYTES).map_err(|(_, fault)| fault)
}

fn check_refused(pickle: &[u8], global: &str) {
    assert_eq!(load(pickle).unwrap_err(), PickleFault::Refused { global: global.to_owned() });
}

#[test]
fn code_is_refused_by_name_whatever_instruction_brings_it() {
    // GLOBAL, with REDUCE after it.
    check_refused(b"\x80\x02cposix\nsystem\nX\x02\0\0\0ls\x85R.", "posix.system");
    check_refused(b"\x80\x02c__builtin__\neval\nX\x02\0\0\x0042\x85R.", "__builtin__.eval");
    // STACK_GLOBAL, also with a name that leads on through dots.
    check_refused(b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02ls\x85R.", "posix.system");
    check_refused(b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.__init__\x93.", "collections.OrderedDict.__init__");
    check_refused(b"\x80\x04\x8c\x05torch\x8c\x10serialization.os\x93.", "torch.serialization.os");
    // INST, OBJ, NEWOBJ, NEWOBJ_EX, BUILD.
    check_refused(b"(S'ls'\niposix\nsystem\n.", "posix.system");
    check_refused(b"(cposix\nsystem\nS'ls'\no.", "posix.system");
    check_refused(b"\x80\x02csubprocess\nPopen\n)\x81.", "subprocess.Popen");
    check_refused(b"\x80\x04\x8c\x0asubprocess\x8c\x05Popen\x93)}\x92.", "subprocess.Popen");
    check_refused(b"\x80\x02}c__main__\nNet\nb.", "__main__.Net");
    // Protocol 0, as the oldest attacks are written.
    check_refused(b"cos\nsystem\n(S'ls'\ntR.", "os.system");
    // A storage-like name of another module.
    check_refused(b"\x80\x02cevil\nFloatStorage\n.", "evil.FloatStorage");
    check_refused(b"\x80\x02ctorch\nload\n.", "torch.load");
    check_refused(b"\x80\x02ctorch\nos.Storage\n.", "torch.os.Storage");
}

#[test]
fn what_is_known_cannot_be_called_in_other_ways() {
    let not_callable = |pickle: &[u8], what: &str| {
        assert_eq!(load(pickle).unwrap_err(), PickleFault::NotCallable { what: what.to_owned() });
    };
    not_callable(b"\x80\x02ctorch\nFloatStorage\n)R.", "storage of F32");
    not_callable(b"\x80\x02ctorch\nfloat32\n)R.", "torch.float32");
    not_callable(b"\x80\x02X\x02\0\0\0hi)R.", "the text `hi`");
    not_callable(b"\x80\x02ccollections\nOrderedDict\n)\x81.", "`collections.OrderedDict`");
    not_callable(b"\x80\x04ccollections\nOrderedDict\n)}\x92.", "`collections.OrderedDict`");
    not_callable(b"\x80\x02(ccollections\nOrderedDict\no.", "`collections.OrderedDict`");
    not_callable(b"\x80\x02(icollections\nOrderedDict\n.", "collections.OrderedDict");
    not_callable(b"\x80\x02K\x01}b.", "the number 1");
}

#[test]
fn instructions_that_pytorch_does_not_write_are_refused() {
    // EXT1, EXT2, EXT4, PERSID, EMPTY_SET, ADDITEMS, FROZENSET, BYTEARRAY8, NEXT_BUFFER, READONLY_BUFFER.
    for code in [0x82, 0x83, 0x84, b'P', 0x8f, 0x90, 0x91, 0x96, 0x97, 0x98] {
        assert_eq!(load(&[0x80, 2, code, 0, 0, 0, 0]).unwrap_err(), PickleFault::Opcode { code });
    }
    assert_eq!(load(b"\x80\x06N.").unwrap_err(), PickleFault::Protocol { found: 6 });
}

#[test]
fn functions_with_other_arguments_than_pytorch_writes_are_refused() {
    for pickle in [
        &b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R."[..],
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(K\x01K\x02))tR.",
        b"\x80\x02ctorch._utils\n_rebuild_parameter\nN\x85R.",
        b"\x80\x02ccollections\nOrderedDict\nK\x01\x85R.",
        b"\x80\x02ccollections\nOrderedDict\n]N\x86a\x85R.",
        b"\x80\x02ctorch\nSize\nN\x85R.",
    ] {
        let fault = load(pickle).unwrap_err();
        assert!(matches!(fault, PickleFault::Arguments { .. } | PickleFault::Type { .. }), "{fault}");
    }
    for pickle in [&b"\x80\x02K\x01Q."[..], b"\x80\x02)Q.", b"\x80\x02(X\x07\0\0\0storageNNNNtQ."] {
        assert!(matches!(load(pickle).unwrap_err(), PickleFault::PersistentId { .. }));
    }
}

#[test]
fn declared_lengths_beyond_the_file_are_refused_without_memory() {
    // BINUNICODE, BINUNICODE8, BINBYTES8, LONG4, SHORT_BINUNICODE.
    for pickle in [
        &b"\x80\x02X\xff\xff\xff\xffab"[..],
        b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xffab",
        b"\x80\x04\x8e\0\0\0\0\0\x01\0\0ab",
        b"\x80\x02\x8b\xff\xff\xff\x7fab",
        b"\x80\x04\x8c\xffab",
    ] {
        assert_eq!(load(pickle).unwrap_err(), PickleFault::Cut);
    }
}

#[test]
fn instructions_that_take_what_is_not_there_are_errors() {
    for pickle in [
        &b"\x80\x02."[..],
        b"\x80\x020.",
        b"\x80\x021.",
        b"\x80\x022.",
        b"\x80\x02t.",
        b"\x80\x02K\x01\x86.",
        b"\x80\x02a.",
        b"\x80\x02e.",
        b"\x80\x02s.",
        b"\x80\x02u.",
        b"\x80\x02R.",
        b"\x80\x02b.",
        b"\x80\x02Q.",
        b"\x80\x02q\0.",
        b"\x80\x04\x93.",
        // A mark is a floor: what lies under it cannot be taken.
        b"\x80\x02K\x01(0.",
        b"\x80\x02K\x01(\x85.",
        b"\x80\x02](a.",
        b"\x80\x02}(K\x01u.",
    ] {
        assert_eq!(load(pickle).unwrap_err(), PickleFault::EmptyStack, "{pickle:x?}");
    }
    assert_eq!(load(b"\x80\x02h\x07.").unwrap_err(), PickleFault::Memo { index: 7 });
    assert!(matches!(load(b"\x80\x02NK\x01a."), Err(PickleFault::Type { expected: "a list", .. })));
    assert!(matches!(load(b"\x80\x02NNNs."), Err(PickleFault::Type { expected: "a dictionary", .. })));
    assert!(matches!(load(b"\x80\x04NN\x93."), Err(PickleFault::Type { expected: "a name", .. })));
    assert_eq!(load(b"\x80\x02X\x01\0\0\0\xff.").unwrap_err(), PickleFault::NotUtf8);
    assert_eq!(load(b"\x80\x02N.N.").unwrap_err(), PickleFault::TrailingBytes { extra: 2 });
    assert_eq!(load(b"Iabc\n.").unwrap_err(), PickleFault::Number { text: "abc".to_owned() });
}

#[test]
fn a_pickle_that_doubles_itself_costs_its_own_length() {
    // Each round makes a list of twice the list before: 2^200 members, if they were unfolded.
    let mut pickle = b"\x80\x02]q\0".to_vec();
    for _ in 0..200 {
        pickle.extend(b"]q\x01(h\0h\0e0h\x01q\0");
    }
    pickle.push(b'.');
    let heap = load(&pickle).unwrap();
    let Object::List(items) = heap.get(heap.root()) else {
        panic!("{}", heap.get(heap.root()).describe());
    };
    assert_eq!(items.len(), 2, "the list before is held twice by its number, not copied");
}

#[test]
fn a_long_list_asked_for_again_and_again_reaches_a_limit() {
    let mut pickle = b"\x80\x02]q\0(".to_vec();
    for _ in 0..50_000 {
        pickle.extend(b"NN\x86");
    }
    pickle.push(b'e');
    for _ in 0..200 {
        pickle.extend(b"ccollections\nOrderedDict\nh\0\x85R");
    }
    pickle.push(b'.');
    assert!(matches!(load(&pickle), Err(PickleFault::Limit { .. })));
}

#[test]
fn deep_nesting_is_refused_or_harmless() {
    let marks = [b"\x80\x02".to_vec(), vec![b'('; 200]].concat();
    assert_eq!(load(&marks).unwrap_err(), PickleFault::Limit { what: "values open inside each other", limit: 128 });
    // Tuples of one need no mark: they nest as deep as the pickle is long, and must not overflow when dropped.
    let tuples = [b"\x80\x02N".to_vec(), vec![0x85; 900_000], b".".to_vec()].concat();
    assert!(load(&tuples).is_ok());
    let more = [b"\x80\x02N".to_vec(), vec![0x85; 1_100_000], b".".to_vec()].concat();
    assert!(matches!(load(&more), Err(PickleFault::Limit { what: "values in the pickle", .. })));
}

#[test]
fn a_pickle_longer_than_the_limit_is_refused_unread() {
    let fault = Heap::load(b"\x80\x02N.", 3).map(|_| ()).unwrap_err();
    assert_eq!(fault, (0, PickleFault::Limit { what: "bytes in the pickle", limit: 3 }));
}

#[test]
fn too_many_instructions_are_refused() {
    let pickle = [b"\x80\x02N".to_vec(), vec![b'2'; MAX_OPS], b".".to_vec()].concat();
    assert!(matches!(load(&pickle), Err(PickleFault::Limit { what: "pickle instructions", .. })));
}

#[test]
fn a_list_that_holds_itself_is_harmless() {
    assert!(load(b"\x80\x02]q\0h\0a.").is_ok());
}

#[test]
fn numbers_of_every_width_are_read() {
    let int = |pickle: &[u8]| match load(pickle).map(|heap| heap.get(heap.root()).clone()) {
        Ok(Object::Int(value)) => value,
        other => panic!("{other:?}"),
    };
    assert_eq!(int(b"\x80\x02K\xff."), 255);
    assert_eq!(int(b"\x80\x02M\xff\xff."), 65_535);
    assert_eq!(int(b"\x80\x02J\xff\xff\xff\xff."), -1);
    assert_eq!(int(b"\x80\x02\x8a\0."), 0);
    assert_eq!(int(b"\x80\x02\x8a\x01\x80."), -128);
    assert_eq!(int(b"\x80\x02\x8a\x08\0\0\0\0\0\0\0\x80."), i64::MIN);
    assert_eq!(int(b"\x80\x02\x8b\x02\0\0\0\0\x01."), 256);
    assert_eq!(int(b"I42\n."), 42);
    assert_eq!(int(b"L42L\n."), 42);
    let big = load(b"\x80\x02\x8a\x09\0\0\0\0\0\0\0\0\x01.").unwrap();
    assert!(matches!(big.get(big.root()), Object::BigInt));
}

#[test]
fn texts_of_python_2_are_texts() {
    for pickle in [&b"\x80\x02U\x02fc."[..], b"\x80\x02T\x02\0\0\0fc.", b"S'fc'\n.", b"Vfc\n."] {
        let heap = load(pickle).unwrap();
        assert_eq!(heap.text(heap.root()), Some("fc"));
    }
    let heap = load(b"\x80\x02U\x01\xff.").unwrap();
    assert!(matches!(heap.get(heap.root()), Object::Bytes([0xff])));
}

#[test]
fn counters_scalars_and_encoded_bytes_are_plain_data() {
    let described = |pickle: &[u8]| {
        let heap = load(pickle).unwrap();
        heap.get(heap.root()).describe()
    };
    assert_eq!(described(b"\x80\x02ccollections\nCounter\n}K\x1eK\x01s\x85R."), "a dictionary of 1");
    assert_eq!(described(b"\x80\x02c_codecs\nencode\nX\x03\0\0\0a\xc3\xbfX\x06\0\0\0latin1\x86R."), "2 bytes");
    let scalar =
        b"\x80\x02cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nU\x02f8K\0K\x01\x87RU\x08\0\0\0\0\0\0\0\0\x86R.";
    assert_eq!(described(scalar), "a NumPy array of type `f8` and shape []");
    let other = load(b"\x80\x02c_codecs\nencode\nX\x01\0\0\0aX\x03\0\0\0hex\x86R.").unwrap_err();
    assert!(matches!(other, PickleFault::Arguments { function: "_codecs.encode", .. }), "{other}");
}

#[test]
fn known_names_are_exactly_those_of_the_list() {
    for name in ["OrderedDict", "ordereddict", "OrderedDict ", ""] {
        assert_eq!(Global::find("collections", name).is_ok(), name == "OrderedDict", "{name}");
    }
    assert!(matches!(Global::find("torch", "QInt8Storage"), Err(PickleFault::StorageClass { .. })));
}
