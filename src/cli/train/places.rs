//! Where the results of several seeds go.

use std::path::{Path, PathBuf};

/// Stands for the seed in the name of a file.
const SEED: &str = "{seed}";

/// The file of one seed: `{seed}` replaced; without it, where there are several seeds, `F.safetensors` becomes
/// `F-1.safetensors`.
pub(super) fn out_of_seed(out: &Path, seed: u64, one_of_several: bool) -> PathBuf {
    let name = out.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if name.contains(SEED) {
        return out.with_file_name(name.replace(SEED, &seed.to_string()));
    }
    if !one_of_several {
        return out.to_owned();
    }
    out.with_file_name(match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => format!("{stem}-{seed}.{extension}"),
        _ => format!("{name}-{seed}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_have_files_of_their_own() {
        let out = |name: &str, several| out_of_seed(Path::new(name), 7, several);
        assert_eq!(out("d/m.safetensors", false), Path::new("d/m.safetensors"));
        assert_eq!(out("d/m.safetensors", true), Path::new("d/m-7.safetensors"));
        assert_eq!(out("d/m", true), Path::new("d/m-7"));
        assert_eq!(out("d/.m", true), Path::new("d/.m-7"));
        assert_eq!(out("d/m-{seed}.pt", true), Path::new("d/m-7.pt"));
        assert_eq!(out("d/m-{seed}.pt", false), Path::new("d/m-7.pt"));
    }
}
