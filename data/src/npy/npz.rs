//! Several arrays in one file.

use super::{Answers, Numbers, answers, array, shape};
use crate::{
    Error, Position, Task,
    error::{quoted, shortened_list},
    source::Source,
};
use ndarray::Array2;
use num_traits::Float;
use std::{
    fmt,
    fs::File,
    io::{self, BufReader, Read, Seek},
    path::Path,
};
use zip::{ZipArchive, result::ZipError};

/// A NPZ file: arrays by name, as `numpy.savez` writes them, compressed or not.
///
/// ```
/// use chainrule_data::{Answers, Task, npy::Npz};
/// # use chainrule_data::npy;
/// # use ndarray::array;
/// # use std::{fs::File, io::Cursor};
/// # let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
/// # writer.start_file("x.npy", zip::write::SimpleFileOptions::default()).unwrap();
/// # npy::write(&array![[0.5, 1.5], [2.5, 3.5]], &mut writer)?;
/// # writer.start_file("y.npy", zip::write::SimpleFileOptions::default()).unwrap();
/// # npy::write(&array![1_i64, 0], &mut writer)?;
/// # let bytes = writer.finish().unwrap().into_inner();
/// // numpy.savez_compressed("data.npz", x=[[0.5, 1.5], [2.5, 3.5]], y=[1, 0])
/// let mut file = Npz::new(Cursor::new(bytes), "data.npz")?; // Npz::open("data.npz")?
/// assert_eq!(file.names(), ["x", "y"]);
/// assert_eq!(file.row_shape("x")?, [2]);
/// assert_eq!(file.read::<f32>("x")?, array![[0.5, 1.5], [2.5, 3.5]]);
/// assert_eq!(file.read_answers::<f32>("y", Task::Auto)?, Answers::Classes(vec![1, 0]));
/// assert!(file.read::<f32>("z").unwrap_err().to_string().contains("found the arrays x, y, expected one named `z`"));
/// # Ok::<(), chainrule_data::Error>(())
/// ```
pub struct Npz<R> {
    name: String,
    archive: ZipArchive<R>,
}

impl<R> fmt::Debug for Npz<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Npz").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Npz<BufReader<File>> {
    /// Opens a file.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when it cannot be read, [`Error::Malformed`] when it is no ZIP archive.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let name = path.as_ref().display().to_string();
        match File::open(path) {
            Ok(file) => Self::new(BufReader::new(file), &name),
            Err(cause) => Err(Error::Io { file: name, cause }),
        }
    }
}

impl<R: Read + Seek> Npz<R> {
    /// Opens what a reader gives; errors call it `name`.
    ///
    /// # Errors
    ///
    /// As [`Npz::open`].
    pub fn new(reader: R, name: &str) -> Result<Self, Error> {
        let name = name.to_owned();
        match ZipArchive::new(reader) {
            Ok(archive) => Ok(Self { name, archive }),
            Err(error) => Err(broken(name, error)),
        }
    }

    /// The arrays' names, in the file's order; without those that are no text.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let readable = self.archive.file_names().filter_map(Result::ok);
        readable.map(|name| name.strip_suffix(".npy").unwrap_or(&name).to_owned()).collect()
    }

    /// Reads the array of that name: rows × columns.
    ///
    /// # Errors
    ///
    /// As [`read`](super::read); [`Error::Malformed`] also if there is no such array.
    pub fn read<T: Float>(&mut self, name: &str) -> Result<Array2<T>, Error> {
        let Numbers { values, .. } = self.member(name, array)?;
        Ok(values)
    }

    /// The dimensions of a row of the array of that name, as [`row_shape`](super::row_shape).
    ///
    /// # Errors
    ///
    /// As [`Npz::read`], for what the header can tell.
    pub fn row_shape(&mut self, name: &str) -> Result<Vec<usize>, Error> {
        self.member(name, shape)
    }

    /// Reads the targets in the array of that name.
    ///
    /// # Errors
    ///
    /// As [`read_answers`](super::read_answers); [`Error::Malformed`] also if there is no such array.
    pub fn read_answers<T: Float>(&mut self, name: &str, task: Task) -> Result<Answers<T>, Error> {
        self.member(name, |source| answers(source, task))
    }

    fn member<A>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Source<'_>) -> Result<A, Error>,
    ) -> Result<A, Error> {
        let index = [name.to_owned(), format!("{name}.npy")]
            .iter()
            .find_map(|name| self.archive.index_for_name(name));
        let Some(index) = index else {
            return Err(Error::Malformed {
                file: self.name.clone(),
                position: Position::File,
                found: format!("the arrays {}", shortened_list(&self.names().join(", "))),
                expected: format!("one named {}", quoted(name)),
            });
        };
        let member = format!("{}, array {name}", self.name);
        match self.archive.by_index(index) {
            Ok(file) => read(&mut Source::new(file, member)?),
            Err(error) => Err(broken(member, error)),
        }
    }
}

fn broken(file: String, error: ZipError) -> Error {
    match error {
        ZipError::Io(cause) if cause.kind() != io::ErrorKind::UnexpectedEof => Error::Io { file, cause },
        error => Error::Malformed {
            file,
            position: Position::File,
            found: format!("a broken archive ({error})"),
            expected: "a NPZ file, which is a ZIP archive".to_owned(),
        },
    }
}
