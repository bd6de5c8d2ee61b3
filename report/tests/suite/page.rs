//! The page is HTML that a browser takes as it is, needs nothing else, and shows foreign text as text.

use crate::common::{classification, history, regression};
use chainrule_core::Epoch;
use chainrule_report::{Histogram, Mistake, Picture, RunReport};
use html5ever::tendril::TendrilSink;
use markup5ever_rcdom::{Handle, NodeData, RcDom};

/// What a page consists of.
#[derive(Debug, Default)]
struct Page {
    elements: Vec<String>,
    /// Element, name, value.
    attributes: Vec<(String, String, String)>,
    /// All text but that of the style sheet.
    text: String,
    style: String,
}

impl Page {
    /// Of a report; the parser finds nothing wrong.
    fn of(report: &RunReport) -> Self {
        let html = report.to_html().unwrap();
        let dom = html5ever::parse_document(RcDom::default(), html5ever::ParseOpts::default()).one(html);
        assert_eq!(*dom.errors.borrow(), Vec::<String>::new());
        let mut page = Self::default();
        page.add(&dom.document, false);
        page
    }

    fn add(&mut self, node: &Handle, style: bool) {
        let mut style = style;
        match &node.data {
            NodeData::Element { name, attrs, .. } => {
                let name = name.local.to_string();
                style = name == "style";
                for attribute in attrs.borrow().iter() {
                    let (key, value) = (attribute.name.local.to_string(), attribute.value.to_string());
                    self.attributes.push((name.clone(), key, value));
                }
                self.elements.push(name);
            }
            NodeData::Text { contents } if style => self.style.push_str(&contents.borrow()),
            NodeData::Text { contents } => self.text.push_str(&contents.borrow()),
            NodeData::Comment { .. } => panic!("a comment"),
            _ => {}
        }
        for child in node.children.borrow().iter() {
            self.add(child, style);
        }
    }

    fn count(&self, element: &str) -> usize {
        self.elements.iter().filter(|name| *name == element).count()
    }

    /// Nothing is fetched, nothing is run.
    fn assert_alone(&self) {
        for element in ["script", "link", "iframe", "object", "embed", "base", "form", "a", "image", "use"] {
            assert_eq!(self.count(element), 0, "{element}");
        }
        for (element, key, value) in &self.attributes {
            assert!(!key.starts_with("on"), "{element} {key}");
            assert!(key != "src" || value.starts_with("data:image/png;base64,"), "{element} {value}");
            assert!(
                !["href", "srcset", "action", "background", "style"].contains(&key.as_str()),
                "{element} {key}"
            );
            assert!(key == "xmlns" || !value.contains("//") || key == "alt", "{element} {key} {value}");
        }
        assert!(!self.style.contains("url(") && !self.style.contains("@import"));
        let policy = |(element, _, value): &(String, String, String)| {
            element == "meta" && value.contains("default-src 'none'")
        };
        assert!(self.attributes.iter().any(policy));
    }

    /// Every picture tells what it shows.
    fn assert_described(&self) {
        let svgs = self.count("svg");
        let titles = self.count("title");
        assert_eq!(titles, svgs + 1, "one for the page, one for each plot");
        let alts = self
            .attributes
            .iter()
            .filter(|(element, key, value)| element == "img" && key == "alt" && !value.is_empty());
        assert_eq!(alts.count(), self.count("img"));
    }
}

/// A history in which nothing is a number.
fn not_finite(mut history: Vec<Epoch>) -> Vec<Epoch> {
    for epoch in &mut history {
        epoch.train.loss = f64::NAN;
        epoch.learning_rate = f64::INFINITY;
        epoch.samples_per_second = f64::INFINITY;
        if let Some(validation) = &mut epoch.validation {
            validation.loss = f64::NEG_INFINITY;
            validation.accuracy = Some(f64::NAN);
            validation.metrics[0].1 = f64::MAX;
        }
    }
    history
}

#[test]
fn any_report_is_a_page_that_stands_alone() {
    let long: Vec<_> = (0..5000).map(|_| history(1).remove(0)).collect();
    let mut huge = history(2);
    (huge[0].train.loss, huge[1].train.loss) = (1e300, -1e300);
    let strange = Histogram::new("w", &[f64::MIN, f64::NAN, f64::MAX]);
    let reports = [
        ("empty", RunReport::default()),
        ("no epoch", classification(3, &[])),
        ("one epoch", classification(3, &history(1))),
        ("two epochs", classification(2, &history(2))),
        ("not finite", classification(3, &not_finite(history(3)))),
        ("one not finite epoch", classification(3, &not_finite(history(1)))),
        ("huge", classification(3, &huge)),
        ("many epochs", classification(3, &long)),
        ("a single output", classification(1, &history(1))),
        ("40 classes", classification(40, &[])),
        ("1000 classes", classification(1000, &history(2))),
        ("regression", regression()),
        (
            "histograms without values",
            RunReport { parameters: vec![Histogram::default(), strange], ..RunReport::default() },
        ),
    ];
    for (what, report) in reports {
        println!("{what}");
        let page = Page::of(&report);
        page.assert_alone();
        page.assert_described();
        for plot in [report.curves(), report.confusion_plot(), report.histograms()] {
            let Some(plot) = plot.unwrap() else { continue };
            assert!(plot.svg().len() < 3_000_000, "{} bytes", plot.svg().len());
        }
        assert!(report.to_html().unwrap().len() < 3_000_000);
    }
}

#[test]
fn all_parts_of_a_run_are_shown() {
    let page = Page::of(&classification(3, &history(4)));
    for text in [
        "Over the epochs",
        "What is taken for what",
        "By class",
        "The worst mistakes",
        "Weights and gradients",
        "Epochs",
    ] {
        assert!(page.text.contains(text), "{text}");
    }
    // Loss, accuracy, the metric, the rate; the confusion; weights and biases of two layers, and the gradients of these.
    assert_eq!(page.count("svg"), 4 + 1 + 2 * 4);
    let page = Page::of(&regression());
    assert!(page.text.contains("Answers and truth") && page.text.contains("error "), "{}", page.text);
    assert!(!page.text.contains("What is taken for what"));
    // Loss, metric, rate; two outputs; one layer.
    assert_eq!(page.count("svg"), 3 + 2 + 2 * 2);
}

#[test]
fn foreign_text_is_text() {
    const EVIL: &str = "</style></title><script>alert('1')</script><img src=x onerror=\"x\">&amp;\0\u{1b}";
    let mut report = classification(3, &history(2));
    EVIL.clone_into(&mut report.title);
    EVIL.clone_into(&mut report.data_name);
    report.settings = vec![(EVIL.to_owned(), EVIL.to_owned())];
    report.results = vec![(EVIL.to_owned(), EVIL.to_owned())];
    for epoch in &mut report.history {
        EVIL.clone_into(&mut epoch.validation.as_mut().unwrap().metrics[0].0);
    }
    let confusion = report.confusion.as_mut().unwrap();
    confusion.class_names.iter_mut().for_each(|name| EVIL.clone_into(name));
    report.parameters.iter_mut().chain(&mut report.gradients).for_each(|h| EVIL.clone_into(&mut h.name));
    report.mistakes = vec![Mistake {
        row: 1,
        expected: EVIL.to_owned(),
        predicted: EVIL.to_owned(),
        confidence: Some(f64::NAN),
        error: Some(f64::INFINITY),
        picture: Some(Picture::new(1, 1, &[1.0], 0.0, 1.0).unwrap()),
        features: vec![(EVIL.to_owned(), f64::NAN)],
    }];
    let page = Page::of(&report);
    page.assert_alone();
    page.assert_described();
    assert!(page.text.contains("</style></title><script>alert('1')</script>"));
    assert_eq!(page.count("img"), 1);
    for plot in [report.curves(), report.confusion_plot(), report.histograms()] {
        let plot = plot.unwrap().unwrap();
        assert!(!plot.svg().contains("<script") && !plot.svg().contains("<img"));
        assert!(plot.to_png().unwrap().starts_with(b"\x89PNG"), "well-formed, or it would not be drawn");
    }
}

#[test]
fn the_style_sheet_knows_the_colours_of_plots() {
    let mut report = classification(3, &history(3));
    report.fits = regression().fits;
    let page = Page::of(&report);
    let mut colours = 0;
    for (_, key, value) in page.attributes.iter().filter(|(_, _, value)| value.starts_with('#')) {
        assert!(page.style.contains(&format!("svg [{key}=\"{value}\"]")), "{key} {value}");
        colours += 1;
    }
    assert!(colours > 100);
}
