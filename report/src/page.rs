//! The page: HTML of all that a report tells.

use chainrule_core::Average;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::csv::{accuracy, columns, metrics};
use crate::plot::{confusion, curves, fits, histograms};
use crate::text::{clean, count, number, percent, shortened};
use crate::{Confusion, Histogram, Metrics, Mistake, Plot, Result, RunReport};

const STYLE: &str = include_str!("style.css");
/// The browser itself is to load nothing from anywhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";
/// The most rows of the table of epochs, of classes, and of what is taken for what.
const EPOCHS: usize = 200;
const CLASSES: usize = 50;
const PAIRS: usize = 10;
/// The letters of a name in a table or beside a picture.
const NAME: usize = 60;

/// The page of a report.
pub(crate) fn page(report: &RunReport) -> Result<String> {
    let title = if report.title.is_empty() { "A training run" } else { &report.title };
    let body = html! {
        h1 { (clean(title)) }
        (results(report))
        (curves_section(report)?)
        @if let Some(confusion) = &report.confusion { (confusion_section(confusion, &report.data_name)?) }
        @if !report.fits.is_empty() { (fits_section(report)?) }
        @if !report.mistakes.is_empty() { (mistakes_section(&report.mistakes, &report.data_name)?) }
        (layers_section(report)?)
        (settings_section(&report.settings))
        (epochs_section(report))
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (clean(title)) }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (body) } }
        }
    };
    Ok(page.into_string())
}

/// A plot as it stands in the page. Its SVG is of our own making, its texts escaped.
fn figure(plot: &Plot) -> Markup {
    html! { figure.card { (PreEscaped(plot.svg())) } }
}

/// What the run comes to: the last epoch, the best one, and results from outside.
fn results(report: &RunReport) -> Markup {
    let mut tiles: Vec<(String, String)> = report.results.iter().map(|(n, v)| (clean(n), clean(v))).collect();
    if let Some(confusion) = &report.confusion {
        tiles.push((format!("{} accuracy", clean(&report.data_name)), percent(confusion.matrix.accuracy())));
    }
    if let Some(last) = report.history.last() {
        tiles.push(("epochs".to_owned(), count(report.history.len() as u64)));
        tiles.push(("last train loss".to_owned(), number(last.train.loss)));
        if let Some(validation) = &last.validation {
            tiles.push(("last validation loss".to_owned(), number(validation.loss)));
            let measured =
                accuracy(validation).map(|value| ("last validation accuracy".to_owned(), percent(value)));
            tiles.extend(measured);
            let others = metrics(validation);
            tiles.extend(
                others.map(|(name, value)| (format!("last validation {}", clean(name)), number(value))),
            );
        }
        let seconds: f64 = report.history.iter().map(|epoch| epoch.duration.as_secs_f64()).sum();
        tiles.push(("time of the steps".to_owned(), format!("{} s", number(seconds))));
    }
    let parameters: u64 = report.parameters.iter().map(|p| p.count + p.non_finite).sum();
    if parameters > 0 {
        tiles.push(("parameters".to_owned(), count(parameters)));
    }
    html! {
        @if !tiles.is_empty() {
            dl.tiles { @for (name, value) in &tiles { div { dt { (name) } dd { (value) } } } }
        }
    }
}

fn curves_section(report: &RunReport) -> Result<Markup> {
    let plots = curves::each(&report.history, &report.tests)?;
    Ok(html! {
        h2 { "Over the epochs" }
        @if plots.is_empty() { p.muted { "No epoch was completed." } }
        div.plots { @for plot in &plots { (figure(plot)) } }
    })
}

fn confusion_section(confusion: &Confusion, data: &str) -> Result<Markup> {
    let Confusion { matrix, class_names } = confusion;
    let counts = matrix.counts();
    let mut pairs: Vec<_> = counts.indexed_iter().filter(|&((i, j), &n)| i != j && n > 0).collect();
    pairs.sort_by(|a, b| b.1.cmp(a.1));
    pairs.truncate(PAIRS);
    // Those first that are told worst.
    let mut classes: Vec<_> = (0..counts.nrows()).collect();
    if classes.len() > CLASSES {
        let f1 = |&class: &usize| matrix.f1(Average::Class(class));
        classes.sort_by(|a, b| f1(a).total_cmp(&f1(b)));
        classes.truncate(CLASSES);
    }
    let name =
        |class: usize| class_names.get(class).map_or_else(|| class.to_string(), |name| shortened(name, NAME));
    let plot = confusion::plot(confusion)?;
    Ok(html! {
        h2 { "What is taken for what" }
        p.muted { "On the " (clean(data)) " data. A row for each true class, a column for each predicted one; the stronger a colour, the larger the share of the row." }
        @if counts.nrows() > 30 { p.muted { (plot.description()) } }
        div.matrix { (figure(&plot)) }
        div.tables {
            section {
                h2 { @if counts.nrows() > CLASSES { "The " (CLASSES) " classes that are told worst" } @else { "By class" } }
                div.card.scroll { table {
                    thead { tr { th { "class" } th { "rows" } th { "precision" } th { "recall" } th { "F1" } } }
                    tbody {
                        @for &class in &classes {
                            tr {
                                td { (name(class)) }
                                td { (count(counts.row(class).sum() as u64)) }
                                td { (percent(matrix.precision(Average::Class(class)))) }
                                td { (percent(matrix.recall(Average::Class(class)))) }
                                td { (percent(matrix.f1(Average::Class(class)))) }
                            }
                        }
                    }
                } }
            }
            @if !pairs.is_empty() {
                section {
                    h2 { "Most frequent mistakes" }
                    div.card.scroll { table.names {
                        thead { tr { th { "true class" } th { "predicted" } th { "rows" } } }
                        tbody {
                            @for ((i, j), n) in &pairs {
                                tr { td { (name(*i)) } td { (name(*j)) } td { (count(**n as u64)) } }
                            }
                        }
                    } }
                }
            }
        }
    })
}

fn fits_section(report: &RunReport) -> Result<Markup> {
    let plots = report.fits.iter().map(fits::plot).collect::<Result<Vec<_>>>()?;
    Ok(html! {
        h2 { "Answers and truth" }
        p.muted { "On the " (clean(&report.data_name)) " data." }
        div.plots { @for plot in &plots { (figure(plot)) } }
    })
}

fn mistakes_section(mistakes: &[Mistake], data: &str) -> Result<Markup> {
    let cards = mistakes.iter().map(mistake).collect::<Result<Vec<_>>>()?;
    Ok(html! {
        h2 { "The worst mistakes" }
        p.muted { "On the " (clean(data)) " data, the worst first; rows are counted from 0." }
        ul.mistakes { @for card in &cards { li { (card) } } }
    })
}

fn mistake(mistake: &Mistake) -> Result<Markup> {
    let (expected, predicted) = (shortened(&mistake.expected, NAME), shortened(&mistake.predicted, NAME));
    let source = mistake.picture.as_ref().map(crate::Picture::data_uri).transpose()?;
    Ok(html! {
        @if let (Some(source), Some(picture)) = (source, &mistake.picture) {
            img src=(source) width=(picture.size().0) height=(picture.size().1)
                alt={ "Row " (mistake.row) ": true " (expected) ", predicted " (predicted) };
        }
        p {
            "true " strong.right { (expected) } br;
            "predicted " strong.wrong { (predicted) }
            @if let Some(confidence) = mistake.confidence { " (" (percent(confidence)) ")" }
            @if let Some(error) = mistake.error { br; "error " (number(error)) }
        }
        @if !mistake.features.is_empty() {
            table.features { tbody {
                @for (name, value) in &mistake.features { tr { td { (shortened(name, NAME)) } td { (number(*value)) } } }
            } }
        }
        p.muted { "row " (mistake.row) }
    })
}

fn layers_section(report: &RunReport) -> Result<Markup> {
    let none = Histogram::default();
    let mut rows = Vec::new();
    for (index, parameter) in report.parameters.iter().enumerate() {
        rows.push((
            figure_of(parameter, false)?,
            report.gradients.get(index).map_or(Ok(html! {}), |g| figure_of(g, true))?,
        ));
    }
    let gradient = |index: usize| report.gradients.get(index).unwrap_or(&none);
    Ok(html! {
        @if !rows.is_empty() {
            h2 { "Weights and gradients" }
            p.muted { "How the parameters of each layer are distributed, and the gradients of the loss by them on the " (clean(&report.data_name)) " data." }
            div.plots { @for (parameter, gradient) in &rows { (parameter) (gradient) } }
            details {
                summary { "In numbers" }
                div.card.scroll { table {
                    thead { tr {
                        th { "parameter" } th { "number" } th { "mean" } th { "std. dev." } th { "min" } th { "max" }
                        th { "zero" } th { "not finite" } th { "gradient: mean" } th { "std. dev." } th { "not finite" }
                    } }
                    tbody {
                        @for (index, p) in report.parameters.iter().enumerate() {
                            tr {
                                td { (shortened(&p.name, NAME)) }
                                td { (count(p.count + p.non_finite)) }
                                td { (number(p.mean())) } td { (number(p.deviation())) }
                                td { (number(p.min)) } td { (number(p.max)) }
                                td { (count(p.zeros)) } td { (count(p.non_finite)) }
                                td { (number(gradient(index).mean())) } td { (number(gradient(index).deviation())) }
                                td { (count(gradient(index).non_finite)) }
                            }
                        }
                    }
                } }
            }
        }
    })
}

fn figure_of(histogram: &Histogram, gradient: bool) -> Result<Markup> {
    Ok(figure(&histograms::one(histogram, gradient)?))
}

fn settings_section(settings: &[(String, String)]) -> Markup {
    html! {
        @if !settings.is_empty() {
            h2 { "Settings" }
            div.card.scroll { table.text {
                tbody { @for (name, value) in settings { tr { th scope="row" { (clean(name)) } td { (clean(value)) } } } }
            } }
        }
    }
}

fn epochs_section(report: &RunReport) -> Markup {
    let epochs = report.history.len();
    let rows = epochs.min(EPOCHS);
    let chosen = (0..rows).map(|row| row * (epochs - 1) / (rows - 1).max(1));
    let numbers = |index: usize| {
        let test = report.tests.get(index).and_then(Option::as_ref);
        report.history.get(index).map(|epoch| Metrics::of_epoch(epoch, test))
    };
    let numbers: Vec<_> = chosen.filter_map(numbers).collect();
    let names = columns(&numbers);
    let cell = |row: &[(String, f64)], name: &str| match row.iter().find(|(of, _)| of == name) {
        None => "–".to_owned(),
        Some((_, value)) if name == "epoch" => value.to_string(),
        Some((_, value)) if name.ends_with("accuracy") => percent(*value),
        Some((_, value)) => number(*value),
    };
    html! {
        @if rows > 0 {
            h2 { "Epochs" }
            details {
                summary { (if rows < epochs { format!("{rows} of {epochs} epochs") } else { "All epochs".to_owned() }) " in numbers" }
                div.card.scroll { table {
                    thead { tr { @for name in &names { th { (clean(&name.replace('_', " "))) } } } }
                    tbody { @for row in &numbers { tr { @for name in &names { td { (cell(row, name)) } } } } }
                } }
            }
        }
    }
}
