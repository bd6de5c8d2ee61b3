//! What is fitted, held to scikit-learn's answers (`fixtures/make.py`).

use chainrule_data::{
    Coding, Encoder, EncoderOptions, FillCategories, FillNumbers, Method, Preprocessing, Step,
    csv::{self, Header, MISSING, Options},
};
use ndarray::Array2;
use serde_json::Value;

fn answers() -> Value {
    serde_json::from_str(include_str!("../fixtures/scikit_learn.json")).unwrap()
}

fn matrix(value: &Value) -> Array2<f64> {
    let rows: Vec<Vec<f64>> = serde_json::from_value(value.clone()).unwrap();
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

#[test]
fn imputation_and_one_hot() {
    let answers = answers();
    let column: Vec<Option<f64>> = serde_json::from_value(answers["column"].clone()).unwrap();
    let text: String = column.iter().map(|x| x.map_or("?".to_owned(), |x| x.to_string()) + ",0\n").collect();
    let options = Options::new().header(Header::No).missing(&MISSING);
    let table = csv::table_from_reader::<f64>(text.as_bytes(), "column", &options).unwrap();
    for (fill, name) in [
        (FillNumbers::Mean, "mean"),
        (FillNumbers::Median, "median"),
        (FillNumbers::MostFrequent, "most_frequent"),
    ] {
        let encoder = Encoder::fit(&table, None, &EncoderOptions::new().fill_numbers(fill)).unwrap();
        let expected = answers["fills"][name].as_f64();
        assert_eq!(encoder.features()[0].coding, Coding::Number { fill: expected }, "{name}");
    }

    let words: Vec<Option<String>> = serde_json::from_value(answers["words"].clone()).unwrap();
    let text: String = words.iter().map(|x| x.clone().unwrap_or_default() + ",0\n").collect();
    let table = csv::table_from_reader::<f64>(text.as_bytes(), "words", &options).unwrap();
    let fill = EncoderOptions::new().fill_categories(FillCategories::MostFrequent);
    let encoder = Encoder::fit(&table, None, &fill).unwrap();
    let Coding::OneHot { categories, fill } = &encoder.features()[0].coding else { panic!("categories") };
    let expected: Vec<String> = serde_json::from_value(answers["hot"]["categories"].clone()).unwrap();
    assert_eq!((categories, fill.as_deref()), (&expected, answers["word"].as_str()));
    let known: Vec<usize> = (0..words.len()).filter(|&row| words[row].is_some()).collect();
    let inputs = encoder.encode_inputs(table).unwrap();
    let inputs = Array2::from_shape_fn((known.len(), 3), |(row, place)| inputs[[known[row], place]]);
    assert_eq!(inputs, matrix(&answers["hot"]["rows"]));
}

/// Each element within `digits` of the greatest in its column.
fn close(found: &Array2<f64>, expected: &Array2<f64>, digits: i32, what: &str) {
    assert_eq!(found.dim(), expected.dim(), "{what}");
    for (found, expected) in found.columns().into_iter().zip(expected.columns()) {
        let greatest = expected.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() <= greatest * 10_f64.powi(-digits), "{what}: {a}, not {b}");
        }
    }
}

#[test]
fn scaling() {
    let answers = answers();
    let (train, new) = (matrix(&answers["train"]), matrix(&answers["new"]));
    let fit = |method| Preprocessing::fit(&[method], &train, None).unwrap();
    let standard = fit(Method::Standardise);
    let Step::Scale { offset, divisor } = &standard.steps()[0] else { panic!("scaled") };
    for (found, name) in [(offset, "mean"), (divisor, "scale")] {
        let expected: Vec<f64> = serde_json::from_value(answers["standard"][name].clone()).unwrap();
        for (a, b) in found.iter().zip(&expected) {
            assert!((a - b).abs() <= 1e-12 * b.abs(), "{name}: {a}, not {b}");
        }
    }
    close(
        &standard.transform(new.clone()).unwrap(),
        &matrix(&answers["standard"]["new"]),
        10,
        "standardised",
    );
    let unit = fit(Method::MinMax { low: 0.0, high: 1.0 });
    close(&unit.transform(new.clone()).unwrap(), &matrix(&answers["minmax"]["new"]), 9, "to 0 to 1");
    let wide = fit(Method::MinMax { low: -2.0, high: 3.0 });
    close(&wide.transform(new).unwrap(), &matrix(&answers["minmax"]["wide"]), 9, "to -2 to 3");
}

#[test]
fn principal_components_and_whitening() {
    let answers = answers();
    let (train, new) = (matrix(&answers["dense"]), matrix(&answers["dense_new"]));
    let fit = |method| Preprocessing::fit(&[method], &train, None).unwrap();
    let all = fit(Method::Pca { components: None, whiten: false });
    let Step::Pca { components, .. } = &all.steps()[0] else { panic!("components") };
    close(components, &matrix(&answers["pca"]["components"]), 8, "components");
    // The last column is near a million: differences of it keep ten digits.
    close(&all.transform(new.clone()).unwrap(), &matrix(&answers["pca"]["new"]), 8, "all");
    let few = fit(Method::Pca { components: Some(2), whiten: false });
    let found = few.transform(new.clone()).unwrap();
    close(&found, &matrix(&answers["pca"]["few"]), 8, "two");
    close(&few.inverse(found).unwrap(), &matrix(&answers["pca"]["back"]), 8, "back");

    let white = fit(Method::Pca { components: None, whiten: true });
    let Step::Pca { deviations: Some(deviations), .. } = &white.steps()[0] else { panic!("whitened") };
    let variance: Vec<f64> = serde_json::from_value(answers["pca"]["variance"].clone()).unwrap();
    for (deviation, variance) in deviations.iter().zip(variance) {
        assert!(
            (deviation * deviation - variance).abs() <= 1e-8 * variance,
            "{deviation}² is not {variance}"
        );
    }
    close(&white.transform(new.clone()).unwrap(), &matrix(&answers["pca"]["white"]), 7, "whitened");
    let zca = fit(Method::Zca { epsilon: 0.0 });
    close(&zca.transform(new).unwrap(), &matrix(&answers["pca"]["zca"]), 7, "ZCA");
}
