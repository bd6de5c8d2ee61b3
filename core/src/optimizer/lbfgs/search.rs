//! The line search: how far to go along a direction.

use super::{Objective, add, largest};
use crate::{Backend, Result, Scalar};

/// Armijo's condition: the loss falls by at least this part of what the slope promises.
const ARMIJO: f64 = 1e-4;
/// The curvature condition: the slope falls to at most this part of the first one.
const CURVATURE: f64 = 0.9;

/// A line through the parameters, on which the loss is looked at.
pub(super) struct Line<'a, 'o, T> {
    pub(super) backend: &'a dyn Backend<T>,
    pub(super) objective: &'a mut Objective<'o, T>,
    pub(super) from: &'a [T],
    pub(super) along: &'a [T],
    /// The place looked at, and three gradients.
    pub(super) work: &'a mut [T],
}

/// Where a search ended; its gradient is in the caller's.
pub(super) struct Found {
    pub(super) length: f64,
    pub(super) loss: f64,
    pub(super) evaluations: usize,
}

/// A point of the line. Its gradient lies in the slot of that number.
#[derive(Clone, Copy)]
struct Point {
    t: f64,
    loss: f64,
    slope: f64,
    slot: usize,
}

/// The minimum of the cubic through two points with their slopes, within bounds; the middle of the bounds where it has none.
fn cubic(a: Point, b: Point, bounds: Option<(f64, f64)>) -> f64 {
    let (low, high) = bounds.unwrap_or((a.t.min(b.t), a.t.max(b.t)));
    let d1 = a.slope + b.slope - 3.0 * (a.loss - b.loss) / (a.t - b.t);
    let square = d1 * d1 - a.slope * b.slope;
    if square >= 0.0 {
        let d2 = square.sqrt();
        let minimum = if a.t <= b.t {
            b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2))
        } else {
            a.t - (a.t - b.t) * ((a.slope + d2 - d1) / (a.slope - b.slope + 2.0 * d2))
        };
        minimum.max(low).min(high)
    } else {
        f64::midpoint(low, high)
    }
}

impl<T: Scalar> Line<'_, '_, T> {
    fn slot(&mut self, slot: usize) -> &mut [T] {
        let n = self.from.len();
        &mut self.work[(slot + 1) * n..][..n]
    }

    /// Looks at the place t, whose gradient goes into a slot.
    fn look(&mut self, t: f64, slot: usize) -> Result<Point> {
        let n = self.from.len();
        let (place, gradients) = self.work.split_at_mut(n);
        place.copy_from_slice(self.from);
        add(self.backend, t, self.along, place)?;
        let gradient = &mut gradients[slot * n..][..n];
        let loss = (self.objective)(place, gradient)?;
        Ok(Point { t, loss, slope: self.backend.dot(gradient, self.along)?, slot })
    }

    /// Searches from t on for a place where the strong Wolfe conditions hold: first outwards until one is bracketed, then inwards.
    /// Nocedal and Wright, algorithms 3.5 and 3.6, with the details of PyTorch's `_strong_wolfe`. `gradient` is that at 0
    /// and becomes that of the place found.
    pub(super) fn search(
        &mut self,
        t: f64,
        loss: f64,
        gradient: &mut [T],
        slope: f64,
        allowed: usize,
        tolerance: f64,
    ) -> Result<Found> {
        let reach = largest(self.along);
        // What is not a number is too high.
        let too_high = |p: &Point| p.loss > loss + ARMIJO * p.t * slope || !(p.loss + p.slope).is_finite();
        let flat = |p: &Point| p.slope.abs() <= -CURVATURE * slope;
        let origin = Point { t: 0.0, loss, slope, slot: 0 };
        self.slot(0).copy_from_slice(gradient);
        let (mut previous, mut p) = (origin, self.look(t, 1)?);
        let (mut evaluations, mut tries) = (1, 0);
        let mut done = false;
        let mut bracket = [origin, p];
        // The slot that neither of the two points at hand has.
        let free = |a: &Point, b: &Point| 3 - a.slot - b.slot;
        while tries < allowed {
            if too_high(&p) || (tries > 1 && p.loss >= previous.loss) || p.slope >= 0.0 && !flat(&p) {
                bracket = [previous, p];
                break;
            }
            if flat(&p) {
                bracket = [p, p];
                done = true;
                break;
            }
            let t = cubic(previous, p, Some((p.t + 0.01 * (p.t - previous.t), p.t * 10.0)));
            let next = self.look(t, free(&previous, &p))?;
            (previous, p) = (p, next);
            evaluations += 1;
            tries += 1;
            bracket = [previous, p];
        }
        if tries == allowed && !done {
            // Without a bracket: the start, whose gradient the caller has, or the last place.
            let slot = usize::from(p.slot == 0);
            self.slot(slot).copy_from_slice(gradient);
            bracket = [Point { slot, ..origin }, p];
        }
        let by_loss = |b: &[Point; 2]| if b[1].loss < b[0].loss { (1, 0) } else { (0, 1) };
        let (mut low, mut high) = by_loss(&bracket);
        let mut little = false;
        while !done && tries < allowed {
            let (near, far) = (bracket[0].t.min(bracket[1].t), bracket[0].t.max(bracket[1].t));
            if (far - near) * reach < tolerance {
                break;
            }
            let mut t = cubic(bracket[0], bracket[1], None);
            // Too near to an end twice, or at it: then a tenth of the bracket away from that end.
            let tenth = 0.1 * (far - near);
            if (far - t).min(t - near) < tenth {
                if little || t >= far || t <= near {
                    t = if (t - far).abs() < (t - near).abs() { far - tenth } else { near + tenth };
                    little = false;
                } else {
                    little = true;
                }
            } else {
                little = false;
            }
            let p = self.look(t, free(&bracket[0], &bracket[1]))?;
            evaluations += 1;
            tries += 1;
            if too_high(&p) || p.loss >= bracket[low].loss {
                bracket[high] = p;
                (low, high) = by_loss(&bracket);
            } else {
                if flat(&p) {
                    done = true;
                } else if p.slope * (bracket[high].t - bracket[low].t) >= 0.0 {
                    bracket[high] = bracket[low];
                }
                bracket[low] = p;
            }
        }
        let best = bracket[low];
        gradient.copy_from_slice(self.slot(best.slot));
        Ok(Found { length: best.t, loss: best.loss, evaluations })
    }
}
