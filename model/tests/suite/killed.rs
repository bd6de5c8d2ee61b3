//! A program that trains is killed at random instants, again and again, and goes on from its latest checkpoint: it ends with
//! the very same bits as one that was never interrupted.

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chainrule_core::random::{Generator, Stream};
use chainrule_core::{Epoch, Network, TrainerConfig};
use chainrule_model::{Checkpoint, Checkpointer, Error, write_atomically};
use chainrule_naive::Naive;

use crate::common::{RUNS, circle, data, result, run};

/// The run that the child process is to make.
const NAME: &str = "CHAINRULE_TEST_RUN";
/// Where.
const FOLDER: &str = "CHAINRULE_TEST_FOLDER";

/// Trains from the latest checkpoint, or from the beginning.
fn train(name: &str, folder: &Path) -> Result<(Network<f32>, Vec<Epoch>), Error> {
    let (config, settings) = run(name);
    let (x, labels) = circle(64);
    let (data, train, validation) = data(&x, &labels);
    let mut checkpoints = Checkpointer::new(folder)?.every_steps(1).keep(2).settings(&settings)?;
    let trainer = settings.trainer().unwrap().validation_rows(data, validation);
    let (mut network, trainer) = match Checkpoint::<f32>::latest(folder)? {
        Some(found) => {
            assert!(found.skipped.is_empty(), "{:?}", found.skipped);
            assert_eq!(found.checkpoint.settings::<TrainerConfig>()?, settings);
            (found.checkpoint.network, trainer.resume(found.checkpoint.state))
        }
        None => (config.build(1).unwrap(), trainer),
    };
    let fit = trainer.callback(&mut checkpoints).fit_rows(&mut network, &Naive, &data, &train);
    checkpoints.check()?;
    Ok((network, fit.unwrap()))
}

/// What the child process does; nothing in the test run itself.
#[test]
fn the_child() {
    let (Ok(name), Some(folder)) = (std::env::var(NAME), std::env::var_os(FOLDER)) else { return };
    let folder = Path::new(&folder);
    let text = match train(&name, folder) {
        Ok((network, history)) => result(&network, &history),
        Err(error) => error.to_string(),
    };
    write_atomically(&folder.with_extension("result"), text.as_bytes()).unwrap();
}

fn child(command: &mut Command, name: &str, folder: &Path) -> Child {
    command
        .args(["--exact", "killed::the_child"])
        .env(NAME, name)
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

#[test]
fn a_run_that_is_killed_ends_with_the_same_bits() {
    let mut instants = Generator::new(1, Stream::Initial);
    for name in RUNS {
        let (config, settings) = run(name);
        let (x, labels) = circle(64);
        let (data, train, validation) = data(&x, &labels);
        let mut network = config.build(1).unwrap();
        let mut trainer = settings.trainer().unwrap().validation_rows(data, validation);
        let history = trainer.fit_rows(&mut network, &Naive, &data, &train).unwrap();
        let expected = result(&network, &history);

        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("checkpoints");
        let (mut lives, mut hits) = (0, 0);
        loop {
            let mut child = child(&mut Command::new(std::env::current_exe().unwrap()), name, &folder);
            lives += 1;
            // In the end it is left alone, however slow the machine is.
            if lives <= 30 {
                // It has begun when it has said the first word.
                let _ = child.stdout.take().map(|mut stdout| stdout.read(&mut [0]));
                std::thread::sleep(Duration::from_secs_f64(0.04 * instants.uniform()));
                // SIGKILL
                child.kill().unwrap();
            }
            if child.wait().unwrap().success() {
                break;
            }
            hits += usize::from(folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()));
        }
        let found = std::fs::read_to_string(folder.with_extension("result")).unwrap();
        assert_eq!(found, expected, "{name} in {lives} lives");
        let left = folder.read_dir().unwrap().count();
        assert_eq!(left, 2, "the last two checkpoints, and nothing unfinished");
        println!("{name}: {lives} lives, of which {hits} ended between checkpoints");
    }
}

/// All files of a folder.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
    };
    let mut files: Vec<_> = folder.read_dir().unwrap().map(read).collect();
    files.sort();
    files
}

/// A limit of the size of files stands for a full disk: a write fails half-way.
#[test]
fn a_full_disk_ends_the_run_with_the_older_checkpoints_as_they_were() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = temporary.path().join("checkpoints");
    let (config, settings) = run("adam");
    let (x, labels) = circle(64);
    let (data, train, validation) = data(&x, &labels);
    let mut checkpoints = Checkpointer::new(&folder).unwrap().settings(&settings).unwrap();
    let mut network = config.build(1).unwrap();
    // Two epochs of six, with more room on the disk.
    let trainer =
        TrainerConfig { epochs: 2, ..settings }.trainer().unwrap().validation_rows(data, validation);
    trainer.callback(&mut checkpoints).fit_rows(&mut network, &Naive, &data, &train).unwrap();
    checkpoints.check().unwrap();
    let before = files(&folder);
    assert!(before.iter().all(|(_, bytes)| bytes.len() > 2 * 1024));

    let mut limited = Command::new("sh");
    // A block is 512 bytes; the signal would end the process.
    limited
        .args(["-c", r#"trap "" XFSZ; ulimit -f 2; exec "$0" "$@""#])
        .arg(std::env::current_exe().unwrap());
    let output = child(&mut limited, "adam", &folder).wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let told = std::fs::read_to_string(folder.with_extension("result")).unwrap();
    let file = folder.join("checkpoint-00000013.safetensors");
    assert!(told.starts_with(&format!("{}: cannot be written: File too large", file.display())), "{told}");
    assert_eq!(files(&folder), before);
}
