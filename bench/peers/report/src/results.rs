//! The lines that were measured, sorted out.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

/// What was measured, of one kind.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Line {
    pub kind: String,
    #[serde(default)]
    pub program: String,
    #[serde(default)]
    pub version: String,
    #[serde(default)]
    pub workload: String,
    #[serde(default)]
    pub gemm: String,
    #[serde(default)]
    pub form: String,
    #[serde(default)]
    pub isa: String,
    #[serde(default)]
    pub threads: usize,
    pub samples_per_s: Option<f64>,
    pub gflops: Option<f64>,
    pub fraction_of_peak: Option<f64>,
    pub handover_ns: Option<f64>,
    pub peak_rss_mb: Option<f64>,
    pub us_per_step: Option<f64>,
    pub goal: Option<f64>,
    #[serde(default)]
    pub recipe: String,
    pub seconds: Option<f64>,
    pub epochs: Option<f64>,
    pub compile_seconds: Option<f64>,
    #[serde(default)]
    pub word: String,
}

/// Median, least and most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Spread {
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Some(Self { median, least, most })
    }
}

/// Everything.
pub(crate) struct Results {
    pub machine: Value,
    pub lines: Vec<Line>,
}

impl Results {
    pub(crate) fn read(text: &str) -> Result<Self, serde_json::Error> {
        let mut results = Self { machine: Value::Null, lines: Vec::new() };
        for text in text.lines() {
            let value: Value = serde_json::from_str(text)?;
            if value["kind"] == "machine" {
                results.machine = value;
            } else {
                results.lines.push(serde_json::from_value(value)?);
            }
        }
        Ok(results)
    }

    pub(crate) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Line> {
        self.lines.iter().filter(move |line| line.kind == kind)
    }

    /// What was measured of it, by program, the fastest first.
    pub(crate) fn by_program<'a>(
        lines: impl Iterator<Item = &'a Line>,
        speed: impl Fn(&Line) -> Option<f64>,
    ) -> Vec<(&'a str, Spread, Vec<&'a Line>)> {
        let mut found: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
        for line in lines {
            found.entry(&line.program).or_default().push(line);
        }
        let mut found: Vec<_> = found
            .into_iter()
            .filter_map(|(program, lines)| {
                let spread = Spread::of(lines.iter().filter_map(|line| speed(line)))?;
                Some((program, spread, lines))
            })
            .collect();
        found.sort_by(|a, b| b.1.median.total_cmp(&a.1.median));
        found
    }

    /// The workloads in the order in which they were measured, with the numbers of threads.
    pub(crate) fn workloads(&self) -> Vec<(&str, Vec<usize>)> {
        let mut found: Vec<(&str, Vec<usize>)> = Vec::new();
        for line in self.of_kind("workload") {
            match found.iter_mut().find(|(name, _)| *name == line.workload) {
                Some((_, threads)) if threads.contains(&line.threads) => {}
                Some((_, threads)) => threads.push(line.threads),
                None => found.push((&line.workload, vec![line.threads])),
            }
        }
        found
    }

    pub(crate) fn workload<'a>(
        &'a self,
        name: &'a str,
        threads: usize,
    ) -> Vec<(&'a str, Spread, Vec<&'a Line>)> {
        let lines = self.of_kind("workload").filter(|line| line.workload == name && line.threads == threads);
        Self::by_program(lines, |line| line.samples_per_s)
    }

    /// The products' shapes in the order in which they were measured.
    pub(crate) fn shapes(&self) -> Vec<&str> {
        let mut found: Vec<&str> = Vec::new();
        for line in self.of_kind("product") {
            if !found.contains(&line.gemm.as_str()) {
                found.push(&line.gemm);
            }
        }
        found
    }

    pub(crate) fn product<'a>(
        &'a self,
        shape: &'a str,
        form: &'a str,
        threads: usize,
    ) -> Vec<(&'a str, Spread, Vec<&'a Line>)> {
        let here = move |line: &&Line| line.gemm == shape && line.form == form && line.threads == threads;
        Self::by_program(self.of_kind("product").filter(here), |line| line.gflops)
    }

    pub(crate) fn threads_of(&self, kind: &str) -> Vec<usize> {
        let found: BTreeSet<_> = self.of_kind(kind).map(|line| line.threads).collect();
        found.into_iter().collect()
    }

    /// The most multiply-adds that the machine was seen to do on so many threads, in 10⁹ operations a second.
    pub(crate) fn peak(&self, threads: usize) -> Option<f64> {
        let peaks = self.lines.iter().filter(|line| line.threads == threads && is_ours(&line.program));
        let peaks = peaks.filter_map(|line| Some(line.gflops? / line.fraction_of_peak?));
        Spread::of(peaks.filter(|peak| peak.is_finite())).map(|peak| peak.median)
    }

    /// Nanoseconds of a word's way to another core and back.
    pub(crate) fn handover(&self) -> Option<Spread> {
        Spread::of(self.lines.iter().filter_map(|line| line.handover_ns))
    }
}

/// Whether a program is chainrule.
pub(crate) fn is_ours(program: &str) -> bool {
    program.starts_with("chainrule")
}

/// Whose program it is: the first word of its name.
pub(crate) fn peer(program: &str) -> &str {
    program.split(' ').next().unwrap_or(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads() {
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Some(Spread { median: 2.0, least: 1.0, most: 3.0 }));
        assert_eq!(Spread::of([4.0, 1.0]), Some(Spread { median: 2.5, least: 1.0, most: 4.0 }));
    }

    #[test]
    fn the_fastest_is_first() {
        let text = r#"{"kind":"machine","cpu":"one"}
{"kind":"workload","program":"chainrule simd","workload":"W1","threads":1,"samples_per_s":5.0,"gflops":2.0,"fraction_of_peak":0.5}
{"kind":"workload","program":"numpy out","workload":"W1","threads":1,"samples_per_s":7.0}"#;
        let results = Results::read(text).unwrap();
        assert_eq!(results.workloads(), [("W1", vec![1])]);
        assert_eq!(results.workload("W1", 1)[0].0, "numpy out");
        assert_eq!(results.peak(1), Some(4.0));
        assert_eq!((peer("numpy out"), results.shapes().len()), ("numpy", 0));
    }
}
