//! The parts of the report on memory, on matrix products, and on MNIST.

use std::fmt::Write;

use crate::markdown::{WORKLOADS, best_up_to, counted, marked, rivals, shown};
use crate::results::{Line, Results, Spread, peer};

pub(crate) fn memory(out: &mut String, results: &Results) {
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

pub(crate) fn products(out: &mut String, results: &Results) {
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
                let Some((ours, _, _)) = rivals(&found) else { continue };
                let Some((program, theirs)) = best_up_to(threads, |on| results.product(shape, form, on))
                else {
                    continue;
                };
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

pub(crate) fn accuracy(out: &mut String, results: &Results) {
    let threads = results.threads_of("accuracy");
    if threads.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "\n## Time to accuracy on MNIST\n\nSeconds of training until the test images are recognised so well for the first time, tested after \
         every 3,000 samples; the clock stands during tests, compiling and reading the images' bytes, and runs while inputs are made of them. \
         Inputs are pixels from 0 to 1, or the means of 2 × 2 of those in the middle (12² or 10² of them), less the mean of the first 3,000 images; a layer \
         of rectified units, softmax cross-entropy, plain gradient descent from Glorot's random weights, 0 in the last layer. On two threads chainrule \
         makes the next batches on one while it learns on the other; of JAX, whose programs use both, that was no faster. Each program follows the recipe that is fastest for it of those that \
         `scripts/compare --search` tries with all of them. Medians over seeds. The goal is less than half of the best peer's. Repeated by \
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
                    "| {goal} % | {threads} | {} | {:.3} | {:.3} to {:.3} | {} | {} s | {} |",
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
