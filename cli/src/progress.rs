//! What is shown while a network is trained: a bar on a terminal, else a line per epoch. All of it goes to standard error.

use std::cell::{OnceCell, RefCell};
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use chainrule_report::sparkline;
use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::report::{Record, headline};

/// How often the bar's text is made anew.
const REFRESH: Duration = Duration::from_millis(100);

/// About so many lines tell of a long run, above the bar as well.
const LINES: usize = 50;

/// Shows how far the training has come.
#[derive(Debug)]
pub(crate) struct Progress {
    show: Show,
    epochs: usize,
    begun: Instant,
    /// The part of the run that was done before, where it goes on.
    before: OnceCell<f64>,
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
        Self { show, epochs, begun: Instant::now(), before: OnceCell::new(), losses: RefCell::default() }
    }

    /// What is to be called after each step, if anything: with the epoch, and the samples of it that are done and all in all.
    pub(crate) fn on_step(&self) -> Option<impl FnMut(usize, usize, usize) + use<>> {
        let Show::Bar(bar) = &self.show else { return None };
        let (bar, epochs, begun) = (bar.clone(), self.epochs, self.begun);
        let mut shown: Option<(Instant, usize)> = None;
        let mut first = None;
        Some(move |epoch: usize, done: usize, all: usize| {
            let (now, so_far) = (Instant::now(), (epoch - 1).saturating_mul(all).saturating_add(done));
            // What the first step took is not known.
            let Some((then, before)) = shown else {
                shown = Some((now, so_far));
                return;
            };
            if now - then < REFRESH {
                return;
            }
            shown = Some((now, so_far));
            let (rate, whole) =
                (per_second(so_far.saturating_sub(before), now - then), epochs.saturating_mul(all));
            let from = *first.get_or_insert(before as f64 / whole.max(1) as f64);
            let left = left(begun.elapsed(), from, so_far as f64 / whole.max(1) as f64);
            bar.set_length(whole as u64);
            bar.set_prefix(format!("epoch {epoch}/{epochs}, {} samples/s, {left} left", count(rate)));
            bar.set_position(so_far as u64);
        })
    }

    /// After each epoch.
    pub(crate) fn epoch(&self, record: &Record) {
        let part = |epoch: usize| epoch as f64 / self.epochs.max(1) as f64;
        let before = *self.before.get_or_init(|| part(record.epoch.saturating_sub(1)));
        let left = left(self.begun.elapsed(), before, part(record.epoch));
        let is_told = record.epoch.is_multiple_of(self.epochs.div_ceil(LINES).max(1));
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
                if is_told {
                    bar.println(line);
                }
                bar.set_message(curve(&losses));
            }
            // A reader of stderr that has left is no reason to stop.
            Show::Lines if is_told => drop(writeln!(std::io::stderr(), "{line}, {left} left")),
            Show::Lines | Show::Nothing => {}
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

/// The time that is left of a run, of which the time so far went from one part of it to another.
fn left(elapsed: Duration, from: f64, to: f64) -> HumanDuration {
    let seconds = elapsed.as_secs_f64() * (1.0 - to) / (to - from).max(1e-9);
    HumanDuration(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX))
}

fn per_second(samples: usize, time: Duration) -> f64 {
    samples as f64 / time.as_secs_f64().max(1e-9)
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
    fn what_is_left_of_a_run_that_goes_on_goes_by_its_own_time() {
        let ten = Duration::from_secs(10);
        assert_eq!(left(ten, 0.0, 0.25).to_string(), "30 seconds");
        assert_eq!(left(ten, 0.5, 0.75).to_string(), "10 seconds");
        assert_eq!(left(ten, 0.5, 1.0).to_string(), "0 seconds");
    }

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
