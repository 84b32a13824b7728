//! Checkpoints: bytes of weight files to named tensors and back.
