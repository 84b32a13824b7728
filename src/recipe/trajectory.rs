//! Where the networks on the way of a training are saved.

use std::path::{Path, PathBuf};

/// The folder of one seed's trajectory.
pub fn trajectory_of_seed(folder: &Path, seed: u64, one_of_several: bool) -> PathBuf {
    if one_of_several { folder.join(format!("seed-{seed}")) } else { folder.to_owned() }
}

/// The file of the network after an epoch; after none it holds the initial weights.
pub fn file_of_epoch(folder: &Path, epoch: usize) -> PathBuf {
    folder.join(format!("epoch-{epoch:04}.safetensors"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_have_folders_of_their_own_where_there_are_several() {
        let file = |several| file_of_epoch(&trajectory_of_seed(Path::new("run"), 7, several), 12);
        assert_eq!(file(false), Path::new("run/epoch-0012.safetensors"));
        assert_eq!(file(true), Path::new("run/seed-7/epoch-0012.safetensors"));
    }
}
