//! Files that are larger than memory.

use super::{Answers, Header, MAX_CLASSES, header::malformed, labels, not_finite, number};
use crate::{Error, Position, Task, error::counted, labelled::matrix, shuffle::permutation};
use ndarray::Array2;
use num_traits::Float;
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    ops::Range,
    path::Path,
};

/// Blocks are at most so large: from there on, seeking costs next to nothing beside reading.
const LARGEST_BLOCK: usize = 1 << 18;

/// What the order of blocks takes for each: its number and its rows.
const ORDER: usize = 3 * size_of::<usize>();

/// So many blocks make a window, about, that it may be a fair sample.
const BLOCKS: usize = 128;

/// Two NPY files, of inputs and of targets, that are gone through in shuffled windows, within a stated memory.
///
/// A pass goes through blocks of neighbouring rows in an order drawn from the seed and the number of the pass. As many blocks as the memory
/// holds, about a hundred or more, make a window, whose rows are shuffled; the windows of a pass are nearly of a size. So every row comes
/// once in a pass, and a window is a fair sample even of a file that is sorted. The same seed, memory and element type give the same
/// order on every platform.
///
/// The memory is all that a pass allocates: a window's inputs and targets, the orders of blocks and rows, and a block as it lies in the
/// file. It holds one window; who keeps an earlier one keeps that as well. The files may have any type of number and byte order, but their
/// rows have to lie one after the other (C order), and they may not be gzipped.
///
/// Each window is for `Trainer::partial_fit`; `examples/larger_than_memory.rs` is a whole program.
///
/// ```
/// use chainrule_data::{Answers, Task, npy::{self, Shuffled}};
/// use ndarray::Array2;
/// # let folder = tempfile::tempdir().unwrap();
/// # let (x, y) = (folder.path().join("x.npy"), folder.path().join("y.npy"));
/// # npy::write(&Array2::from_shape_fn((1000, 20), |(i, _)| i as f32), std::fs::File::create(&x).unwrap())?;
/// # npy::write(&ndarray::Array1::from_iter((0..1000).map(|i| i64::from(i % 3 == 0))), std::fs::File::create(&y).unwrap())?;
///
/// // 1,000 rows of 20 numbers: 80 kB, read in 24 kB.
/// let mut data = Shuffled::open(&x, &y, Task::Auto, 24_000)?.seed(7);
/// assert_eq!((data.len(), data.features()), (1000, 20));
/// for pass in 0..2 {
///     let mut rows = 0;
///     for window in data.pass::<f32>(pass)? {
///         let window = window?;
///         assert!(window.inputs.len() * 4 < 24_000);
///         assert!(matches!(&window.answers, Answers::Classes(labels) if labels.len() == window.inputs.nrows()));
///         rows += window.inputs.nrows();
///     }
///     assert_eq!(rows, 1000);
/// }
/// # Ok::<(), chainrule_data::Error>(())
/// ```
#[derive(Debug)]
pub struct Shuffled {
    inputs: Part,
    answers: Part,
    /// Whether the targets are classes.
    classes: bool,
    memory: usize,
    seed: u64,
    rows: Range<usize>,
}

/// Some rows of a file.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Window<T> {
    /// rows × features
    pub inputs: Array2<T>,
    /// As many targets.
    pub answers: Answers<T>,
}

impl Shuffled {
    /// Opens two files, to be gone through in `memory` bytes. `task` is as in [`read_answers`](super::read_answers).
    ///
    /// # Errors
    ///
    /// - [`Error::Io`] when a file cannot be read;
    /// - [`Error::Malformed`] when it is not a NPY file, is gzipped, holds something else than numbers, does not have its rows one after the
    ///   other or has another length than its header says;
    /// - [`Error::Argument`] when the files have different numbers of rows, or none.
    pub fn open(
        inputs: impl AsRef<Path>,
        answers: impl AsRef<Path>,
        task: Task,
        memory: usize,
    ) -> Result<Self, Error> {
        let (inputs, answers) = (Part::open(inputs.as_ref())?, Part::open(answers.as_ref())?);
        if inputs.rows != answers.rows || inputs.rows == 0 || inputs.columns == 0 || answers.columns == 0 {
            return Err(Error::Argument {
                name: "files",
                found: format!(
                    "{} × {} inputs and {} × {} targets",
                    inputs.rows, inputs.columns, answers.rows, answers.columns
                ),
                expected: "as many targets as inputs, and at least one".to_owned(),
            });
        }
        let classes = match task {
            Task::Classes => true,
            Task::Values => false,
            Task::Auto => answers.header.element.is_whole() && answers.columns == 1,
        };
        if classes && answers.columns != 1 {
            let found = counted(answers.columns, "column");
            return Err(malformed(&answers.name, 10, found, "one, of classes"));
        }
        let rows = 0..inputs.rows;
        Ok(Self { inputs, answers, classes, memory, seed: 0, rows })
    }

    /// The seed of the order; 0 if none is given.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Only these rows are gone through: those to train on.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for rows that the files do not have, and for none.
    pub fn rows(self, rows: Range<usize>) -> Result<Self, Error> {
        self.check(&rows)?;
        Ok(Self { rows, ..self })
    }

    fn check(&self, rows: &Range<usize>) -> Result<(), Error> {
        if rows.start < rows.end && rows.end <= self.inputs.rows {
            return Ok(());
        }
        Err(Error::Argument {
            name: "rows",
            found: format!("{} to {}", rows.start, rows.end),
            expected: format!("some of {}", self.inputs.rows),
        })
    }

    /// The number of rows that are gone through.
    #[expect(clippy::len_without_is_empty, reason = "there is at least one")]
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The number of features.
    #[must_use]
    pub fn features(&self) -> usize {
        self.inputs.columns
    }

    /// The rows in a window of `T`; the last one of a pass may have fewer.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if the memory does not suffice for a window of one row.
    pub fn window<T: Float>(&self) -> Result<usize, Error> {
        let Plan { block, blocks_of_window, .. } = self.plan::<T>()?;
        Ok((block * blocks_of_window).min(self.len()))
    }

    /// How rows are taken together.
    fn plan<T: Float>(&self) -> Result<Plan, Error> {
        let raw = self.inputs.row_bytes().max(self.answers.row_bytes());
        let answer = if self.classes { size_of::<usize>() } else { self.answers.columns * size_of::<T>() };
        // With a row's place, and the number that a class is read as.
        let kept = self.inputs.columns * size_of::<T>() + answer + size_of::<usize>() + size_of::<f64>();
        let block = (self.memory / BLOCKS).min(LARGEST_BLOCK) / raw.max(kept);
        // Of many small blocks the order alone would fill the memory: it may have an eighth.
        let least = self.len().div_ceil((self.memory / (8 * ORDER)).max(1));
        let block = block.max(least).min(self.len());
        let blocks = self.len().div_ceil(block);
        // A block as it lies in the file and decoded, and the order of blocks.
        let once = block * (raw + kept) + blocks * ORDER;
        let most = self.memory.saturating_sub(once) / (block * kept);
        if most == 0 {
            return Err(Error::Argument {
                name: "memory",
                found: format!("{} bytes", self.memory),
                expected: format!(
                    "at least {} for a window of {}",
                    once + block * kept,
                    counted(block, "row")
                ),
            });
        }
        // All windows of a size, nearly: a last one of few blocks would be no fair sample.
        let windows = blocks.div_ceil(most);
        Ok(Plan { block, blocks, blocks_of_window: blocks.div_ceil(windows) })
    }

    /// Goes through all rows once, in an order that is drawn from the seed and `pass`.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if the memory does not suffice for a window of one row. Windows come with [`Error::Io`] when a file cannot be
    /// read, and [`Error::Malformed`], with the row, for a number that is not finite or a class that is none.
    pub fn pass<T: Float>(&mut self, pass: u64) -> Result<Windows<'_, T>, Error> {
        let plan = self.plan::<T>()?;
        let order = permutation(plan.blocks, [self.seed, pass, 0]);
        Ok(Windows { data: self, plan, order, pass, next: 0, element: std::marker::PhantomData })
    }

    /// How many windows a pass has.
    ///
    /// # Errors
    ///
    /// As [`window`](Self::window).
    pub fn windows<T: Float>(&self) -> Result<usize, Error> {
        let Plan { blocks, blocks_of_window, .. } = self.plan::<T>()?;
        Ok(blocks.div_ceil(blocks_of_window))
    }

    /// One window of a [`pass`](Self::pass), counted from 0, without those before; nothing where the pass has fewer.
    ///
    /// # Errors
    ///
    /// As a window of the pass.
    pub fn nth<T: Float>(&mut self, pass: u64, window: usize) -> Result<Option<Window<T>>, Error> {
        let mut windows = self.pass(pass)?;
        windows.next = window.saturating_mul(windows.plan.blocks_of_window);
        windows.next().transpose()
    }

    /// One more than the greatest class of the whole file, which is gone through for it in small pieces; nothing for values.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the file cannot be read, [`Error::Malformed`], with the row, for a class that is none.
    pub fn classes(&mut self) -> Result<Option<usize>, Error> {
        if !self.classes {
            return Ok(None);
        }
        let mut classes = 0;
        for start in (0..self.answers.rows).step_by(LARGEST_BLOCK) {
            let rows = start..self.answers.rows.min(start + LARGEST_BLOCK);
            let places: Vec<usize> = (0..rows.len()).collect();
            let labels = self.labels(&[rows], &places)?;
            classes = labels.into_iter().max().map_or(classes, |most| classes.max(most + 1));
        }
        Ok(Some(classes))
    }

    /// Reads these rows, in their order and whatever the memory: for validation.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for rows that the files do not have; else as a window's.
    pub fn read<T: Float>(&mut self, rows: Range<usize>) -> Result<Window<T>, Error> {
        self.check(&rows)?;
        let places: Vec<usize> = (0..rows.len()).collect();
        self.gather(&[rows], &places)
    }

    /// Reads blocks of rows, the i-th row of all to the i-th of these places.
    fn gather<T: Float>(&mut self, blocks: &[Range<usize>], places: &[usize]) -> Result<Window<T>, Error> {
        let inputs = self.inputs.gather(blocks, places)?;
        let answers = if self.classes {
            Answers::Classes(self.labels(blocks, places)?)
        } else {
            Answers::Values(self.answers.gather(blocks, places)?)
        };
        Ok(Window { inputs, answers })
    }

    /// Reads the classes of blocks of rows, the i-th of all to the i-th of these places.
    fn labels(&mut self, blocks: &[Range<usize>], places: &[usize]) -> Result<Vec<usize>, Error> {
        let values = self.answers.gather::<f64>(blocks, places)?;
        labels(values.iter().copied()).map_err(|(place, value)| {
            let nth = places.iter().position(|&other| other == place).unwrap_or_default();
            Error::Malformed {
                file: self.answers.name.clone(),
                position: Position::Element {
                    row: blocks.iter().cloned().flatten().nth(nth).unwrap_or_default(),
                    column: 0,
                },
                found: number(value),
                expected: format!("a class from 0 to {}", MAX_CLASSES - 1),
            }
        })
    }
}

#[derive(Clone, Copy, Debug)]
struct Plan {
    /// Rows of a block; the last may have fewer.
    block: usize,
    blocks: usize,
    blocks_of_window: usize,
}

/// The windows of a pass; from [`Shuffled::pass`].
#[derive(Debug)]
pub struct Windows<'a, T> {
    data: &'a mut Shuffled,
    plan: Plan,
    /// The order of the blocks.
    order: Vec<usize>,
    pass: u64,
    /// The first block of the next window, in that order.
    next: usize,
    element: std::marker::PhantomData<T>,
}

impl<T: Float> Iterator for Windows<'_, T> {
    type Item = Result<Window<T>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let Plan { block, blocks_of_window, .. } = self.plan;
        let Range { start, end } = self.data.rows;
        let chosen = self.order.get(self.next..)?;
        let chosen = &chosen[..chosen.len().min(blocks_of_window)];
        if chosen.is_empty() {
            return None;
        }
        let range = |&number: &usize| start + number * block..end.min(start + (number + 1) * block);
        let blocks: Vec<_> = chosen.iter().map(range).collect();
        self.next += blocks.len();
        let rows = blocks.iter().map(Range::len).sum();
        let places = permutation(rows, [self.data.seed, self.pass, self.next as u64]);
        Some(self.data.gather(&blocks, &places))
    }
}

/// A file whose rows are read wherever they lie.
#[derive(Debug)]
struct Part {
    name: String,
    file: File,
    header: Header,
    rows: usize,
    columns: usize,
}

impl Part {
    fn open(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        let io = |cause| Error::Io { file: name.clone(), cause };
        let mut file = File::open(path).map_err(io)?;
        let mut magic = [0; 2];
        if file.read_exact(&mut magic).is_ok() && magic == [0x1f, 0x8b] {
            return Err(malformed(&name, 0, "gzip data".to_owned(), "an unpacked file, to be read in parts"));
        }
        file.rewind().map_err(io)?;
        let mut fill = |buffer: &mut [u8]| {
            let mut start = (&mut file).take(buffer.len() as u64);
            let mut read = Vec::new();
            start.read_to_end(&mut read).map_err(io)?;
            buffer[..read.len()].copy_from_slice(&read);
            Ok(read.len())
        };
        let header = Header::read(&name, &mut fill)?;
        let (rows, columns) = header.rows_and_columns(&name)?;
        if header.fortran && rows > 1 && columns > 1 {
            let expected = "rows one after the other (C order), to be read in parts";
            return Err(malformed(&name, 10, "an array in Fortran order".to_owned(), expected));
        }
        let expected = header.start + (header.count * header.element.size()) as u64;
        let found = file.metadata().map_err(io)?.len();
        if found != expected {
            let expected = format!("{expected}, as its header says");
            return Err(malformed(&name, found.min(header.start), format!("{found} bytes"), &expected));
        }
        Ok(Self { name, file, header, rows, columns })
    }

    fn row_bytes(&self) -> usize {
        self.columns * self.header.element.size()
    }

    /// Reads blocks of rows, the i-th row of all to the i-th of these places.
    fn gather<T: Float>(&mut self, blocks: &[Range<usize>], places: &[usize]) -> Result<Array2<T>, Error> {
        let (columns, bytes) = (self.columns, self.row_bytes());
        let io = |cause| Error::Io { file: self.name.clone(), cause };
        let mut values = vec![T::zero(); places.len() * columns];
        let (mut raw, mut decoded) = (Vec::new(), Vec::<T>::new());
        let mut places = places.iter();
        // What is read at once stays small, however long a block is.
        let most = (LARGEST_BLOCK / bytes).max(1);
        let parts = blocks.iter().flat_map(|block| {
            block.clone().step_by(most).map(move |start| start..block.end.min(start + most))
        });
        for rows in parts {
            raw.resize(rows.len() * bytes, 0);
            let start = self.header.start + rows.start as u64 * bytes as u64;
            self.file.seek(SeekFrom::Start(start)).map_err(io)?;
            self.file.read_exact(&mut raw).map_err(io)?;
            decoded.clear();
            self.header.element.decode(&raw, &mut decoded);
            if let Some(index) = decoded.iter().position(|value| !value.is_finite()) {
                let row = rows.start + index / columns;
                return Err(not_finite(&self.name, row, index % columns, decoded[index]));
            }
            for (row, &place) in decoded.chunks_exact(columns).zip(places.by_ref()) {
                values[place * columns..(place + 1) * columns].copy_from_slice(row);
            }
        }
        matrix(values.len() / columns, columns, values)
    }
}
