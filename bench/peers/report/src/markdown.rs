//! The report itself.

use std::fmt::Write;

use serde_json::Value;

use crate::parts::{accuracy, memory, products};
use crate::results::{Line, Results, Spread, is_ours, peer};
use crate::roof::Bandwidths;

/// What each workload is, the ratios to the best peer that are the goals on one thread and on two (0: none), the numbers
/// of its inputs and rows.
pub(crate) const WORKLOADS: [(&str, &str, [f64; 2], usize, usize); 9] = [
    ("W1", "training of 784-30-10, sigmoid, batch 10, 10,000 rows", [2.5, 2.5], 784, 10_000),
    ("W2", "training of 784-128-10, ReLU, batch 32, 10,000 rows", [1.3, 2.0], 784, 10_000),
    ("W3", "training of 784-512-512-10, ReLU, batch 128, 10,000 rows", [1.25, 1.4], 784, 10_000),
    ("W4", "training of 1024-2048-2048-1024-10, ReLU, batch 512, 4,096 rows", [1.12, 1.15], 1024, 4096),
    ("W5", "training of 4-16-16-3, ReLU, batch 8, 10,000 rows", [6.0, 0.0], 4, 10_000),
    ("W6a", "inference of 784-128-10, ReLU, one sample at a time", [1.25, 0.0], 784, 10_000),
    ("W6b", "inference of 784-128-10, ReLU, batch 1000", [1.2, 1.4], 784, 10_000),
    (
        "W7",
        "training of 4-32-16-4, tanh, mean squared error, Adam, all 10,000 rows at once",
        [0.0, 0.0],
        4,
        10_000,
    ),
    ("W8", "inference of 6-64-8-4, ReLU (1,004 parameters), one sample at a time", [0.0, 0.0], 6, 10_000),
];

const METHOD: &str = "\
Every workload trains (or runs) a network from rows that lie in memory, batch after batch in their order: mean softmax
cross-entropy, plain gradient descent (W7: mean squared error, Adam), every batch updates the parameters, the loss of every batch is
computed. Weights and data are the same numbers in every program. Each process first prints the losses of its first 20 steps (W4: 3;
in inference the means of the logits); they are compared with NumPy's in double precision, relative to 1 + loss, and a program that
is off by more than 2·10⁻⁵ (in f64 by 10⁻⁹) is left out. All programs of a workload run at once, on one thread and on two, each pinned with `taskset` to as many cores as it has threads, and measure in
turns of a tenth of a second, at least an epoch, forwards and backwards: what a shared machine does meanwhile befalls all alike.
A figure is the median over the epochs of a turn; the tables give the median of these over the turns, and the least and the most. On one thread all
settings have two turns, on two those that were within 30 % of their peer's best on one, and the usual ones; the turns after these are for those within 30 % of
their peer's best, of peers that reach 40 % of the best peer. The best setting of a peer counts, whichever it is; on two threads also its figure on one, where that
is better.

Settings. *plain*: a Rust program as `cargo build --release` makes it, which is how chainrule is built; *native*: with
`-C target-cpu=native` and the AVX-512 kernels of the crate gemm. candle: `candle_nn` with its `SGD` and `AdamW`. burn: `nn::Linear`, `CrossEntropyLoss`, `MseLoss`,
`Sgd` and `Adam`, on the backends Flex and NdArray. dfdx: its modules, `Sgd` and `Adam`, batches made into tensors beforehand. NumPy: *plain*
as one writes it, *out* with every result in an array that is there already. PyTorch: *eager* (`nn.Sequential`, `optim.SGD`), *fused* (the same with the fused
optimiser), *compile* (`torch.compile`), *by-hand* (no autograd, `addmm` in place). JAX: *jit* (a compiled call a step), *scan* (a whole epoch in
one compiled call; *scan-inputs* with weights as inputs × outputs). scikit-learn: `MLPClassifier` or `MLPRegressor` without momentum and penalty, *fit* (an epoch in one
call) and *partial_fit* (a call a step). The usual settings are *plain* of NumPy and of the Rust peers (of burn: Flex), *eager*, *jit* and *fit*. The time of compiling
is never counted.";

pub(crate) fn report(results: &Results, bandwidths: Bandwidths, charts: &[(String, String)]) -> String {
    let mut out = String::new();
    head(&mut out, results, bandwidths);
    summary(&mut out, results);
    for (file, title) in charts {
        let _ = writeln!(out, "\n![{title}](report/{file})");
    }
    let _ = writeln!(out, "\n## How it was measured\n\n{METHOD}");
    others(&mut out, results);
    workloads(&mut out, results);
    memory(&mut out, results);
    products(&mut out, results);
    accuracy(&mut out, results);
    missing(&mut out, results);
    out
}

fn text<'a>(machine: &'a Value, key: &str) -> &'a str {
    machine[key].as_str().unwrap_or("?")
}

fn head(out: &mut String, results: &Results, bandwidths: Bandwidths) {
    let machine = &results.machine;
    let caches: Vec<String> = machine["caches"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, size)| format!("{name} {}", size.as_str().unwrap_or("?")))
        .collect();
    let _ = writeln!(out, "# chainrule and its peers\n");
    let _ = writeln!(
        out,
        "Written by `scripts/compare`; do not edit. {} at commit {}, repeated by\n\n    {}\n",
        text(machine, "date"),
        text(machine, "commit"),
        text(machine, "asked"),
    );
    let _ = writeln!(
        out,
        "Machine: {} with {} cores; caches {}; {}; {}. {} turns of each program.",
        text(machine, "cpu"),
        machine["cores"],
        caches.join(", "),
        text(machine, "system"),
        text(machine, "rustc"),
        machine["turns"],
    );
    let load = machine["load"].as_f64().unwrap_or(0.0);
    if machine["realtime"] == true {
        let _ = writeln!(
            out,
            "Every program alike ran before all other work of the machine (`chrt --rr 10`; the load was {load:.1} when it began)."
        );
    } else if load > 0.5 {
        let _ = writeln!(
            out,
            "**The machine was not quiet** (load {load:.1} when it began): these figures tell that the programs run, no more."
        );
    }
    let peaks: Vec<String> = results
        .threads_of("workload")
        .into_iter()
        .filter_map(|threads| Some(format!("{:.0} GFLOP/s on {threads}", results.peak(threads)?)))
        .collect();
    if !peaks.is_empty() {
        let _ = writeln!(
            out,
            "Its limits, measured in these runs: multiply-adds {} thread(s); one thread reads {:.0} GB/s from the second-level cache, {:.0} GB/s from memory.",
            peaks.join(", "),
            bandwidths.cache,
            bandwidths.memory,
        );
    }
    if let Some(spread) = results.handover() {
        let _ = writeln!(
            out,
            "A word takes {:.0} ns to another core and back ({:.0} to {:.0}); where cores share a cache it is about 60 ns, and a figure on two threads is the better.",
            spread.median, spread.least, spread.most,
        );
    }
    let mut versions: Vec<String> = Vec::new();
    for line in &results.lines {
        let version = format!("{} {}", peer(&line.program), line.version);
        if !line.version.is_empty() && !versions.contains(&version) {
            versions.push(version);
        }
    }
    versions.sort();
    let _ = writeln!(out, "\nVersions: {}.", versions.join("; "));
    let set = results.lines.iter().find(|line| is_ours(&line.program) && !line.isa.is_empty());
    if let Some(set) = set {
        let _ = writeln!(out, "chainrule chose the instruction set {}.", set.isa);
    }
}

pub(crate) type Measured<'a> = Vec<(&'a str, Spread, Vec<&'a Line>)>;

/// The best of ours and the best of theirs.
pub(crate) fn rivals<'a, 'b>(found: &'b Measured<'a>) -> Option<(&'b Spread, &'a str, &'b Spread)> {
    let ours = found.iter().find(|(program, _, _)| is_ours(program))?;
    let theirs = found.iter().find(|(program, _, _)| !is_ours(program))?;
    Some((&ours.1, theirs.0, &theirs.1))
}

/// The best of theirs on so many threads or fewer, named: who has two cores may run a peer on one.
pub(crate) fn best_up_to<'a>(
    threads: usize,
    measured: impl Fn(usize) -> Measured<'a>,
) -> Option<(String, Spread)> {
    let best = |on: usize| {
        let found = measured(on);
        let (program, spread, _) = found.iter().find(|(program, _, _)| !is_ours(program))?;
        let on_fewer = if on == threads { String::new() } else { format!(" on {on}") };
        Some((format!("{program}{on_fewer}"), *spread))
    };
    // The last of equals: that on as many threads.
    (1..=threads).filter_map(best).max_by(|a, b| a.1.median.total_cmp(&b.1.median))
}

fn summary(out: &mut String, results: &Results) {
    if named(results).next().is_none() {
        return;
    }
    let _ = writeln!(out, "\n## Samples per second against the best peer\n");
    let _ = writeln!(out, "| workload | threads | chainrule | best peer | its samples/s | ratio | goal | |");
    let _ = writeln!(out, "| --- | ---: | ---: | --- | ---: | ---: | ---: | --- |");
    for (name, threads) in named(results) {
        for threads in threads {
            let found = results.workload(name, threads);
            let Some((ours, _, _)) = rivals(&found) else { continue };
            let Some((program, theirs)) = best_up_to(threads, |on| results.workload(name, on)) else {
                continue;
            };
            let ratio = ours.median / theirs.median;
            let goals = WORKLOADS.iter().find(|known| known.0 == name).map(|known| known.2);
            let goal = goals.and_then(|goals| goals.get(threads - 1).copied()).filter(|&goal| goal > 0.0);
            let verdict = match goal {
                Some(goal) if ratio >= goal => "reached",
                Some(_) => "not reached",
                None => "",
            };
            let _ = writeln!(
                out,
                "| {name} | {threads} | {} | {program} | {} | {ratio:.2} | {} | {verdict} |",
                count(ours.median),
                count(theirs.median),
                goal.map_or(String::new(), |goal| format!("{goal}")),
            );
        }
    }
    two_threads(out, results);
    let eight = results.workload("W8", 1);
    if let Some((ours, _, _)) = rivals(&eight) {
        let _ = writeln!(out, "\nThe goal of W8 is 0.2 µs a sample; it took {:.3} µs.", 1e6 / ours.median);
    }
    let seven = results.workload("W7", 1);
    if let Some((ours, program, theirs)) = rivals(&seven) {
        let _ = writeln!(
            out,
            "\nW7 is SimpleChains' own: its 10,000 epochs take {:.2} s on one core here, {:.2} s with {program}. SimpleChains \
             [published](https://julialang.org/blog/2022/04/simple-chains/) 0.41 s on 18 cores with AVX-512, which is 7.4 s of one core.",
            1e8 / ours.median,
            1e8 / theirs.median,
        );
    }
}

/// The workloads that have a name.
fn named(results: &Results) -> impl Iterator<Item = (&str, Vec<usize>)> {
    results.workloads().into_iter().filter(|(name, _)| !name.contains(':'))
}

/// Networks that were given by their sizes: one line for each.
fn others(out: &mut String, results: &Results) {
    let found: Vec<_> = results.workloads().into_iter().filter(|(name, _)| name.contains(':')).collect();
    if found.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "\n## Other networks\n\nOf the same kind, with odd sizes: sizes, activation, batch, rows, and what differs from training by plain descent in f32. \
         Repeated by `scripts/compare --workloads none --products none --sweep`, any other by `--nets`.\n"
    );
    let _ = writeln!(
        out,
        "| network | threads | chainrule, samples/s | µs a step | best peer | its samples/s | ratio |"
    );
    let _ = writeln!(out, "| --- | ---: | ---: | ---: | --- | ---: | ---: |");
    for (name, threads) in found {
        for threads in threads {
            let found = results.workload(name, threads);
            let Some((ours, _, _)) = rivals(&found) else { continue };
            let Some((program, theirs)) = best_up_to(threads, |on| results.workload(name, on)) else {
                continue;
            };
            let step = found.iter().find(|(program, _, _)| is_ours(program));
            let step = step.and_then(|(_, _, lines)| Spread::of(lines.iter().filter_map(|l| l.us_per_step)));
            let ratio = ours.median / theirs.median;
            let _ = writeln!(
                out,
                "| {} | {threads} | {} | {} | {program} | {} | {ratio:.2}{} |",
                name.replace(':', " "),
                count(ours.median),
                shown(step.map(|step| step.median), 2),
                count(theirs.median),
                if ratio < 1.0 { " ✗" } else { "" },
            );
        }
    }
}

/// More threads must never make it slower.
fn two_threads(out: &mut String, results: &Results) {
    fn ours(results: &Results, name: &str, threads: usize) -> Option<f64> {
        let found = results.workload(name, threads);
        found.iter().find(|(program, _, _)| is_ours(program)).map(|(_, spread, _)| spread.median)
    }
    let gain = |(name, _): (&str, _)| {
        Some(format!("{name} {:.2}", ours(results, name, 2)? / ours(results, name, 1)?))
    };
    let gains: Vec<_> = named(results).filter_map(gain).collect();
    if !gains.is_empty() {
        let _ = writeln!(
            out,
            "\nTwo threads of chainrule against one (the goal is never below 0.95): {}.",
            gains.join(", ")
        );
    }
}

fn workloads(out: &mut String, results: &Results) {
    for (name, threads) in named(results) {
        let what = WORKLOADS.iter().find(|known| known.0 == name).map_or("", |known| known.1);
        let _ = writeln!(out, "\n## {name}{}{what}", if what.is_empty() { "" } else { ": " });
        let _ = writeln!(out, "\nRepeated by `scripts/compare --workloads {name} --products none`.");
        for threads in threads {
            let _ = writeln!(
                out,
                "\n| {} | samples/s | least to most | µs a step | GFLOP/s | of the limit | peak MB |",
                counted(threads)
            );
            let _ = writeln!(out, "| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
            let peak = results.peak(threads);
            for (program, spread, lines) in results.workload(name, threads) {
                let median = |figure: fn(&Line) -> Option<f64>| {
                    Spread::of(lines.iter().filter_map(|line| figure(line)))
                };
                let of_peak =
                    median(|line| line.gflops).zip(peak).map(|(gflops, peak)| 100.0 * gflops.median / peak);
                let _ = writeln!(
                    out,
                    "| {} | {} | {} to {} | {} | {} | {} | {} |",
                    marked(program),
                    count(spread.median),
                    count(spread.least),
                    count(spread.most),
                    shown(median(|line| line.us_per_step).map(|s| s.median), 2),
                    shown(median(|line| line.gflops).map(|s| s.median), 1),
                    of_peak.map_or(String::new(), |percent| format!("{percent:.0} %")),
                    shown(median(|line| line.peak_rss_mb).map(|s| s.most), 0),
                );
            }
        }
    }
}

fn missing(out: &mut String, results: &Results) {
    let mut words: Vec<&str> = results.of_kind("missing").map(|line| line.word.as_str()).collect();
    words.dedup();
    if words.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n## What was left out\n");
    for word in words {
        let _ = writeln!(out, "- {word}");
    }
}

pub(crate) fn counted(threads: usize) -> String {
    if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") }
}

pub(crate) fn marked(program: &str) -> String {
    if is_ours(program) { format!("**{program}**") } else { program.to_owned() }
}

pub(crate) fn shown(figure: Option<f64>, digits: usize) -> String {
    figure.map_or(String::new(), |figure| format!("{figure:.digits$}"))
}

/// A number of samples: three digits, with thousands.
fn count(figure: f64) -> String {
    let (figure, unit) = match figure {
        f if f >= 1e6 => (f / 1e6, " M"),
        f if f >= 1e3 => (f / 1e3, " k"),
        f => (f, ""),
    };
    let digits = if figure >= 100.0 {
        0
    } else if figure >= 10.0 {
        1
    } else {
        2
    };
    format!("{figure:.digits$}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_three_digits() {
        assert_eq!(
            [1.0, 23.45, 6789.0, 1.2e6, 345_600.0].map(count),
            ["1.00", "23.4", "6.79 k", "1.20 M", "346 k"]
        );
    }

    #[test]
    fn the_goal_is_told() {
        let text = r#"{"kind":"machine","cpu":"one","cores":2,"turns":1,"load":0.1}
{"kind":"workload","program":"chainrule simd","workload":"W1","threads":1,"samples_per_s":5.0,"gflops":2.0,"fraction_of_peak":0.5}
{"kind":"workload","program":"numpy out","version":"2","workload":"W1","threads":1,"samples_per_s":2.0,"gflops":1.0}
{"kind":"product","program":"chainrule simd","gemm":"16x16x16","form":"NN","threads":1,"gflops":97.0,"fraction_of_peak":0.9}
{"kind":"product","program":"gemm plain","gemm":"16x16x16","form":"NN","threads":1,"gflops":100.0}
{"kind":"missing","word":"dfdx: does not build"}"#;
        let report = report(&Results::read(text).unwrap(), Bandwidths { cache: 2.0, memory: 1.0 }, &[]);
        assert!(report.contains("| W1 | 1 | 5.00 | numpy out | 2.00 | 2.50 | 2.5 | reached |"), "{report}");
        assert!(report.contains("| 16 × 16 × 16 | NN | 97.0 |"), "{report}");
        assert!(
            report.contains("0.97 ✗") && report.contains("1 of 1") && report.contains("- dfdx"),
            "{report}"
        );
    }
}
