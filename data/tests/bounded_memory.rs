//! No reader panics on any bytes, or takes memory for what is not there; and what is read in parts takes the memory of a part.

use chainrule_data::{
    Encoder, Preprocessing, Task,
    csv::{self, MISSING, Options, Reader},
    idx,
    npy::{self, Npz, Shuffled},
};
use flate2::{Compression, write::GzEncoder};
use ndarray::{Array1, Array2};
use proptest::prelude::*;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    fs::File,
    io::{self, Cursor, Read, Write},
};

/// Counts the bytes that a thread has, and the most that it ever had.
struct Counting;

thread_local! {
    static NOW: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    let now = NOW.get() + bytes;
    NOW.set(now);
    MOST.set(MOST.get().max(now));
}

#[expect(unsafe_code, reason = "an allocator is unsafe by nature")]
// SAFETY: every call is handed to the system's allocator unchanged; counting touches no memory of the caller. What the trait does by
// these two (`realloc`, `alloc_zeroed`) is counted by them.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that `work` has at a time.
fn most(work: impl FnOnce()) -> usize {
    let before = NOW.get();
    MOST.set(before);
    work();
    (MOST.get() - before).unsigned_abs()
}

/// Gives bytes to every reader; none of them may take much more than they are.
fn read_all(bytes: &[u8]) {
    let limit = (4 << 20) + 64 * bytes.len();
    let readers: [(&str, &dyn Fn()); 8] = [
        ("csv", &|| drop(csv::from_reader::<f32>(bytes, "t", &Options::new()))),
        ("table", &|| drop(csv::table_from_reader::<f64>(bytes, "t", &Options::new().missing(&MISSING)))),
        ("idx", &|| drop(idx::from_reader(bytes, "t"))),
        ("npy", &|| drop(npy::from_reader::<f64>(bytes, "t"))),
        ("answers", &|| drop(npy::answers_from_reader::<f32>(bytes, "t", Task::Classes))),
        ("npz", &|| {
            if let Ok(mut npz) = Npz::new(Cursor::new(bytes), "t") {
                for name in npz.names() {
                    drop(npz.read::<f32>(&name));
                }
            }
        }),
        ("encoder", &|| drop(serde_json::from_slice::<Encoder>(bytes))),
        ("preprocessing", &|| drop(serde_json::from_slice::<Preprocessing>(bytes))),
    ];
    for (name, read) in readers {
        let most = most(read);
        assert!(most <= limit, "{name} took {most} bytes for {} bytes", bytes.len());
    }
}

fn npy_of(shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '<f8', 'fortran_order': True, 'shape': {shape}, }}\n");
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
}

fn zip_of(name: &str, member: &[u8]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
    writer.write_all(member).unwrap();
    writer.finish().unwrap().into_inner()
}

fn gzip_of(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

#[test]
fn a_header_that_claims_much_takes_nothing() {
    for shape in
        ["(1152921504606846975,)", "(1000000000, 100)", "(100, 1000000, 1000)", "(0, 1152921504606846975)"]
    {
        let claim = npy_of(shape, &[0; 16]);
        read_all(&claim);
        read_all(&gzip_of(&claim));
        read_all(&zip_of("x.npy", &claim));
    }
    let mut long_header = b"\x93NUMPY\x03\x00\xff\xff\xff\x7f".to_vec();
    read_all(&long_header);
    long_header.extend(vec![b'('; 1000]);
    read_all(&long_header);
    read_all(&[&[0, 0, 8, 255][..], &[255; 4 * 255]].concat());
    read_all(&[&[0, 0, 8, 2][..], &[0x7f; 8], &[1; 100]].concat());
    // An archive that claims many members, and one member of much.
    let mut archive = zip_of("x.npy", &npy_of("(1,)", &[0; 8]));
    let end = archive.len() - 22;
    archive[end + 8..end + 12].fill(0xff);
    read_all(&archive);
    read_all(format!("[{}", "[".repeat(100_000)).as_bytes());
}

#[test]
fn a_long_file_is_read_in_the_memory_of_a_part() {
    /// Rows without end, but for a number of them.
    struct Rows(u64, Vec<u8>);
    impl Read for Rows {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.1.is_empty() && self.0 > 0 {
                self.0 -= 1;
                self.1 = format!("{},{},blue,{}\r\n", self.0, self.0 * 7, self.0 % 3).into_bytes();
            }
            let length = buffer.len().min(self.1.len());
            buffer[..length].copy_from_slice(&self.1[..length]);
            self.1.drain(..length);
            Ok(length)
        }
    }
    let taken = |rows: u64| {
        most(|| {
            let mut reader = Reader::from_reader(Rows(rows, Vec::new()), "rows", &Options::new()).unwrap();
            let mut seen = 0;
            while let Some(part) = reader.next_table::<f32>(1000).unwrap() {
                seen += part.len() as u64;
            }
            assert_eq!(seen, rows);
        })
    };
    let (short, long) = (taken(50_000), taken(200_000));
    assert!(long <= short + 1024 && long < 1 << 20, "{long} bytes, and {short} for a quarter");
}

#[test]
fn windows_of_a_file_take_the_memory_they_may() {
    const MEMORY: usize = 1 << 20;
    let folder = tempfile::tempdir().unwrap();
    let (x, y) = (folder.path().join("x.npy"), folder.path().join("y.npy"));
    let values = Array2::from_shape_fn((28_000, 64), |(row, column)| (row * 64 + column) as f32);
    npy::write(&values, File::create(&x).unwrap()).unwrap();
    let labels: Array1<u8> = (0..10).cycle().take(28_000).collect();
    npy::write(&labels, File::create(&y).unwrap()).unwrap();
    drop(values);
    assert!(x.metadata().unwrap().len() > 6 * MEMORY as u64);

    let mut data = Shuffled::open(&x, &y, Task::Auto, MEMORY).unwrap();
    let mut rows = 0;
    let most = most(|| {
        for window in data.pass::<f32>(1).unwrap() {
            rows += window.unwrap().inputs.nrows();
        }
    });
    assert_eq!(rows, 28_000);
    assert!(most <= MEMORY, "{most} bytes of {MEMORY}");
    assert!(most > MEMORY * 3 / 4, "{most} bytes of {MEMORY} are used");
}

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400), which in 0_usize..5) {
        read_all(&match which {
            0 => bytes,
            1 => gzip_of(&bytes),
            2 => npy_of("(2, 3)", &bytes),
            3 => zip_of("x.npy", &bytes),
            _ => [&[0, 0, 8][..], &bytes].concat(),
        });
    }

    /// Sound files with some bytes changed.
    #[test]
    fn damaged_files(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), which in 0_usize..5) {
        let sound = npy_of("(2, 3)", &[0; 48]);
        let mut bytes = match which {
            0 => sound,
            1 => gzip_of(&sound),
            2 => zip_of("x.npy", &sound),
            3 => [&[0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3][..], &[7; 6]].concat(),
            _ => b"a,b,\"c d\"\r\n1,x,0\r\n2.5,\"y\nz\",1\r\n".to_vec(),
        };
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        read_all(&bytes);
    }
}
