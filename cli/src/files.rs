//! Files written whole or not at all.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

use crate::failure::Failure;

/// Writes `bytes` to `path`: to a new file beside it, which takes its place when it is safely on disk. Whatever happens, at
/// `path` lies the old file or the new one.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failure = |cause| Failure::writing(path, cause);
    let mut file = beside(path)?;
    file.write_all(bytes).map_err(failure)?;
    file.as_file().sync_all().map_err(failure)?;
    file.persist(path).map_err(|error| failure(error.error))?;
    sync_folder(folder_of(path)).map_err(failure)
}

/// Fails if a file could not be written to `path`: better now than after an hour of training.
pub(crate) fn check_writable(path: &Path) -> Result<(), Failure> {
    if path.is_dir() {
        return Err(Failure::unfit(path.display().to_string(), "a folder", "a file to write"));
    }
    if path.file_name().is_none() {
        return Err(Failure::unfit(format!("`{}`", path.display()), "no file's name", "a file to write"));
    }
    beside(path).map(drop)
}

/// A new file in the folder of `path`, with the permissions that any new file gets.
fn beside(path: &Path) -> Result<NamedTempFile, Failure> {
    let mut builder = Builder::new();
    builder.prefix(".chainrule-");
    #[cfg(unix)]
    let all = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    #[cfg(unix)]
    builder.permissions(all);
    builder.tempfile_in(folder_of(path)).map_err(|cause| Failure::writing(path, cause))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a renaming in the folder last through a loss of power, where folders can be opened.
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
