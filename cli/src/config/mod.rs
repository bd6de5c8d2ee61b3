//! What `train` is told, by flags or by a TOML file: sections whose keys and flags have the same names.

mod data;
mod layers;
mod list;
mod nearest;
mod sections;
mod shorthand;
mod training;
mod values;

use std::fs;
use std::path::Path;

use chainrule::TrainerConfig;
use serde::{Deserialize, Serialize};
use toml::de::DeTable;

use crate::failure::Failure;
use crate::presets::Preset;

pub(crate) use data::{
    ClassWeights, DataSection, Missing, PreprocessingSection, TaskKind, UnknownCategories,
};
pub(crate) use layers::Layers;
pub(crate) use nearest::{named, nearest_known, suggestion, suggestion_in};
pub(crate) use sections::{MachineSection, NetworkSection, OutputSection};
pub(crate) use shorthand::WholeRuns;
pub(crate) use training::TrainingFlags;
pub(crate) use values::{
    BatchSize, Delimiter, Hidden, Methods, Output, Sizes, WholeRun, not_negative, positive, share, size,
};

/// Each field from the first, else from the second.
macro_rules! or {
    ($over:expr, $under:expr; $($field:ident),*) => {
        Self { $($field: $over.$field.or($under.$field),)* }
    };
}
use or;

/// A run as a file describes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Config {
    /// As `--preset`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) preset: Option<Preset>,
    pub(crate) data: DataSection,
    pub(crate) preprocessing: PreprocessingSection,
    pub(crate) network: NetworkSection,
    pub(crate) training: TrainerConfig,
    pub(crate) machine: MachineSection,
    pub(crate) output: OutputSection,
}

/// A file that was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct FileConfig {
    pub(crate) config: Config,
    /// What of `[training]` the file says, as it says it.
    training: toml::Table,
    /// But for these.
    pub(crate) whole: WholeRuns,
}

impl FileConfig {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path).map_err(|cause| Failure::reading(path, cause))?;
        Self::parse(&text, &path.display().to_string())
    }

    fn parse(text: &str, place: &str) -> Result<Self, Failure> {
        let refused = |error: toml::de::Error| {
            let line = error.span().map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
            let line = line.map(|line| format!(", line {line}")).unwrap_or_default();
            let message = error.message();
            Failure::Configuration(format!("{place}{line}: {message}{}", suggestion_in(message)))
        };
        let mut root = DeTable::parse(text).map_err(refused)?;
        let whole = shorthand::expand(root.get_mut());
        let config = Config::deserialize(toml::Deserializer::from(root.clone())).map_err(refused)?;
        let mut table = toml::Table::deserialize(toml::Deserializer::from(root)).map_err(refused)?;
        let training = match table.remove("training") {
            Some(toml::Value::Table(training)) => training,
            _ => toml::Table::new(),
        };
        // Settings that the optimiser doesn't have are found by making one.
        if training.contains_key("optimizer") {
            config.training.optimizer.build::<f64>().map_err(|error| {
                let line = text.lines().position(|line| line.trim_start().starts_with("optimizer"));
                let line = line.map(|line| format!(", line {}", line + 1)).unwrap_or_default();
                Failure::Configuration(format!("{place}{line}: {error}{}", nearest_known(&error)))
            })?;
        }
        Ok(Self { config, training, whole })
    }

    /// The settings of `base`, where the file says nothing else.
    pub(crate) fn training_over(&self, base: &TrainerConfig) -> Result<TrainerConfig, Failure> {
        let broken =
            |error: &dyn std::fmt::Display| Failure::Other(format!("the settings of a run: {error}"));
        if self.training.is_empty() {
            return Ok(base.clone());
        }
        let mut table = toml::Table::try_from(base).map_err(|error| broken(&error))?;
        table.extend(self.training.clone());
        table.try_into().map_err(|error| broken(&error))
    }

    /// Whether `[training]` has this key.
    pub(crate) fn has_training(&self, key: &str) -> bool {
        self.training.contains_key(key)
    }
}

impl Config {
    /// As the text of a file.
    pub(crate) fn to_toml(&self) -> Result<String, Failure> {
        toml::to_string(self)
            .map_err(|error| Failure::Other(format!("the configuration cannot be written: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_differs_from_the_defaults() {
        let text = r#"
            [data]
            source = ["a.csv"]
            target = "species"
            [network]
            layers = [{ kind = "dense", outputs = 8, activation = "gelu" }, { kind = "dropout", probability = 0.2 }]
            [training]
            epochs = 7
            optimizer = { name = "adamw", weight-decay = 0.1 }
            early-stopping = { patience = 3 }
        "#;
        let file = FileConfig::parse(text, "run.toml").unwrap();
        let base = TrainerConfig { batch_size: usize::MAX, l2: 0.5, ..TrainerConfig::default() };
        let training = file.training_over(&base).unwrap();
        assert_eq!((training.epochs, training.l2), (7, 0.5));
        assert_eq!(training.optimizer, chainrule::OptimizerConfig::new("adamw").set("weight-decay", 0.1));
        assert_eq!(training.early_stopping.unwrap().patience, 3);
        let config = Config { training, ..file.config };
        let text = config.to_toml().unwrap();
        assert!(text.contains("batch-size = \"full\""), "{text}");
        let again = FileConfig::parse(&text, "again").unwrap();
        assert_eq!(again.config, config);
    }

    #[test]
    fn names_alone_do_in_a_file_as_they_do_as_flags() {
        for (text, schedule, by_epoch) in [
            ("schedule = 'cosine'", Some(WholeRun::Cosine), None),
            ("schedule = 'one-cycle'", Some(WholeRun::OneCycle), None),
            ("schedule-by-epoch = 'cosine'", None, Some(WholeRun::Cosine)),
            ("schedule = 'cosine:20'", None, None),
        ] {
            let text = format!("[training]\noptimizer = 'adam'\nepochs = 7\n{text}\n");
            let file = FileConfig::parse(&text, "run.toml").unwrap();
            assert_eq!(
                (file.whole.schedule.as_ref(), file.whole.schedule_by_epoch.as_ref()),
                (schedule.as_ref(), by_epoch.as_ref())
            );
            let training = file.training_over(&TrainerConfig::default()).unwrap();
            assert_eq!((training.epochs, training.optimizer), (7, chainrule::OptimizerConfig::new("adam")));
        }
    }

    #[test]
    fn one_value_does_in_a_file_for_a_list_or_a_table() {
        for (short, long) in [
            ("[data]\nsource = 'a.csv'", "[data]\nsource = ['a.csv']"),
            ("[data]\nignore = 'a'\narrays = 'b'", "[data]\nignore = ['a']\narrays = ['b']"),
            ("[data]\ncategorical = 'a'", "[data]\ncategorical = ['a']"),
            ("[network]\nhidden = 30", "[network]\nhidden = [30]"),
            ("[network]\nhidden = '30,20'", "[network]\nhidden = [30, 20]"),
            ("[network]\nhidden = 'none'", "[network]\nhidden = []"),
            (
                "[network]\nlayers = 'dense:8:gelu tanh'",
                "[network]\nlayers = [{ kind = 'dense', outputs = 8, activation = 'gelu' }, \
                 { kind = 'activation', function = 'tanh' }]",
            ),
            ("[training]\nearly-stopping = 5", "[training]\nearly-stopping = { patience = 5 }"),
            ("[training]\nplateau = 5", "[training]\nplateau = { patience = 5 }"),
            ("[training]\nmetrics = 'f1'", "[training]\nmetrics = ['f1']"),
        ] {
            let read = |text| FileConfig::parse(text, "run.toml").map_err(|error| error.to_string());
            let (short, long) = (read(short), read(long));
            assert_eq!(short.as_ref().unwrap().config, long.unwrap().config);
            let training = short.unwrap().training_over(&TrainerConfig::default());
            assert!(training.is_ok(), "{training:?}");
        }
    }

    #[test]
    fn unknown_keys_are_refused_with_the_nearest_known_one() {
        for (text, told) in [
            ("[trainin]\nepochs = 3", "run.toml, line 1: unknown field `trainin`"),
            ("[training]\n\nepoch = 3", "line 3: unknown field `epoch`, expected one of"),
            ("[training]\nepoch = 3", "(did you mean `epochs`?)"),
            ("[data]\ntargt = 'a'", "line 2: unknown field `targt`"),
            ("[data]\ntargt = 'a'", "(did you mean `target`?)"),
            ("[training]\nearly-stopping = { patients = 3 }", "(did you mean `patience`?)"),
            (
                "[training]\noptimizer = { name = 'adamw', weigth-decay = 3 }",
                "(did you mean `weight-decay`?)",
            ),
            ("[training]\noptimizer = { name = 'adma' }", "(did you mean `adam`?)"),
            ("[training]\noptimizer = 'adma'", "line 2: unknown optimiser \"adma\", expected sgd"),
            ("[training]\noptimizer = 'adma'", "(did you mean `adam`?)"),
            ("[training]\noptimizer = 3", "line 2"),
            ("[training]\nepochs = 3\nschedule = 'cosin'", "line 3: unknown schedule"),
            ("[network]\nlayers = [{ kind = 'dens', outputs = 3 }]", "line 2"),
            ("[network]\nactivation = 'rlu'", "line 2: unknown activation"),
            ("[network]\nactivation = 'rlu'", "(did you mean `relu`?)"),
            ("[network]\noutput = 'softmx'", "(did you mean `softmax`?)"),
            ("[training]\nschedule = 'cosin:3'", "(did you mean `cosine`?)"),
            ("[preprocessing]\nscaling = 'standard'", "(did you mean `standardise`?)"),
            ("[machine]\nthreads = 0", "line 2: invalid value: integer `0`, expected a nonzero u16"),
            ("[training]\nepochs = 'many'", "line 2"),
            ("[output]\nkeep = 0", "line 2: invalid value: integer `0`, expected a nonzero usize"),
            (
                "[network]\nhidden = 0.5",
                "line 2: invalid type: floating point `0.5`, expected a list of sizes, or a text",
            ),
            ("[network]\nhidden = '8,x'", "line 2: `x` is no size of a layer"),
            ("[network]\nlayers = 'dens:8'", "(did you mean `dense`?)"),
            ("[network]\nlayers = [3]", "line 2"),
            ("[training]\nearly-stopping = 'long'", "line 2: invalid type: string"),
            (
                "[training]\nbatch-size = 'ful'",
                "line 2: invalid value: string \"ful\", expected a number of samples, or `full`",
            ),
            ("epochs = ", "line 1"),
        ] {
            let error = FileConfig::parse(text, "run.toml").unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
