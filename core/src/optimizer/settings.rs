//! Settings by name, so that a command line, a configuration file or a checkpoint can list and set them.

use crate::{Error, Result};

/// The values a setting may have.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Range {
    Finite,
    NonNegative,
    Positive,
    /// From 0 to below 1.
    Fraction,
    Flag,
    Count,
}

impl Range {
    pub(crate) fn check(self, name: &'static str, value: f64) -> Result<()> {
        let (holds, expected) = match self {
            Self::Finite => (value.is_finite(), "a finite number"),
            Self::NonNegative => (value.is_finite() && value >= 0.0, "a finite number of at least 0"),
            Self::Positive => (value.is_finite() && value > 0.0, "a finite number above 0"),
            Self::Fraction => ((0.0..1.0).contains(&value), "a number from 0 to below 1"),
            Self::Flag => ([0.0, 1.0].contains(&value), "0 or 1"),
            Self::Count => {
                let holds = (1.0..=1e9).contains(&value) && value.fract() == 0.0;
                (holds, "a whole number from 1 to 10⁹")
            }
        };
        if holds { Ok(()) } else { Err(Error::setting(name, value, expected)) }
    }
}

/// A type of setting, as the number that stands for it.
pub(crate) trait Setting: Copy {
    fn number(self) -> f64;
    fn from_number(number: f64) -> Self;
}

impl Setting for f64 {
    fn number(self) -> f64 {
        self
    }

    fn from_number(number: f64) -> Self {
        number
    }
}

impl Setting for bool {
    fn number(self) -> f64 {
        f64::from(u8::from(self))
    }

    fn from_number(number: f64) -> Self {
        number != 0.0
    }
}

impl Setting for usize {
    fn number(self) -> f64 {
        self as f64
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "its range was checked")]
    fn from_number(number: f64) -> Self {
        number as Self
    }
}

/// Defines an optimiser: a struct of settings with defaults, a method to change each, and access to all of them by name.
macro_rules! optimizer {
    (
        $(#[$doc:meta])*
        $name:ident, $rate:literal {
            $($(#[$field_doc:meta])* $field:ident: $type:ty = $default:expr, $key:literal, $range:ident;)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name {
            learning_rate: f64,
            $($field: $type,)*
        }

        impl Default for $name {
            #[doc = concat!("With the learning rate ", stringify!($rate), ".")]
            fn default() -> Self {
                Self::new($rate)
            }
        }

        impl $name {
            /// With the learning rate α, and the defaults for the rest.
            #[must_use]
            pub fn new(learning_rate: f64) -> Self {
                Self { learning_rate, $($field: $default,)* }
            }

            $($(#[$field_doc])*
            #[must_use]
            pub fn $field(self, $field: $type) -> Self {
                Self { $field, ..self }
            })*

            fn list(&self) -> Vec<(&'static str, f64)> {
                use $crate::optimizer::settings::Setting as _;
                vec![("learning-rate", self.learning_rate), $(($key, self.$field.number()),)*]
            }

            fn assign(&mut self, name: &str, value: f64) -> $crate::Result<()> {
                use $crate::optimizer::settings::{Range, Setting};
                match name {
                    "learning-rate" => {
                        Range::Finite.check("learning-rate", value)?;
                        self.learning_rate = value;
                    }
                    $($key => {
                        Range::$range.check($key, value)?;
                        self.$field = <$type as Setting>::from_number(value);
                    })*
                    _ => {
                        let known: Vec<_> = self.list().into_iter().map(|(name, _)| name).collect();
                        return Err($crate::Error::Unknown {
                            what: "setting of the optimiser",
                            name: name.to_owned(),
                            expected: known.join(", "),
                        });
                    }
                }
                Ok(())
            }

            fn verify(&self) -> $crate::Result<()> {
                use $crate::optimizer::settings::{Range, Setting as _};
                Range::Finite.check("the learning rate", self.learning_rate)?;
                $(Range::$range.check($key, self.$field.number())?;)*
                Ok(())
            }
        }
    };
}

/// The methods of `Optimizer` that are the same for all of the above.
macro_rules! common {
    (|$this:ident| $name:expr) => {
        fn name(&self) -> &'static str {
            let $this = self;
            $name
        }

        fn learning_rate(&self) -> f64 {
            self.learning_rate
        }

        fn set_learning_rate(&mut self, rate: f64) {
            self.learning_rate = rate;
        }

        fn set_weight_decay(&mut self, decay: f64) {
            self.weight_decay = decay;
        }

        fn settings(&self) -> Vec<(&'static str, f64)> {
            self.list()
        }

        fn set(&mut self, name: &str, value: f64) -> Result<()> {
            self.assign(name, value)
        }
    };
}

pub(crate) use {common, optimizer};
