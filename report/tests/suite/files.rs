//! The files of a run.

use std::fs;

use crate::common::{classification, history, regression};
use chainrule_report::{Error, EventWriter, Metrics};

#[test]
fn a_folder_has_all_files_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("a").join("b");
    let report = classification(3, &history(2));
    for _ in 0..2 {
        // Once more over the old ones.
        let mut written = report.write_folder(&run).unwrap();
        written.sort();
        let mut found: Vec<_> = fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().path()).collect();
        found.sort();
        assert_eq!(written, found);
    }
    let names =
        ["confusion.png", "confusion.svg", "curves.png", "curves.svg", "histograms.png", "histograms.svg"];
    for name in names.into_iter().chain(["report.html"]) {
        assert!(fs::metadata(run.join(name)).unwrap().len() > 100, "{name}");
    }
    assert_eq!(fs::read_to_string(run.join("report.html")).unwrap(), report.to_html().unwrap());
}

#[test]
fn a_plot_has_letters_and_colours_as_a_png() {
    let plot = classification(3, &[]).confusion_plot().unwrap().unwrap();
    let png = plot.to_png().unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(&png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert!(plot.svg().contains(&format!("width=\"{}\" height=\"{}\"", info.width / 2, info.height / 2)));
    // "predicted" stands at the top, where there is nothing else.
    let row = usize::try_from(info.width).unwrap() * info.color_type.samples();
    let dark = pixels[..row * 40].chunks(info.color_type.samples()).filter(|pixel| pixel[0] < 128).count();
    assert!(dark > 50, "{dark} dark pixels");
}

#[test]
fn letters_of_other_scripts_do_no_harm() {
    let mut report = classification(3, &[]);
    report.confusion.as_mut().unwrap().class_names = ["猫", "कुत्ता", "🐎"].map(str::to_owned).into();
    assert!(report.confusion_plot().unwrap().unwrap().to_png().unwrap().len() > 1000);
}

#[test]
fn metrics_have_a_line_for_each_epoch() {
    let mut history = history(3);
    history[1].train.loss = f64::NAN;
    history[2].validation = None;
    let text = Metrics::of_history(&history).to_csv().unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = "epoch,train_loss,train_accuracy,validation_loss,validation_accuracy,validation_f1_macro,learning_rate,seconds,samples_per_s";
    assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>().join(","), header);
    let records: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), 3);
    for (record, epoch) in records.iter().zip(&history) {
        assert_eq!(record[0], epoch.epoch.to_string());
        let loss: f64 = record[1].parse().unwrap();
        assert_eq!(loss.to_bits(), epoch.train.loss.to_bits());
        assert_eq!(record[3].parse().ok(), epoch.validation.as_ref().map(|v| v.loss));
    }
    assert_eq!((&records[1][1], &records[2][4], &records[2][5]), ("NaN", "", ""));
    let regression = Metrics::of_history(&regression().history).to_csv().unwrap();
    assert!(regression.starts_with("epoch,train_loss,validation_loss,"), "{regression}");
}

#[test]
fn what_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing").join("metrics.csv");
    let error = Metrics::default().write(&missing).unwrap_err();
    assert!(matches!(&error, Error::File(_)));
    assert!(error.to_string().contains("missing"), "{error}");
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(classification(3, &[]).write_folder(&file).is_err());
}

#[test]
fn an_epoch_and_histograms_become_events() {
    let folder = tempfile::tempdir().unwrap();
    let mut events = EventWriter::create(folder.path(), 0).unwrap();
    let before = fs::metadata(events.path()).unwrap().len();
    let report = classification(3, &history(2));
    report.history.iter().try_for_each(|epoch| events.epoch(epoch)).unwrap();
    report.write_histograms(&mut events, 2).unwrap();
    let bytes = fs::read(events.path()).unwrap();
    assert!(bytes.len() as u64 > before);
    for tag in [
        "loss/train",
        "loss/validation",
        "accuracy/train",
        "learning_rate",
        "weights/0.weight",
        "gradients/1.bias",
    ] {
        assert!(bytes.windows(tag.len()).any(|window| window == tag.as_bytes()), "{tag}");
    }
}
