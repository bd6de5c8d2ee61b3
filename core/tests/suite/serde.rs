//! Configuration and the state of a run through serde.

use chainrule_core::{
    Activation, EarlyStopping, Epoch, Evaluation, Group, Initializer, LayerConfig, Monitor, NetworkConfig,
    OptimizerConfig, Plateau, PlateauState, TrainerConfig,
};

#[test]
fn a_network_is_read_from_toml() {
    let text = r#"
        inputs = 4
        layers = [
            { kind = "dense", outputs = 8, activation = "leaky-relu:0.2", weights = "normal:0.5" },
            { kind = "batch-norm" },
            { kind = "residual", layers = [{ kind = "dense", outputs = 8, bias = false }] },
            { kind = "dropout", probability = 0.5 },
            { kind = "prelu", per-input = true },
            { kind = "activation", function = "mish" },
            { kind = "dense", outputs = 3 },
            { kind = "softmax" },
        ]"#;
    let config: NetworkConfig = toml::from_str(text).unwrap();
    let dense = |outputs, activation, bias, weights| LayerConfig::Dense {
        outputs,
        activation,
        bias,
        weights,
        biases: None,
    };
    let expected = vec![
        dense(8, Activation::LeakyRelu(0.2), true, Some(Initializer::Normal(0.5))),
        LayerConfig::BatchNorm { epsilon: 1e-5, momentum: 0.1, affine: true },
        LayerConfig::Residual { layers: vec![dense(8, Activation::Identity, false, None)] },
        LayerConfig::Dropout { probability: 0.5 },
        LayerConfig::Prelu { per_input: true, initial: 0.25 },
        LayerConfig::Activation { function: Activation::Mish },
        dense(3, Activation::Identity, true, None),
        LayerConfig::Softmax {},
    ];
    assert_eq!(config, NetworkConfig { inputs: 4, layers: expected });
    let json = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<NetworkConfig>(&json).unwrap(), config);
    assert_eq!(toml::from_str::<NetworkConfig>(&toml::to_string(&config).unwrap()).unwrap(), config);
}

#[test]
fn a_batch_of_all_samples_is_a_word() {
    for (batch_size, told) in [(usize::MAX, "batch-size = \"full\""), (7, "batch-size = 7")] {
        let config = TrainerConfig { batch_size, ..TrainerConfig::default() };
        let text = toml::to_string(&config).unwrap();
        assert!(text.contains(told), "{text}");
        assert_eq!(toml::from_str::<TrainerConfig>(&text).unwrap(), config);
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<TrainerConfig>(&json).unwrap(), config);
    }
    for wrong in ["-1", "0.5", "\"ful\"", "[1]"] {
        let error =
            toml::from_str::<TrainerConfig>(&format!("batch-size = {wrong}")).unwrap_err().to_string();
        assert!(error.contains("expected a number of samples, or `full`"), "{wrong}: {error}");
    }
}

#[test]
fn a_trainer_is_read_from_toml() {
    assert_eq!(toml::from_str::<TrainerConfig>("").unwrap(), TrainerConfig::default());
    let text = r#"
        loss = "huber:2"
        optimizer = { name = "adamw", learning-rate = 0.01, beta1 = 0.8 }
        epochs = 3
        schedule = "warm-up:10 then cosine:90"
        monitor = "r2"
        metrics = ["r2"]
        [gradients]
        clip-norm = 1.0
        groups = [{ pattern = "*.bias", decay = 0.0 }]
        [early-stopping]
        patience = 5
        [plateau]
        factor = 0.5"#;
    let config: TrainerConfig = toml::from_str(text).unwrap();
    assert_eq!(config.optimizer, OptimizerConfig::new("adamw").set("learning-rate", 0.01).set("beta1", 0.8));
    assert_eq!(config.early_stopping, Some(EarlyStopping::new(5)));
    assert_eq!(config.plateau, Some(Plateau { factor: 0.5, ..Plateau::default() }));
    assert_eq!(config.monitor, Monitor::Metric("r2".to_owned()));
    let gradients =
        chainrule_core::Gradients::default().clip_norm(1.0).group(Group::new("*.bias").decay(0.0));
    assert_eq!(config.gradients, gradients);
    config.trainer::<f32>().unwrap();
    assert_eq!(toml::from_str::<TrainerConfig>(&toml::to_string(&config).unwrap()).unwrap(), config);
}

#[test]
fn what_is_unknown_is_refused() {
    let told = |text: &str, expected: &str| {
        let error = toml::from_str::<TrainerConfig>(text).map(|config| config.trainer::<f32>().map(drop));
        let error = match error {
            Ok(error) => error.unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        assert!(error.contains(expected), "{error}");
    };
    told("epoch = 3", "unknown field `epoch`");
    told("loss = \"cross\"", "unknown loss \"cross\"");
    told("optimizer = { name = \"sgd\", beta1 = 0.5 }", "beta1");
    told("schedule = \"cosine\"", "cosine");
    told("metrics = [\"accurate\"]", "accurate");
    told("early-stopping = { patients = 3 }", "patients");
    for layer in ["{ kind = \"softmax\", size = 3 }", "{ kind = \"dens\" }", "{ kind = \"dense\" }"] {
        let text = format!("inputs = 1\nlayers = [{layer}]");
        assert!(toml::from_str::<NetworkConfig>(&text).is_err(), "{layer}");
    }
}

#[test]
fn numbers_keep_their_bits_and_those_that_json_lacks_their_kind() {
    let history = r#"[{"epoch":1,"train":{"loss":"NaN","accuracy":null,"metrics":[["r2","-inf"],["f1",0.1]]},"validation":null,
        "learning-rate":1e-300,"duration":{"secs":1,"nanos":5},"samples-per-second":2.5}]"#;
    let read: Vec<Epoch> = serde_json::from_str(history).unwrap();
    let Evaluation { loss, metrics, .. } = &read[0].train;
    assert!(loss.is_nan());
    assert_eq!(metrics[0], ("r2".to_owned(), f64::NEG_INFINITY));
    let again: Vec<Epoch> = serde_json::from_str(&serde_json::to_string(&read).unwrap()).unwrap();
    assert_eq!(again[0].train.metrics, *metrics);
    for best in [Some(f64::INFINITY), None, Some(0.1 + 0.2), Some(f64::MIN_POSITIVE / 3.0)] {
        let state = PlateauState { best, ..PlateauState::default() };
        let json = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<PlateauState>(&json).unwrap(), state, "{json}");
    }
}
