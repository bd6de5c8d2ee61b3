//! What is shown while a network is trained: a bar on a terminal, else a line per epoch. All of it goes to standard error.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::report::{Record, percent};

/// How often the bar's text is made anew.
const REFRESH: Duration = Duration::from_millis(100);

/// Shows how far the training has come.
#[derive(Debug)]
pub(crate) struct Progress {
    show: Show,
    epochs: usize,
    begun: Instant,
}

#[derive(Debug)]
enum Show {
    Bar(ProgressBar),
    Lines,
    Nothing,
}

impl Progress {
    /// Of a training of so many epochs. Programs that read the output get no lines, people see the bar all the same.
    pub(crate) fn new(epochs: usize, quiet: bool, lines: bool) -> Self {
        let show = if quiet {
            Show::Nothing
        } else if std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:30}] {percent:>3} %  {prefix}") {
                bar.set_style(style.progress_chars("=> "));
            }
            Show::Bar(bar)
        } else if lines {
            Show::Lines
        } else {
            Show::Nothing
        };
        Self { show, epochs, begun: Instant::now() }
    }

    /// What is to be called after each step, if anything: with the epoch, and the samples of it that are done and all in all.
    pub(crate) fn on_step(&self) -> Option<impl FnMut(usize, usize, usize) + use<>> {
        let Show::Bar(bar) = &self.show else { return None };
        let (bar, epochs, begun) = (bar.clone(), self.epochs, self.begun);
        let (mut shown, mut epoch_shown, mut epoch_begun) = (Instant::now(), 0, Instant::now());
        Some(move |epoch: usize, done: usize, all: usize| {
            let now = Instant::now();
            if epoch != epoch_shown {
                (epoch_shown, epoch_begun) = (epoch, now);
                bar.set_length(all as u64);
                bar.set_message(format!("epoch {epoch}/{epochs}"));
            } else if now - shown < REFRESH {
                return;
            }
            shown = now;
            let rate = done as f64 / (now - epoch_begun).as_secs_f64().max(1e-9);
            let fraction = ((epoch - 1) as f64 + done as f64 / all.max(1) as f64) / epochs.max(1) as f64;
            let left = left(begun.elapsed(), fraction);
            bar.set_prefix(format!("{} samples/s, {left} left", count(rate)));
            bar.set_position(done as u64);
        })
    }

    /// After each epoch.
    pub(crate) fn epoch(&self, record: &Record) {
        let left = left(self.begun.elapsed(), record.epoch as f64 / self.epochs.max(1) as f64);
        let line = format!(
            "epoch {:>width$}/{}: train loss {:.4}, test loss {:.4}, test accuracy {}, {} samples/s",
            record.epoch,
            self.epochs,
            record.train_loss,
            record.test_loss,
            percent(record.test_accuracy),
            count(record.samples_per_s),
            width = self.epochs.to_string().len(),
        );
        match &self.show {
            Show::Bar(bar) => bar.println(line),
            // A reader of stderr that has left is no reason to stop.
            Show::Lines => drop(writeln!(std::io::stderr(), "{line}, {left} left")),
            Show::Nothing => {}
        }
    }

    /// At the end.
    pub(crate) fn finish(&self) {
        if let Show::Bar(bar) = &self.show {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

fn left(elapsed: Duration, fraction: f64) -> HumanDuration {
    let seconds = elapsed.as_secs_f64() * (1.0 - fraction) / fraction.max(1e-9);
    HumanDuration(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX))
}

/// `123,456`.
pub(crate) fn count(number: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates; a rate is above 0"
    )]
    let whole = number.round() as u64;
    HumanCount(whole).to_string()
}
