//! The digits that are compiled in.

use crate::{LabelledData, Split, csv};
use num_traits::Float;

/// 1,797 lines of 64 grey values (0–16) and a digit; its licence is beside it.
const DIGITS: &[u8] = include_bytes!("../assets/digits.csv.gz");

/// 1,797 images of handwritten digits, 8 × 8 pixels, with the digit that each shows.
///
/// The inputs are 1797 × 64, an image a row, its pixels row by row from 0 (white) to 1 (black): the data's
/// grey values divided by 16. The labels are 0 to 9. Nothing is read from disk: the data (57 kB) is part of
/// the program.
///
/// The data is *Optical Recognition of Handwritten Digits* of the UCI Machine Learning Repository, by Ethem
/// Alpaydin and Cenk Kaynak, 1998, under [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/), as
/// shipped in scikit-learn. A program that contains it has to name them.
///
/// ```
/// let digits = chainrule_data::digits::<f32>();
/// assert_eq!(digits.inputs().dim(), (1797, 64));
/// assert_eq!(digits.labels()[..4], [0, 1, 2, 3]);
/// assert!(digits.inputs().iter().all(|&pixel| (0.0..=1.0).contains(&pixel)));
/// ```
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "what is read is compiled in, and the tests read it")]
pub fn digits<T: Float>() -> LabelledData<T> {
    let options = csv::Options::new().header(csv::Header::No);
    let grey =
        csv::from_reader::<f32>(DIGITS, "digits.csv.gz", &options).expect("the embedded digits are sound");
    let names = grey.class_names().to_vec();
    let (inputs, labels) = grey.into_parts();
    let sixteen = T::from(16).expect("a floating-point type holds 16");
    let inputs = inputs.mapv(|value| T::from(value).expect("a floating-point type holds 0 to 16") / sixteen);
    LabelledData::new(inputs, labels, names).expect("one label for each image")
}

/// The default split of [`digits`]: four fifths (1,438) for training and a fifth (359) for testing, every
/// digit in the same proportion, drawn with `seed`.
///
/// A seed means the same split on every platform and in every release; see
/// [`split_stratified`](LabelledData::split_stratified).
#[must_use]
#[expect(clippy::missing_panics_doc, reason = "0.8 of 1,797 samples leaves some for both parts")]
pub fn digits_split<T: Float>(seed: u64) -> Split<T> {
    digits().split_stratified(0.8, seed).expect("0.8 of 1,797 samples leaves some for both parts")
}
