//! Reading whole files within limits, and writing them so that a half-written file is never seen.
