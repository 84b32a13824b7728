//! What can be wrong with a pickle.

use thiserror::Error;

#[derive(Debug, Error, PartialEq, Eq)]
pub enum PickleFault {
    #[error(
        "refused: contains `{global}`; nothing was run. Only dictionaries of tensors are read: for a whole pickled module, save its state_dict() instead"
    )]
    Refused { global: String },
    #[error("refused: calls `{what}`, which is data and cannot be called; nothing was run")]
    NotCallable { what: String },
    #[error("`{function}` has arguments that are never written ({found})")]
    Arguments { function: &'static str, found: String },
    #[error("tensors of `{class}` are not supported: convert them to a floating-point type first")]
    StorageClass { class: String },
    #[error("NumPy arrays of type `{code}` are not supported: expected numbers of at most 8 bytes")]
    ArrayDtype { code: String },
    #[error("expected a reference to a storage, found {found}")]
    PersistentId { found: String },
    #[error("the pickle ends in the middle of an instruction")]
    Cut,
    #[error("{extra} bytes follow the end of the pickle")]
    TrailingBytes { extra: usize },
    #[error("pickle instruction {code:#04x} is not one that PyTorch writes")]
    Opcode { code: u8 },
    #[error("pickle protocol {found}, expected 2 to 5")]
    Protocol { found: u8 },
    #[error("expected {expected}, found {found}")]
    Type { expected: &'static str, found: String },
    #[error("an instruction takes a value where there is none")]
    EmptyStack,
    #[error("value {index} of the memo is used before it is set")]
    Memo { index: u32 },
    #[error("a text is not UTF-8")]
    NotUtf8,
    #[error("a number cannot be read: `{text}`")]
    Number { text: String },
    #[error("more than {limit} {what}")]
    Limit { what: &'static str, limit: usize },
}
