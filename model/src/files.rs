//! Files written whole or not at all.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use tempfile::{Builder, NamedTempFile};

use crate::{Error, Result};

/// How the names of files begin that are not whole yet. A program that is killed leaves them behind.
const UNFINISHED: &str = ".chainrule-";

/// How many links are followed, as Linux has it.
const MOST_LINKS: usize = 40;

/// Writes `bytes` to `path`: to a new file beside it, which takes its place when it is safely on disk. Whatever happens, at
/// `path` lies the old file or the new one. A symbolic link stays one: what it points to is written, whether or not it is there already.
///
/// # Errors
/// [`Error::File`], with the old file as it was; [`Error::Unfit`] where something else than a file lies there.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let path = &*followed(path)?;
    let failure = |cause| Error::writing(path, cause);
    let mut file = beside(path)?;
    file.write_all(bytes).map_err(failure)?;
    file.as_file().sync_all().map_err(failure)?;
    file.persist(path).map_err(|error| failure(error.error))?;
    sync_folder(folder_of(path)).map_err(failure)
}

/// Fails if a file could not be written to `path`: better now than after an hour of training.
///
/// # Errors
/// [`Error::File`]; [`Error::Unfit`] for a folder, a device or a pipe, or a path without a file's name.
pub fn check_writable(path: &Path) -> Result<()> {
    if path.file_name().is_none() {
        return Err(Error::unfit(format!("`{}`", path.display()), "no file's name", "a file to write"));
    }
    beside(&followed(path)?).map(drop)
}

/// What a path stands for, itself or at the end of symbolic links. Nothing has to lie there.
fn followed(path: &Path) -> Result<Cow<'_, Path>> {
    let mut target = Cow::Borrowed(path);
    for _ in 0..=MOST_LINKS {
        match fs::symlink_metadata(&target) {
            Ok(there) if there.is_symlink() => {
                let next = fs::read_link(&target).map_err(|cause| Error::writing(&target, cause))?;
                target = Cow::Owned(folder_of(&target).join(next));
            }
            _ => return Ok(target),
        }
    }
    Err(Error::unfit(
        path.display().to_string(),
        "links that lead to links without an end",
        "a file to write",
    ))
}

/// Removes what a killed program left unfinished in a folder that nobody else writes to.
pub(crate) fn remove_unfinished(folder: &Path) -> Result<()> {
    for entry in folder.read_dir().map_err(|cause| Error::reading(folder, cause))? {
        let entry = entry.map_err(|cause| Error::reading(folder, cause))?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(UNFINISHED)) {
            let file = entry.path();
            fs::remove_file(&file).map_err(|cause| Error::File { file, done: "removed", cause })?;
        }
    }
    Ok(())
}

/// The bytes of a regular file. (To read a pipe could take forever.)
///
/// # Errors
/// [`Error::File`]; [`Error::Unfit`] for anything else than a regular file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let failure = |cause| Error::reading(path, cause);
    if !fs::metadata(path).map_err(failure)?.is_file() {
        return Err(Error::unfit(path.display().to_string(), "no regular file", "one"));
    }
    fs::read(path).map_err(failure)
}

/// A new file in the folder of `path`, with the permissions that any new file gets. It could take the place of whatever is there, and shall
/// not take that of the system's /dev/null.
fn beside(path: &Path) -> Result<NamedTempFile> {
    if let Ok(there) = fs::metadata(path)
        && !there.is_file()
    {
        let found = if there.is_dir() { "a folder" } else { "a device or a pipe" };
        return Err(Error::unfit(path.display().to_string(), found, "a file to write"));
    }
    let mut builder = Builder::new();
    builder.prefix(UNFINISHED);
    #[cfg(unix)]
    let all = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    #[cfg(unix)]
    builder.permissions(all);
    builder.tempfile_in(folder_of(path)).map_err(|cause| Error::writing(path, cause))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a renaming in the folder last through a loss of power, where folders can be opened.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{FileTypeExt as _, symlink};
    use std::os::unix::net::UnixListener;

    #[test]
    fn what_is_no_file_stays_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _listener = UnixListener::bind(&path).unwrap();
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        for path in [&path, &link] {
            for result in [check_writable(path), write_atomically(path, b"bytes")] {
                let message = result.unwrap_err().to_string();
                assert!(message.contains("found a device or a pipe, expected a file to write"), "{message}");
            }
            assert!(fs::metadata(path).unwrap().file_type().is_socket());
        }
        let message = write_atomically(folder.path(), b"bytes").unwrap_err().to_string();
        assert!(message.contains("found a folder, expected a file to write"), "{message}");
        let file = folder.path().join("file");
        write_atomically(&file, b"one").unwrap();
        write_atomically(&file, b"two").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"two");
    }

    #[test]
    fn what_a_link_points_to_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("elsewhere/deep")).unwrap();
        fs::write(at("elsewhere/file"), b"one").unwrap();
        // A link to a link in another folder, relative to where each lies; and one to what is not there yet.
        symlink("elsewhere/deep/link", at("link")).unwrap();
        symlink("../file", at("elsewhere/deep/link")).unwrap();
        symlink(at("elsewhere/new"), at("dangling")).unwrap();
        for (link, target) in [("link", "elsewhere/file"), ("dangling", "elsewhere/new")] {
            check_writable(&at(link)).unwrap();
            write_atomically(&at(link), b"two").unwrap();
            assert!(fs::symlink_metadata(at(link)).unwrap().is_symlink());
            assert!(fs::symlink_metadata(at(target)).unwrap().is_file());
            assert_eq!(fs::read(at(target)).unwrap(), b"two");
        }
        assert!(fs::symlink_metadata(at("elsewhere/deep/link")).unwrap().is_symlink());

        symlink("nowhere/file", at("lost")).unwrap();
        symlink("circle", at("circle")).unwrap();
        symlink("elsewhere", at("folder")).unwrap();
        for (link, told) in [
            ("lost", "nowhere/file: cannot be written"),
            ("circle", "found links that lead to links without an end"),
            ("folder", "found a folder"),
        ] {
            for result in [check_writable(&at(link)), write_atomically(&at(link), b"bytes")] {
                let message = result.unwrap_err().to_string();
                assert!(message.contains(told), "{message}");
            }
            assert!(fs::symlink_metadata(at(link)).unwrap().is_symlink());
        }
    }
}
