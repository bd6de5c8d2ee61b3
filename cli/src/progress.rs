//! What is shown while a network is trained: a bar on a terminal, else a line per epoch. All of it goes to standard error.

use std::cell::RefCell;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use chainrule_report::sparkline;
use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::report::{Record, headline};

/// How often the bar's text is made anew.
const REFRESH: Duration = Duration::from_millis(100);

/// About so many lines tell of a long run.
const LINES: usize = 50;

/// Shows how far the training has come.
#[derive(Debug)]
pub(crate) struct Progress {
    show: Show,
    epochs: usize,
    begun: Instant,
    /// Of the epochs so far, for the curve.
    losses: RefCell<Vec<f64>>,
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
            if let Ok(style) = ProgressStyle::with_template("[{bar:30}] {percent:>3} %  {prefix}  {msg}") {
                bar.set_style(style.progress_chars("=> "));
            }
            Show::Bar(bar)
        } else if lines {
            Show::Lines
        } else {
            Show::Nothing
        };
        Self { show, epochs, begun: Instant::now(), losses: RefCell::default() }
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
            } else if now - shown < REFRESH {
                return;
            }
            shown = now;
            let rate = done as f64 / (now - epoch_begun).as_secs_f64().max(1e-9);
            let fraction = ((epoch - 1) as f64 + done as f64 / all.max(1) as f64) / epochs.max(1) as f64;
            let left = left(begun.elapsed(), fraction);
            bar.set_prefix(format!("epoch {epoch}/{epochs}, {} samples/s, {left} left", count(rate)));
            bar.set_position(done as u64);
        })
    }

    /// After each epoch.
    pub(crate) fn epoch(&self, record: &Record) {
        let left = left(self.begun.elapsed(), record.epoch as f64 / self.epochs.max(1) as f64);
        let held_out =
            record.parts().skip(1).last().map(|(name, part)| format!(", {name} loss {:.4}", part.loss));
        let line = format!(
            "epoch {:>width$}/{}: train loss {:.4}{}, {}, {} samples/s",
            record.epoch,
            self.epochs,
            record.train.loss,
            held_out.unwrap_or_default(),
            headline(record),
            count(record.samples_per_s),
            width = self.epochs.to_string().len(),
        );
        match &self.show {
            Show::Bar(bar) => {
                let mut losses = self.losses.borrow_mut();
                losses.push(record.parts().last().map_or(f64::NAN, |(_, part)| part.loss));
                bar.println(line);
                bar.set_message(curve(&losses));
            }
            Show::Lines if !record.epoch.is_multiple_of(self.epochs.div_ceil(LINES).max(1)) => {}
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

/// The widest curve.
const WIDTH: usize = 24;

/// A curve of the losses so far, the latest on the right, on a logarithmic scale: `loss █▅▃▂▁ 0.0123`.
fn curve(losses: &[f64]) -> String {
    let logarithm = |&loss: &f64| if loss < 1e-12 { 1e-12_f64.ln() } else { loss.ln() };
    let last = losses.last().copied().unwrap_or(f64::NAN);
    format!("loss {} {last:.4}", sparkline(&losses.iter().map(logarithm).collect::<Vec<_>>(), WIDTH))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_falls_as_the_losses_do() {
        assert_eq!(curve(&[1.0, 0.1, 0.01]), "loss █▅▁ 0.0100");
        assert_eq!(curve(&[0.5]), "loss ▁ 0.5000");
        assert_eq!(curve(&[f64::NAN, 1.0]), "loss  ▁ 1.0000");
        assert_eq!(curve(&[]), "loss  NaN");
        let long: Vec<f64> = (0..1000).map(|epoch| 1.0 / f64::from(1 + epoch)).collect();
        assert_eq!(curve(&long).chars().count(), "loss ".len() + WIDTH + " 0.0010".len());
    }
}
