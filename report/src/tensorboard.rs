//! Event files, which TensorBoard shows.

mod proto;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use chainrule_core::{Epoch, Evaluation};
use prost::Message as _;

use crate::csv::{accuracy, metrics};
use crate::{Error, Histogram, Result};
use proto::{Event, HistogramProto, Kind, SessionLog, Summary, Value, What};

/// Writes a TensorBoard event file.
///
/// The file is one of records: the length of an event (64 bits, little endian), the masked CRC-32C of these bytes, the event, and its
/// masked CRC-32C. Each record is handed to the operating system whole, so that TensorBoard may read along. (`record_writer.cc` of TensorFlow.)
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// use chainrule_report::{EventWriter, Histogram};
/// let mut events = EventWriter::create(folder.path(), 0)?;
/// events.scalar("loss/train", 1, 0.25)?;
/// events.histogram("weights/0.weight", 1, &Histogram::new("0.weight", &[0.5_f32, -0.5]))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct EventWriter {
    path: PathBuf,
    file: File,
}

impl EventWriter {
    /// Begins a new file in a folder, which is made if it isn't there: `events.out.tfevents.` and the time.
    ///
    /// A run that goes on from a checkpoint begins a file of its own beside the earlier ones; `first_step` is then the first step (here:
    /// epoch) that it writes, and what the earlier files say of that step and later ones is void. 0 for a new run.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be made.
    pub fn create(folder: impl AsRef<Path>, first_step: u64) -> Result<Self> {
        let folder = folder.as_ref();
        fs::create_dir_all(folder).map_err(|cause| Error::writing(folder, cause))?;
        let seconds = wall_time();
        // The seconds come first, since TensorBoard reads a folder's files in the order of their names.
        let name = format!("events.out.tfevents.{:010.0}.chainrule.{}", seconds.floor(), std::process::id());
        let mut number = 0_u64;
        let (path, file) = loop {
            let path = folder.join(format!("{name}.{number:06}"));
            match File::create_new(&path) {
                Ok(file) => break (path, file),
                Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
                Err(cause) => return Err(Error::writing(&path, cause)),
            }
        };
        let mut writer = Self { path, file };
        writer.event(0, What::FileVersion("brain.Event:2".to_owned()))?;
        if first_step > 0 {
            writer.event(first_step, What::SessionLog(SessionLog { status: 1 }))?;
        }
        Ok(writer)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A number at a step. Tags with `/` are shown in groups.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be written.
    pub fn scalar(&mut self, tag: &str, step: u64, value: f64) -> Result<()> {
        self.summary(step, vec![scalar(tag, value)])
    }

    /// A histogram at a step.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be written.
    pub fn histogram(&mut self, tag: &str, step: u64, histogram: &Histogram) -> Result<()> {
        let kind = HistogramProto {
            min: histogram.min,
            max: histogram.max,
            num: histogram.count as f64,
            sum: histogram.sum,
            sum_squares: histogram.sum_of_squares,
            bucket_limit: (0..histogram.bins.len()).map(|bin| histogram.edge(bin)).collect(),
            bucket: histogram.bins.iter().map(|&count| count as f64).collect(),
        };
        self.summary(step, vec![Value { tag: tag.to_owned(), kind: Some(Kind::Histogram(kind)) }])
    }

    /// All that was measured in an epoch, which is the step: `loss/train`, `loss/validation`, `accuracy/train`, …, `learning_rate`,
    /// `samples_per_second`.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be written.
    pub fn epoch(&mut self, epoch: &Epoch) -> Result<()> {
        let mut values = scalars("train", &epoch.train);
        values.extend(epoch.validation.iter().flat_map(|validation| scalars("validation", validation)));
        values.push(scalar("learning_rate", epoch.learning_rate));
        values.push(scalar("samples_per_second", epoch.samples_per_second));
        self.summary(epoch.epoch as u64, values)
    }

    /// What was measured on a part of the data after an epoch, which is the step: `loss/test`, `accuracy/test`, ….
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be written.
    pub fn evaluation(&mut self, part: &str, step: u64, evaluation: &Evaluation) -> Result<()> {
        self.summary(step, scalars(part, evaluation))
    }

    fn summary(&mut self, step: u64, value: Vec<Value>) -> Result<()> {
        self.event(step, What::Summary(Summary { value }))
    }

    fn event(&mut self, step: u64, what: What) -> Result<()> {
        let step = i64::try_from(step).unwrap_or(i64::MAX);
        let event = Event { wall_time: wall_time(), step, what: Some(what) };
        let record = record(&event.encode_to_vec());
        self.file.write_all(&record).map_err(|cause| Error::writing(&self.path, cause))
    }
}

fn scalars(part: &str, evaluation: &Evaluation) -> Vec<Value> {
    let mut values = vec![scalar(&format!("loss/{part}"), evaluation.loss)];
    values.extend(accuracy(evaluation).map(|value| scalar(&format!("accuracy/{part}"), value)));
    values.extend(metrics(evaluation).map(|(name, value)| scalar(&format!("{name}/{part}"), value)));
    values
}

#[expect(clippy::cast_possible_truncation, reason = "the format has 32 bits for it")]
fn scalar(tag: &str, value: f64) -> Value {
    Value { tag: tag.to_owned(), kind: Some(Kind::Scalar(value as f32)) }
}

/// An event as it lies in the file.
fn record(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    [&length[..], &masked_crc(&length), event, &masked_crc(event)].concat()
}

/// CRC-32C, turned right by 15 bits, plus a constant: so a checksum of data with checksums in them stays a good one.
fn masked_crc(bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// Seconds since 1970.
fn wall_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events of a file, their lengths and checksums checked.
    fn read(path: &Path) -> Vec<Event> {
        let bytes = fs::read(path).unwrap();
        let (mut rest, mut events) = (&bytes[..], Vec::new());
        let crc = |bytes: &[u8]| {
            let masked = u32::from_le_bytes(bytes.try_into().unwrap());
            masked.wrapping_sub(0xa282_ead8).rotate_left(15)
        };
        while !rest.is_empty() {
            let length = usize::try_from(u64::from_le_bytes(rest[..8].try_into().unwrap())).unwrap();
            assert_eq!(crc(&rest[8..12]), crc32c::crc32c(&rest[..8]));
            let event = &rest[12..12 + length];
            assert_eq!(crc(&rest[12 + length..16 + length]), crc32c::crc32c(event));
            events.push(Event::decode(event).unwrap());
            rest = &rest[16 + length..];
        }
        events
    }

    #[test]
    fn the_checksum_is_the_one_of_the_format() {
        // CRC-32C of 32 zeros is 0x8a9136aa (RFC 3720, B.4); turned by 15 bits that is 0x6d551522.
        assert_eq!(masked_crc(&[0; 32]), 0x6d55_1522_u32.wrapping_add(0xa282_ead8).to_le_bytes());
    }

    #[test]
    fn events_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = EventWriter::create(folder.path().join("events"), 0).unwrap();
        writer.scalar("loss/train", 3, 0.5).unwrap();
        writer.histogram("weights", 3, &Histogram::new("", &[1.0, 2.0, 2.0])).unwrap();
        writer.scalar("nothing", 4, f64::NAN).unwrap();
        let events = read(writer.path());
        assert_eq!(events[0].what, Some(What::FileVersion("brain.Event:2".to_owned())));
        let Some(What::Summary(loss)) = &events[1].what else { panic!("{events:?}") };
        assert_eq!((events[1].step, loss), (3, &Summary { value: vec![scalar("loss/train", 0.5)] }));
        let Some(What::Summary(Summary { value })) = &events[2].what else { panic!("{events:?}") };
        let Some(Kind::Histogram(histogram)) = &value[0].kind else { panic!("{value:?}") };
        assert_eq!((histogram.num, histogram.sum, histogram.sum_squares), (3.0, 5.0, 9.0));
        assert_eq!((histogram.bucket.first(), histogram.bucket.last()), (Some(&1.0), Some(&2.0)));
        assert_eq!(histogram.bucket_limit.last(), Some(&2.0));
        assert_eq!(events.len(), 4);
    }

    #[test]
    fn a_resumed_run_voids_what_came_after_its_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let first = EventWriter::create(folder.path(), 0).unwrap();
        let second = EventWriter::create(folder.path(), 7).unwrap();
        assert!(first.path() < second.path(), "files are read in the order of their names");
        let events = read(second.path());
        assert_eq!((events[1].step, &events[1].what), (7, &Some(What::SessionLog(SessionLog { status: 1 }))));
        assert_eq!(read(first.path()).len(), 1);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = EventWriter::create(file.path().join("events"), 0).unwrap_err();
        assert!(error.to_string().contains("events"), "{error}");
    }
}
