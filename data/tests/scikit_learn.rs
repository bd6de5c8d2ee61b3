//! What is fitted, held to scikit-learn's answers (`fixtures/make.py`).

use chainrule_data::{
    Coding, Encoder, EncoderOptions, FillCategories, FillNumbers,
    csv::{self, Header, MISSING, Options},
};
use ndarray::Array2;
use serde_json::Value;

fn answers() -> Value {
    serde_json::from_str(include_str!("fixtures/scikit_learn.json")).unwrap()
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
