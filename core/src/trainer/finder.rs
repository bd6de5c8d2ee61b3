//! The learning-rate finder.

use super::Trainer;
use super::run::{Memory, RunState};
use crate::{Backend, Dataset, Error, Network, Result, Scalar};

/// How the learning rate is found: it grows exponentially from step to step until the loss explodes (Smith, arXiv 1506.01186).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateFinder {
    /// The first rate.
    pub start: f64,
    /// The last rate.
    pub end: f64,
    /// The steps between them.
    pub steps: usize,
    /// The part of the mean loss that each step keeps.
    pub smoothing: f64,
    /// The loss has exploded when its mean is so many times the lowest.
    pub explosion: f64,
}

impl Default for RateFinder {
    /// 100 steps from 10⁻⁷ to 10.
    fn default() -> Self {
        Self { start: 1e-7, end: 10.0, steps: 100, smoothing: 0.9, explosion: 4.0 }
    }
}

/// What the finder saw.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RateCurve {
    /// The rate of each step and the mean of the losses up to it, the latest counting most.
    pub points: Vec<(f64, f64)>,
    /// A tenth of the rate with the lowest mean, where the loss still falls well; none if it is lowest at the beginning.
    pub suggestion: Option<f64>,
}

impl RateFinder {
    fn check(&self) -> Result<()> {
        let positive = self.start.is_finite() && self.start > 0.0;
        if !(positive && self.end.is_finite() && self.end > self.start) {
            let found = format!("from {} to {}", self.start, self.end);
            let name = "the range of learning rates to look in";
            return Err(Error::setting(name, found, "finite, above 0 and ascending"));
        }
        if self.steps < 2 {
            return Err(Error::setting("the steps of the learning-rate finder", self.steps, "at least 2"));
        }
        if !((0.0..1.0).contains(&self.smoothing) && self.explosion > 1.0) {
            let found = format!("{} and {}", self.smoothing, self.explosion);
            let name = "smoothing and explosion of the learning-rate finder";
            return Err(Error::setting(name, found, "0 to below 1, and above 1"));
        }
        Ok(())
    }
}

/// A tenth of the rate with the lowest mean.
fn suggestion(points: &[(f64, f64)], steps: usize) -> Option<f64> {
    let lowest = (0..points.len()).min_by(|&i, &j| points[i].1.total_cmp(&points[j].1));
    lowest.filter(|&i| i >= steps / 10).map(|i| points[i].0 / 10.0)
}

impl<T: Scalar> Trainer<'_, T> {
    /// Tries learning rates on a copy of the network, from small to large, one a step, with the trainer's optimiser and settings. Neither
    /// the network nor the trainer's run changes.
    ///
    /// ```
    /// use chainrule_core::{Activation, CrossEntropy, Dataset, Network, RateFinder, Sgd, Trainer};
    /// # use chainrule_naive::Naive;
    /// use ndarray::Array2;
    ///
    /// let x = Array2::from_shape_fn((60, 2), |(i, j)| ((7 * i + 3 * j) % 10) as f64 / 10.0 - 0.45);
    /// let labels: Vec<usize> = x.rows().into_iter().map(|row| usize::from(row.sum() > 0.0)).collect();
    /// let data = Dataset::classes(&x, &labels)?;
    /// let network = Network::<f64>::builder(2).dense(2, Activation::Identity).softmax().build(1)?;
    /// let mut trainer = Trainer::new(CrossEntropy, Sgd::default()).batch_size(10);
    /// let curve = trainer.find_learning_rate(&network, &Naive, &data, RateFinder::default())?;
    /// assert!(curve.suggestion.is_some_and(|rate| rate > 1e-3));
    /// # Ok::<(), chainrule_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Trainer::fit`], except that a loss that is not finite is an end as any other; [`Error::Setting`] for a range that is
    /// none.
    pub fn find_learning_rate(
        &mut self,
        network: &Network<T>,
        backend: &dyn Backend<T>,
        data: &Dataset<'_, T>,
        finder: RateFinder,
    ) -> Result<RateCurve> {
        finder.check()?;
        self.check(network, data, None)?;
        let mut network = network.clone();
        let mut run = RunState::new(&network, self.gradients.clone())?;
        let mut memory = Memory::new(self, &network, data, None)?;
        let old = self.optimizer.learning_rate();
        let schedules = (std::mem::take(&mut self.by_step), std::mem::take(&mut self.by_epoch));
        let result = self.try_rates(&mut network, backend, &mut memory, &mut run, finder);
        (self.by_step, self.by_epoch) = schedules;
        self.optimizer.set_learning_rate(old);
        let points = result?;
        Ok(RateCurve { suggestion: suggestion(&points, finder.steps), points })
    }

    fn try_rates(
        &mut self,
        network: &mut Network<T>,
        backend: &dyn Backend<T>,
        memory: &mut Memory<'_, '_, T>,
        run: &mut RunState<T>,
        finder: RateFinder,
    ) -> Result<Vec<(f64, f64)>> {
        let mut points = Vec::with_capacity(finder.steps);
        let (mut mean, mut lowest) = (0.0, f64::INFINITY);
        memory.arrange(self.seed, self.shuffle, run.epoch);
        for i in 0..finder.steps {
            let part = i as f64 / (finder.steps - 1) as f64;
            let rate = finder.start * libm::pow(finder.end / finder.start, part);
            let loss = match self.step(network, backend, memory, run, rate) {
                Ok((_, score)) => score.loss,
                Err(Error::Diverged { .. }) => break,
                Err(error) => return Err(error),
            };
            mean = finder.smoothing * mean + (1.0 - finder.smoothing) * loss;
            let unbiased = mean / (1.0 - libm::pow(finder.smoothing, (i + 1) as f64));
            if unbiased > finder.explosion * lowest {
                break;
            }
            lowest = lowest.min(unbiased);
            points.push((rate, unbiased));
            if run.samples >= memory.samples() {
                (run.epoch, run.samples, run.epoch_steps) = (run.epoch + 1, 0, 0);
                memory.arrange(self.seed, self.shuffle, run.epoch);
            }
        }
        Ok(points)
    }
}
