//! The report itself.

use std::fmt::Write;

use serde_json::Value;

use crate::results::{Line, Results, Spread, is_ours, peer};
use crate::roof::Bandwidths;

/// What each workload is, the ratios to the best peer that are the goals on one thread and on two (0: none), the numbers
/// of its inputs and rows.
const WORKLOADS: [(&str, &str, [f64; 2], usize, usize); 8] = [
    ("W1", "training of 784-30-10, sigmoid, batch 10, 10,000 rows", [2.5, 2.5], 784, 10_000),
    ("W2", "training of 784-128-10, ReLU, batch 32, 10,000 rows", [1.3, 2.0], 784, 10_000),
    ("W3", "training of 784-512-512-10, ReLU, batch 128, 10,000 rows", [1.25, 1.4], 784, 10_000),
    ("W4", "training of 1024-2048-2048-1024-10, ReLU, batch 512, 4,096 rows", [1.12, 1.15], 1024, 4096),
    ("W5", "training of 4-16-16-3, ReLU, batch 8, 10,000 rows", [6.0, 0.0], 4, 10_000),
    ("W6a", "inference of 784-128-10, ReLU, one sample at a time", [1.25, 0.0], 784, 10_000),
    ("W6b", "inference of 784-128-10, ReLU, batch 1000", [1.2, 1.4], 784, 10_000),
    ("W8", "inference of 6-64-8-4, ReLU (1,004 parameters), one sample at a time", [0.0, 0.0], 6, 10_000),
];

const METHOD: &str = "\
Every workload trains (or runs) a network from rows that lie in memory, batch after batch in their order: mean softmax
cross-entropy, plain gradient descent, every batch updates the parameters, the loss of every batch is computed. Weights and data are the same
numbers in every program; before anything is timed, the losses of the first steps (in inference the means of the logits) of each
program are compared with NumPy's in double precision, and a program that does other work is left out. A figure is the
median over epochs in one process; the tables give the median of these over the rounds, and the least and the most. In a round
all programs run one after the other, in the next in the opposite order, each pinned with `taskset` to as many cores as
it has threads. The best setting of a peer counts, whichever it is.

Settings. *plain*: a Rust program as `cargo build --release` makes it, which is how chainrule is built; *native*: with
`-C target-cpu=native` and the AVX-512 kernels of the crate gemm. candle: `candle_nn` with its `SGD`. burn: `nn::Linear`, `CrossEntropyLoss` and its
`Sgd`, on the backends Flex and NdArray. dfdx: its modules and `Sgd`, batches made into tensors beforehand. NumPy: *plain*
as one writes it, *out* with every result in an array that is there already. PyTorch: *eager* (`nn.Sequential`, `optim.SGD`), *fused* (the same with the fused
optimiser), *compile* (`torch.compile`), *by-hand* (no autograd, `addmm` in place). JAX: *jit* (a compiled call a step), *scan* (a whole epoch in
one compiled call; *scan-inputs* with weights as inputs × outputs). scikit-learn: `MLPClassifier` without momentum and penalty, *fit* (an epoch in one
call) and *partial_fit* (a call a step). The time of compiling is never counted.";

pub(crate) fn report(results: &Results, bandwidths: Bandwidths, charts: &[(String, String)]) -> String {
    let mut out = String::new();
    head(&mut out, results, bandwidths);
    summary(&mut out, results);
    for (file, title) in charts {
        let _ = writeln!(out, "\n![{title}](report/{file})");
    }
    let _ = writeln!(out, "\n## How it was measured\n\n{METHOD}");
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
        "Machine: {} with {} cores; caches {}; {}; {}. {} rounds.",
        text(machine, "cpu"),
        machine["cores"],
        caches.join(", "),
        text(machine, "system"),
        text(machine, "rustc"),
        machine["rounds"],
    );
    let load = machine["load"].as_f64().unwrap_or(0.0);
    if load > 0.5 {
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

type Measured<'a> = Vec<(&'a str, Spread, Vec<&'a Line>)>;

/// The best of ours and the best of theirs.
fn rivals<'a, 'b>(found: &'b Measured<'a>) -> Option<(&'b Spread, &'a str, &'b Spread)> {
    let ours = found.iter().find(|(program, _, _)| is_ours(program))?;
    let theirs = found.iter().find(|(program, _, _)| !is_ours(program))?;
    Some((&ours.1, theirs.0, &theirs.1))
}

fn summary(out: &mut String, results: &Results) {
    if results.workloads().is_empty() {
        return;
    }
    let _ = writeln!(out, "\n## Samples per second against the best peer\n");
    let _ = writeln!(out, "| workload | threads | chainrule | best peer | its samples/s | ratio | goal | |");
    let _ = writeln!(out, "| --- | ---: | ---: | --- | ---: | ---: | ---: | --- |");
    for (name, threads) in results.workloads() {
        for threads in threads {
            let found = results.workload(name, threads);
            let Some((ours, program, theirs)) = rivals(&found) else { continue };
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
    let _ = writeln!(
        out,
        "\nW7 of the goals (Adam on 10,000 samples at once, against the time that SimpleChains publishes) is not measured here yet."
    );
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
    let gains: Vec<_> = results.workloads().into_iter().filter_map(gain).collect();
    if !gains.is_empty() {
        let _ = writeln!(
            out,
            "\nTwo threads of chainrule against one (the goal is never below 0.95): {}.",
            gains.join(", ")
        );
    }
}

fn memory(out: &mut String, results: &Results) {
    let mut peers: Vec<&str> = Vec::new();
    for line in results.of_kind("workload").filter(|line| line.threads == 1) {
        if !peers.contains(&peer(&line.program)) {
            peers.push(peer(&line.program));
        }
    }
    let known: Vec<_> = WORKLOADS.iter().filter(|known| !results.workload(known.0, 1).is_empty()).collect();
    if known.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "\n## Memory\n\nThe most that a process had resident, in 10⁶ bytes, of each peer's leanest setting, on one thread. \
         The goal of W1 is the data and 5 MB.\n"
    );
    let _ = writeln!(out, "| workload | data | {} |", peers.join(" | "));
    let _ = writeln!(out, "| --- | ---: |{}", " ---: |".repeat(peers.len()));
    for &(name, _, _, inputs, rows) in known {
        let least = |of: &&str| {
            let lines = results.of_kind("workload").filter(|line| line.workload == name && line.threads == 1);
            let figures = lines.filter(|line| peer(&line.program) == *of).filter_map(|line| line.peak_rss_mb);
            shown(Spread::of(figures).map(|spread| spread.least), 0)
        };
        let cells: Vec<String> = peers.iter().map(least).collect();
        let _ = writeln!(out, "| {name} | {:.1} | {} |", (4 * inputs * rows) as f64 / 1e6, cells.join(" | "));
    }
}

fn workloads(out: &mut String, results: &Results) {
    for (name, threads) in results.workloads() {
        let what = WORKLOADS.iter().find(|known| known.0 == name).map_or("", |known| known.1);
        let _ = writeln!(out, "\n## {name}{}{what}", if what.is_empty() { "" } else { ": " });
        let flag = if name.contains(':') { "--workloads none --nets" } else { "--workloads" };
        let _ = writeln!(out, "\nRepeated by `scripts/compare {flag} {name} --products none`.");
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

fn products(out: &mut String, results: &Results) {
    let shapes = results.shapes();
    if shapes.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "\n## Matrix products\n\nC ← A B, all row by row; NT: B lies as n × k, TN: A lies as k × m. GFLOP/s, medians; the goal is 0.98 or more \
         everywhere. Repeated by `scripts/compare --workloads none`."
    );
    for threads in results.threads_of("product") {
        let _ = writeln!(
            out,
            "\n| m × k × n, {} | form | chainrule | of the limit | best peer | its GFLOP/s | ratio |",
            counted(threads)
        );
        let _ = writeln!(out, "| --- | --- | ---: | ---: | --- | ---: | ---: |");
        // The sum of logarithms of each program, and over how many products.
        let mut means: Vec<(&str, f64, u32)> = Vec::new();
        let (mut behind, mut all) = (0, 0);
        for shape in &shapes {
            for form in ["NN", "NT", "TN"] {
                let found = results.product(shape, form, threads);
                for (program, spread, _) in &found {
                    match means.iter_mut().find(|mean| mean.0 == *program) {
                        Some(mean) => (mean.1, mean.2) = (mean.1 + spread.median.ln(), mean.2 + 1),
                        None => means.push((program, spread.median.ln(), 1)),
                    }
                }
                let Some((ours, program, theirs)) = rivals(&found) else { continue };
                let ratio = ours.median / theirs.median;
                all += 1;
                behind += u32::from(ratio < 0.98);
                let peak = results.peak(threads).map(|peak| 100.0 * ours.median / peak);
                let _ = writeln!(
                    out,
                    "| {} | {form} | {:.1} | {} | {program} | {:.1} | {ratio:.2}{} |",
                    shape.replace('x', " × "),
                    ours.median,
                    peak.map_or(String::new(), |percent| format!("{percent:.0} %")),
                    theirs.median,
                    if ratio < 0.98 { " ✗" } else { "" },
                );
            }
        }
        let _ =
            writeln!(out, "\nBehind the goal (✗): {behind} of {all}. Geometric means over all of them:\n");
        let _ = writeln!(out, "| {} | GFLOP/s |\n| --- | ---: |", counted(threads));
        let mut means: Vec<_> = means
            .into_iter()
            .map(|(program, sum, count)| (program, (sum / f64::from(count)).exp()))
            .collect();
        means.sort_by(|a, b| b.1.total_cmp(&a.1));
        for (program, mean) in means {
            let _ = writeln!(out, "| {} | {mean:.1} |", marked(program));
        }
    }
}

fn accuracy(out: &mut String, results: &Results) {
    let threads = results.threads_of("accuracy");
    if threads.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "\n## Time to accuracy on MNIST\n\nSeconds of training until the test images are recognised so well for the first time, tested after \
         every 3,000 samples; the clock stands during tests, reading and compiling. Medians over seeds. The goal is less than half of the best peer's. Repeated by \
         `scripts/compare --workloads none --products none --accuracy --data-dir data/mnist`."
    );
    let _ = writeln!(
        out,
        "\n| goal | threads | program | seconds | least to most | epochs | compiling | recipe |"
    );
    let _ = writeln!(out, "| ---: | ---: | --- | ---: | ---: | ---: | ---: | --- |");
    for goal in [97.0, 98.0] {
        for &threads in &threads {
            let here = |line: &&Line| line.goal == Some(goal) && line.threads == threads;
            // A seed that did not get there counts as endless.
            let mut found = Results::by_program(results.of_kind("accuracy").filter(here), |line| {
                Some(-line.seconds.unwrap_or(f64::INFINITY))
            });
            found.sort_by(|a, b| b.1.median.total_cmp(&a.1.median));
            for (program, spread, lines) in found {
                let _ = writeln!(
                    out,
                    "| {goal} % | {threads} | {} | {:.2} | {:.2} to {:.2} | {} | {} s | {} |",
                    marked(program),
                    -spread.median,
                    -spread.most,
                    -spread.least,
                    shown(Spread::of(lines.iter().filter_map(|line| line.epochs)).map(|s| s.median), 1),
                    shown(
                        Spread::of(lines.iter().filter_map(|line| line.compile_seconds)).map(|s| s.median),
                        1
                    ),
                    lines.first().map_or("", |line| &line.recipe),
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

fn counted(threads: usize) -> String {
    if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") }
}

fn marked(program: &str) -> String {
    if is_ours(program) { format!("**{program}**") } else { program.to_owned() }
}

fn shown(figure: Option<f64>, digits: usize) -> String {
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
        let text = r#"{"kind":"machine","cpu":"one","cores":2,"rounds":1,"load":0.1}
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
