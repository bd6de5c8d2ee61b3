//! Scaling and whitening, and what a file may claim of them.

use chainrule_data::{Error, Method, Preprocessing, Step};
use ndarray::{Array2, Axis, array};
use proptest::prelude::*;

fn methods() -> Vec<Method> {
    vec![
        Method::Divide { by: 16.0 },
        Method::Standardise,
        Method::MinMax { low: 0.0, high: 1.0 },
        Method::MinMax { low: -1.0, high: 2.5 },
        Method::Pca { components: None, whiten: false },
        Method::Pca { components: None, whiten: true },
        Method::Pca { components: Some(1), whiten: true },
        Method::Zca { epsilon: 0.0 },
        Method::Zca { epsilon: 0.125 },
    ]
}

/// Rows of correlated numbers.
fn rows(count: usize) -> Array2<f64> {
    Array2::from_shape_fn((count, 3), |(i, j)| {
        let x = ((i * 37 + j * 11) % 23) as f64 / 7.0;
        x + if j == 2 { ((i * 37) % 23) as f64 } else { 0.0 } + 5.0 * j as f64
    })
}

fn close(a: &Array2<f64>, b: &Array2<f64>) -> bool {
    a.dim() == b.dim() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-9 * (1.0 + b.abs()))
}

fn covariance(x: &Array2<f64>) -> Array2<f64> {
    let centred = x - &x.mean_axis(Axis(0)).unwrap();
    centred.t().dot(&centred) / (x.nrows() - 1) as f64
}

#[test]
fn whitened_data_is_white() {
    let x = rows(2500);
    for whiten in [Method::Pca { components: None, whiten: true }, Method::Zca { epsilon: 0.0 }] {
        let z = Preprocessing::fit(&[whiten], &x, None).unwrap().transform(x.clone()).unwrap();
        assert!(close(&covariance(&z), &Array2::eye(3)), "{whiten}");
    }
    // Of all whitenings, ZCA's matrix is symmetric.
    let zca = Preprocessing::fit(&[Method::Zca { epsilon: 0.0 }], &x, None).unwrap();
    let w = zca.steps()[0].matrix().unwrap();
    assert!(close(&w, &w.t().to_owned()));
    let centred = &x - &x.mean_axis(Axis(0)).unwrap();
    assert!(close(&zca.transform(x).unwrap(), &centred.dot(&w.t())));
}

#[test]
fn everything_is_undone() {
    let x = rows(60);
    for method in methods() {
        let steps = Preprocessing::fit(&[method], &x, None).unwrap();
        let there = steps.transform(x.clone()).unwrap();
        assert_eq!(there.ncols(), steps.outputs(3), "{method}");
        let back = steps.inverse(there).unwrap();
        let lossy = matches!(method, Method::Pca { components: Some(_), .. });
        assert!(lossy || close(&back, &x), "{method}");
        // What is lost is lost once.
        let again = steps.inverse(steps.transform(back.clone()).unwrap()).unwrap();
        assert!(close(&again, &back), "{method}");
    }
    let chain = Preprocessing::fit(
        &[Method::Divide { by: 4.0 }, Method::Zca { epsilon: 0.0 }, Method::MinMax { low: 0.0, high: 1.0 }],
        &x,
        None,
    )
    .unwrap();
    assert_eq!((chain.inputs(), chain.outputs(3)), (Some(3), 3));
    let there = chain.transform(x.clone()).unwrap();
    let range = there.iter().fold((f64::MAX, f64::MIN), |(a, b), &x| (a.min(x), b.max(x)));
    assert!(range.0.abs() < 1e-12 && (range.1 - 1.0).abs() < 1e-12, "{range:?}");
    assert!(close(&chain.inverse(there).unwrap(), &x));
    let single = Preprocessing::fit(&[Method::Standardise], &array![[1.0_f32], [2.0], [4.5]], None).unwrap();
    assert_eq!(single.transform(array![[2.5_f32]]).unwrap(), array![[0.0]]);
    assert_eq!(Preprocessing::default().transform(x.clone()).unwrap(), x);
}

#[test]
fn it_is_fitted_on_the_training_rows_alone() {
    let mut x = rows(40);
    let train: Vec<usize> = (0..30).rev().collect();
    for method in methods() {
        let steps = Preprocessing::fit(&[method], &x, Some(&train)).unwrap();
        assert!(close(&steps.transform(x.clone()).unwrap(), &{
            let alone = Preprocessing::fit(&[method], &x.select(Axis(0), &train), None).unwrap();
            alone.transform(x.clone()).unwrap()
        }));
        x[[35, 1]] += 1e6;
        assert_eq!(Preprocessing::fit(&[method], &x, Some(&train)).unwrap(), steps, "{method}");
    }
}

#[test]
fn columns_without_variance() {
    let x: Array2<f64> = array![[7.25, 1.0, 0.1], [7.25, 2.0, 0.1], [7.25, 4.0, 0.1]];
    let fit = |method| Preprocessing::fit(&[method], &x, None).unwrap();
    let standard: Array2<f64> =
        fit(Method::Standardise).transform(array![[7.25, 1.0, 0.1], [8.25, 1.0, 1.1]]).unwrap();
    assert!(standard[[0, 0]].abs() < 1e-12 && (standard[[1, 0]] - 1.0).abs() < 1e-12);
    assert!(
        standard[[0, 2]].abs() < 1e-12 && (standard[[1, 2]] - 1.0).abs() < 1e-12,
        "0.1 is rounded, and no less constant"
    );
    assert_eq!(
        fit(Method::MinMax { low: -1.0, high: 1.0 }).transform(x.clone()).unwrap().column(0),
        array![-1.0, -1.0, -1.0]
    );
    // A direction without variance is no component, and nothing is divided by its deviation.
    assert_eq!(fit(Method::Pca { components: None, whiten: true }).outputs(3), 1);
    let zca = fit(Method::Zca { epsilon: 0.0 }).transform(x.clone()).unwrap();
    assert!(zca.column(0).iter().all(|z| z.abs() < 1e-12) && (covariance(&zca)[[1, 1]] - 1.0).abs() < 1e-9);
    let many =
        Preprocessing::fit(&[Method::Pca { components: Some(2), whiten: false }], &x, None).unwrap_err();
    assert!(many.to_string().contains("found 2 components, expected at most 1"), "{many}");
    let alike = Array2::<f64>::ones((3, 2));
    for method in methods() {
        match (method, Preprocessing::fit(&[method], &alike, None)) {
            (Method::Pca { .. } | Method::Zca { epsilon: 0.0 }, Err(error)) => {
                assert!(error.to_string().contains("all alike"));
            }
            (_, fitted) => {
                let z = fitted.unwrap().transform(alike.clone()).unwrap();
                assert!(z.iter().all(|z| z.is_finite()), "{method}");
            }
        }
    }
}

#[test]
fn what_cannot_be_fitted() {
    let x = rows(5);
    for rows in [&[][..], &[5], &[0, 99]] {
        let error = Preprocessing::fit(&[Method::Standardise], &x, Some(rows)).unwrap_err();
        assert!(matches!(error, Error::Argument { name: "rows", .. }), "{error}");
    }
    assert!(Preprocessing::fit(&[Method::Standardise], &Array2::<f64>::zeros((0, 3)), None).is_err());
    assert!(Preprocessing::fit(&[Method::Standardise], &Array2::<f64>::zeros((3, 0)), None).is_err());
    for method in methods() {
        for bad in [f64::NAN, f64::INFINITY] {
            let mut x = x.clone();
            x[[2, 1]] = bad;
            let error = Preprocessing::fit(&[method], &x, None).unwrap_err();
            assert!(error.to_string().contains("in row 2, column 1"), "{method}: {error}");
        }
        // Numbers whose squares, or even sums, overflow.
        let huge = array![[1e308, 0.0], [1.7e308, 1.0], [-1.7e308, 2.0]];
        match Preprocessing::fit(&[method], &huge, None) {
            Ok(steps) => assert!(matches!(method, Method::Divide { .. }), "{steps:?}"),
            Err(Error::Argument { .. }) => {}
            Err(other) => panic!("{other}"),
        }
        let steps = Preprocessing::fit(&[method], &x, None).unwrap();
        let wrong = array![[1.0, 2.0]];
        assert_eq!(steps.transform(wrong.clone()).is_err(), steps.inputs().is_some(), "{method}");
        assert_eq!(steps.inverse(wrong).is_err(), steps.inputs().is_some(), "{method}");
        assert!(steps.transform(array![[1.0, f64::NAN, 1.0]]).is_err(), "{method}");
    }
    for text in [
        "divide:0",
        "divide",
        "divide:inf",
        "min-max:1,0",
        "min-max:1",
        "pca:0",
        "pca:-1",
        "zca:-1",
        "zca:nan",
        "standardise:2",
        "",
    ] {
        assert!(text.parse::<Method>().is_err(), "{text}");
    }
    let failing = |_: &Array2<f64>| Err("no LAPACK".into());
    let error = Preprocessing::fit_with(&[Method::Zca { epsilon: 0.0 }], &x, None, &failing).unwrap_err();
    assert_eq!(error.to_string(), "eigenvalues cannot be computed: no LAPACK");
    let short = |_: &Array2<f64>| Ok((vec![1.0], Array2::eye(1)));
    let error = Preprocessing::fit_with(&[Method::Zca { epsilon: 0.0 }], &x, None, &short).unwrap_err();
    assert!(matches!(error, Error::Eigenvalues { .. }), "{error}");
}

#[test]
fn it_travels_and_is_checked() {
    let x = rows(20);
    for method in methods() {
        assert_eq!(method.to_string().parse::<Method>().unwrap(), method);
        let steps = Preprocessing::fit(&[method, Method::Standardise], &x, None).unwrap();
        let back: Preprocessing = serde_json::from_str(&serde_json::to_string(&steps).unwrap()).unwrap();
        assert_eq!(back, steps, "{method}");
    }
    assert_eq!(serde_json::to_string(&Method::Standardise).unwrap(), r#""standardise""#);
    for (text, sound) in [
        (r#"{"steps":[]}"#, true),
        (r#"{"steps":[{"divide":{"by":255}}]}"#, true),
        (r#"{"steps":[{"scale":{"offset":[1,2],"divisor":[1,2]}}]}"#, true),
        (
            r#"{"steps":[{"pca":{"mean":[1,2],"components":[[1,0]],"deviations":null}},{"scale":{"offset":[1],"divisor":[1]}}]}"#,
            true,
        ),
        (
            r#"{"steps":[{"zca":{"mean":[1,2],"components":[[1,0]],"deviations":[1]}},{"scale":{"offset":[1,1],"divisor":[1,1]}}]}"#,
            true,
        ),
        ("{}", false),
        (r#"{"steps":[],"more":1}"#, false),
        (r#"{"steps":[{"shrink":{"by":255}}]}"#, false),
        (r#"{"steps":[{"divide":{"by":0}}]}"#, false),
        (r#"{"steps":[{"divide":{"by":255,"and":1}}]}"#, false),
        (r#"{"steps":[{"divide":{"by":null}}]}"#, false),
        (r#"{"steps":[{"scale":{"offset":[1,2],"divisor":[1,0]}}]}"#, false),
        (r#"{"steps":[{"scale":{"offset":[1,2],"divisor":[1]}}]}"#, false),
        (r#"{"steps":[{"scale":{"offset":[],"divisor":[]}}]}"#, false),
        (r#"{"steps":[{"scale":{"offset":[1,1e999],"divisor":[1,1]}}]}"#, false),
        (r#"{"steps":[{"pca":{"mean":[1,2],"components":[[1,0],[1]],"deviations":null}}]}"#, false),
        (r#"{"steps":[{"pca":{"mean":[1,2],"components":[],"deviations":null}}]}"#, false),
        (r#"{"steps":[{"pca":{"mean":[1,2],"components":[[1]],"deviations":null}}]}"#, false),
        (r#"{"steps":[{"pca":{"mean":[1,2],"components":[[1,0]],"deviations":[1,1]}}]}"#, false),
        (r#"{"steps":[{"pca":{"mean":[1,2],"components":[[1,0]],"deviations":[0]}}]}"#, false),
        (r#"{"steps":[{"zca":{"mean":[1,2],"components":[[1,0]],"deviations":[]}}]}"#, false),
        (
            r#"{"steps":[{"pca":{"mean":[1,2],"components":[[1,0]],"deviations":null}},{"scale":{"offset":[1,1],"divisor":[1,1]}}]}"#,
            false,
        ),
    ] {
        match serde_json::from_str::<Preprocessing>(text) {
            Ok(steps) => {
                assert!(sound, "{text}");
                let _ = steps.transform(array![[1e308, -1e308]]);
                let _ = steps.inverse(array![[1e308]]);
            }
            Err(error) => assert!(!sound, "{text}: {error}"),
        }
    }
    assert!(Preprocessing::new(vec![Step::Divide { by: f64::NAN }]).is_err());
}

proptest! {
    #[test]
    fn any_numbers(
        values in prop::collection::vec(prop_oneof![any::<f64>(), -10.0..10.0_f64, Just(0.0)], 12),
        columns in 1_usize..4,
        which in 0_usize..9,
    ) {
        let x = Array2::from_shape_fn((12 / columns, columns), |(i, j)| values[i * columns + j]);
        if let Ok(steps) = Preprocessing::fit(&[methods()[which], Method::Standardise], &x, None)
            && let Ok(there) = steps.transform(x)
        {
            prop_assert!(there.iter().all(|x| x.is_finite()));
            let _ = steps.inverse(there);
        }
    }

    #[test]
    fn any_text(text in r#"[{}\[\]":,0-9.a-z-]{0,60}"#) {
        let _ = serde_json::from_str::<Preprocessing>(&text);
        let _ = text.parse::<Method>();
    }
}
