//! What an optimiser remembers, and what it is told of each parameter.

use std::ops::Range;

use crate::network::NamedParameter;
use crate::update::{Rule, Update};
use crate::{Backend, Error, Network, Result, Scalar};

/// Parameters for which a step differs: their part of the learning rate and of the weight decay.
///
/// The first group whose pattern matches a parameter's name (`"0.weight"`) decides. Without any, weights decay and
/// biases do not ([`Parameter::decays`](crate::layer::Parameter::decays)), and all have the same learning rate.
///
/// ```
/// use chainrule_core::Group;
/// let slow_first_layer = Group::new("0.*").rate(0.1);
/// assert!(slow_first_layer.matches("0.bias") && !slow_first_layer.matches("10.bias"));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case", deny_unknown_fields)
)]
pub struct Group {
    pattern: String,
    #[cfg_attr(feature = "serde", serde(default = "one"))]
    rate: f64,
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    decay: Option<f64>,
}

#[cfg(feature = "serde")]
fn one() -> f64 {
    1.0
}

impl Group {
    /// The parameters whose names match a pattern, in which `*` stands for any characters: `"*.bias"`.
    #[must_use]
    pub fn new(pattern: impl Into<String>) -> Self {
        Self { pattern: pattern.into(), rate: 1.0, decay: None }
    }

    /// Their learning rate as a factor of the optimiser's.
    #[must_use]
    pub fn rate(self, factor: f64) -> Self {
        Self { rate: factor, ..self }
    }

    /// Their weight decay (and L1 term) as a factor of the optimiser's: 0 for none, 1 lets biases decay as well.
    #[must_use]
    pub fn decay(self, factor: f64) -> Self {
        Self { decay: Some(factor), ..self }
    }

    /// Whether a parameter's name matches.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.pattern.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    }

    fn check(&self) -> Result<()> {
        let factors =
            [("a group's learning rate", self.rate), ("a group's decay", self.decay.unwrap_or(0.0))];
        match factors.into_iter().find(|(_, factor)| !(factor.is_finite() && *factor >= 0.0)) {
            Some((name, factor)) => Err(Error::setting(name, factor, "a finite factor of at least 0")),
            None => Ok(()),
        }
    }
}

/// What happens to the gradient before any optimiser sees it, and which parameters are treated differently.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case", deny_unknown_fields, default)
)]
pub struct Gradients {
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    clip_norm: Option<f64>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    clip_value: Option<f64>,
    l1: f64,
    groups: Vec<Group>,
}

impl Gradients {
    /// Scales the gradient down to this norm over all parameters, where it is larger: Δw min(1, c / (‖Δw‖ + 10⁻⁶)). Pascanu et al.,
    /// arXiv 1211.5063; PyTorch's `clip_grad_norm_`.
    #[must_use]
    pub fn clip_norm(self, largest: f64) -> Self {
        Self { clip_norm: Some(largest), ..self }
    }

    /// Clips each element of the gradient to ±c, after the norm. PyTorch's `clip_grad_value_`.
    #[must_use]
    pub fn clip_value(self, largest: f64) -> Self {
        Self { clip_value: Some(largest), ..self }
    }

    /// Adds the gradient of l1 Σ |w| over the parameters that decay.
    #[must_use]
    pub fn l1(self, l1: f64) -> Self {
        Self { l1, ..self }
    }

    /// Adds a group of parameters; see [`Group`].
    #[must_use]
    pub fn group(mut self, group: Group) -> Self {
        self.groups.push(group);
        self
    }

    /// Refuses settings out of range.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        for (name, clip) in
            [("the norm to clip to", self.clip_norm), ("the value to clip to", self.clip_value)]
        {
            if let Some(clip) = clip
                && !(clip.is_finite() && clip > 0.0)
            {
                return Err(Error::setting(name, clip, "a finite number above 0"));
            }
        }
        if !(self.l1.is_finite() && self.l1 >= 0.0) {
            return Err(Error::setting("the L1 term", self.l1, "a finite number of at least 0"));
        }
        self.groups.iter().try_for_each(Group::check)
    }

    /// Whether a step is the optimiser's own and nothing else.
    pub(crate) fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// One parameter as a step sees it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Part {
    /// Its name, shape and range in the flat vector.
    pub named: NamedParameter,
    /// A factor of the learning rate.
    pub rate: f64,
    /// A factor of the weight decay.
    pub decay: f64,
}

/// Everything an optimiser remembers from step to step: a count, named numbers, named vectors.
///
/// An optimiser itself is configuration, as a layer is. A checkpoint holds what [`OptimizerState::vectors`],
/// [`OptimizerState::scalars`] and [`OptimizerState::steps`] tell; [`OptimizerState::restore`] takes it back.
///
/// ```
/// use chainrule_core::{Activation, Adam, Network, Optimizer, OptimizerState};
/// use chainrule_naive::Naive;
///
/// let mut network = Network::<f64>::builder(1).dense(1, Activation::Identity).build(1)?;
/// let mut adam = Adam::new(0.1);
/// let mut state = OptimizerState::new(&network);
/// let before = network.parameters().to_vec();
/// adam.step(&Naive, &mut state, &[2.0, -3.0], network.parameters_mut())?;
/// // The first step of Adam is the learning rate in the direction of each sign.
/// assert!((network.parameters()[0] - (before[0] - 0.1)).abs() < 1e-8);
/// assert!((network.parameters()[1] - (before[1] + 0.1)).abs() < 1e-8);
/// assert_eq!(state.vectors().map(|(name, _)| name).collect::<Vec<_>>(), ["exp_avg", "exp_avg_sq"]);
/// # Ok::<(), chainrule_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizerState<T> {
    gradients: Gradients,
    parts: Vec<Part>,
    len: usize,
    steps: u64,
    scalars: Vec<(String, f64)>,
    vectors: Vec<(String, Vec<T>)>,
    /// A place to work in, which no checkpoint needs.
    pub(crate) scratch: Vec<T>,
}

impl<T: Scalar> OptimizerState<T> {
    /// For the parameters of a network, before the first step.
    #[must_use]
    pub fn new(network: &Network<T>) -> Self {
        Self::build(network, Gradients::default())
    }

    /// The same with clipping, an L1 term or groups of parameters.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting out of range, or a group that no parameter is in.
    pub fn with(network: &Network<T>, gradients: Gradients) -> Result<Self> {
        gradients.check()?;
        let names = network.named_parameters();
        let idle = |group: &&Group| !names.iter().any(|named| group.matches(&named.name));
        if let Some(Group { pattern, .. }) = gradients.groups.iter().find(idle) {
            let expected = "one that matches a parameter's name, such as 0.weight or *.bias";
            return Err(Error::setting("the pattern of a group of parameters", pattern, expected));
        }
        Ok(Self::build(network, gradients))
    }

    fn build(network: &Network<T>, gradients: Gradients) -> Self {
        let part = |named: NamedParameter| {
            let usual = if named.parameter.decays { 1.0 } else { 0.0 };
            let group = gradients.groups.iter().find(|group| group.matches(&named.name));
            let rate = group.map_or(1.0, |group| group.rate);
            Part { rate, decay: group.and_then(|group| group.decay).unwrap_or(usual), named }
        };
        let parts = network.named_parameters().into_iter().map(part).collect();
        let len = network.parameters().len();
        let (scalars, vectors, scratch) = (Vec::new(), Vec::new(), Vec::new());
        Self { gradients, parts, len, steps: 0, scalars, vectors, scratch }
    }

    /// The parameters, each with its factors.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// What happens to the gradient first.
    #[must_use]
    pub fn gradients(&self) -> &Gradients {
        &self.gradients
    }

    /// How many steps were made.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The numbers that an optimiser remembers.
    pub fn scalars(&self) -> impl Iterator<Item = (&str, f64)> {
        self.scalars.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// The vectors that an optimiser remembers, under PyTorch's names; most are as long as all parameters.
    pub fn vectors(&self) -> impl Iterator<Item = (&str, &[T])> {
        self.vectors.iter().map(|(name, vector)| (name.as_str(), vector.as_slice()))
    }

    /// Takes back what a checkpoint holds. Whether it is the state of the same optimiser shows at the next step.
    ///
    /// # Errors
    /// [`Error::Setting`] for a number that is not finite.
    pub fn restore(
        &mut self,
        steps: u64,
        scalars: Vec<(String, f64)>,
        vectors: Vec<(String, Vec<T>)>,
    ) -> Result<()> {
        let numbers = vectors.iter().flat_map(|(_, vector)| vector.iter().map(|x| x.as_f64()));
        if let Some(x) = scalars.iter().map(|(_, x)| *x).chain(numbers).find(|x| !x.is_finite()) {
            return Err(Error::setting("the optimiser's state", x, "finite numbers"));
        }
        (self.steps, self.scalars, self.vectors) = (steps, scalars, vectors);
        Ok(())
    }

    /// Whether the gradient is clipped.
    pub(crate) fn clips(&self) -> bool {
        self.gradients.clip_norm.is_some() || self.gradients.clip_value.is_some()
    }

    /// Counts a step that was made elsewhere.
    pub(crate) fn count(&mut self) {
        self.steps += 1;
    }

    /// Begins a step over vectors of these names and initial values, each as long as its number says: allocates them at the first
    /// one, refuses others. Returns the step's number, counted from 1.
    ///
    /// # Errors
    /// [`Error::Shape`] for slices of another length than the parameters, [`Error::Setting`] for the state of another optimiser.
    pub fn begin(&mut self, vectors: &[(&str, f64, usize)], gradient: &[T], parameters: &[T]) -> Result<u64> {
        crate::check::same_length("an optimiser's step", "the gradient", gradient.len(), self.len)?;
        crate::check::same_length("an optimiser's step", "the parameters", parameters.len(), self.len)?;
        if self.vectors.is_empty() && self.steps == 0 {
            let vector =
                |&(name, initial, len): &(&str, f64, usize)| (name.to_owned(), vec![T::of(initial); len]);
            self.vectors = vectors.iter().map(vector).collect();
        }
        let same = self.vectors.len() == vectors.len()
            && self.vectors.iter().zip(vectors).all(|(a, b)| a.0 == b.0 && a.1.len() == b.2);
        if !same {
            let found: Vec<_> = self.vectors().map(|(name, v)| format!("{name} of {}", v.len())).collect();
            let found = if found.is_empty() { "empty".to_owned() } else { found.join(", ") };
            return Err(Error::setting(
                "the optimiser's state",
                found,
                "the state of the same optimiser and network",
            ));
        }
        self.steps += 1;
        Ok(self.steps)
    }

    /// As many scalars as there are parameters.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// A number by its name; `initial` at first.
    pub fn scalar(&mut self, name: &str, initial: f64) -> &mut f64 {
        let at = self.scalars.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.scalars.push((name.to_owned(), initial));
            self.scalars.len() - 1
        });
        &mut self.scalars[at].1
    }

    /// The vectors, to write to, beside the parts and the scratch.
    pub(crate) fn split(&mut self) -> (&[Part], &mut Vectors<T>, &mut Vec<T>) {
        (&self.parts, &mut self.vectors, &mut self.scratch)
    }

    /// What is done to the gradient: its factor by its global norm, and its bound.
    ///
    /// # Errors
    /// None but the backend's.
    pub fn clipping(&self, backend: &dyn Backend<T>, gradient: &[T]) -> Result<(f64, f64)> {
        let scale = match self.gradients.clip_norm {
            // A norm that is not finite makes NaN, which the trainer finds.
            Some(largest) => {
                let factor = largest / (backend.dot(gradient, gradient)?.sqrt() + 1e-6);
                if factor > 1.0 { 1.0 } else { factor }
            }
            None => 1.0,
        };
        Ok((scale, self.gradients.clip_value.unwrap_or(f64::INFINITY)))
    }

    /// The factor of the L1 term.
    #[must_use]
    pub fn l1(&self) -> f64 {
        self.gradients.l1
    }

    /// Applies a rule to every parameter after [`OptimizerState::begin`]: `rule` makes it from a parameter's learning rate. The
    /// vectors that it has are the state's, in the order of the places in which the rule has any.
    ///
    /// # Errors
    /// What the backend refuses.
    pub fn update(
        &mut self,
        backend: &dyn Backend<T>,
        rate: f64,
        decay: Decay,
        (gradient, parameters): (&[T], &mut [T]),
        rule: impl Fn(f64) -> Rule<T>,
    ) -> Result<()> {
        let (scale, bound) = self.clipping(backend, gradient)?;
        let l1 = self.gradients.l1;
        let decays = l1 > 0.0 || decay.factor() > 0.0;
        let factors = |part: &Part| [part.rate, if decays { part.decay } else { 0.0 }].map(f64::to_bits);
        let mut parts = self.parts.iter().peekable();
        while let Some(part) = parts.next() {
            let mut range = part.named.range.clone();
            // Neighbours with the same factors are one slice.
            while let Some(next) = parts.next_if(|next| factors(next) == factors(part)) {
                range.end = next.named.range.end;
            }
            let rate = rate * part.rate;
            let rule = rule(rate);
            let mut vectors = self.vectors.iter_mut().map(|(_, vector)| &mut vector[range.clone()]);
            let states =
                rule.states().map(|has| if has { vectors.next().unwrap_or_default() } else { &mut [] });
            let update =
                Update { scale: T::of(scale), bound: T::of(bound), ..decay.of(part, rate, l1, rule) };
            backend.update(&update, &gradient[range.clone()], states, &mut parameters[range])?;
        }
        Ok(())
    }
}

/// How weights decay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decay {
    /// As part of the gradient: that of d/2 · w² is added.
    Coupled(f64),
    /// Beside it: w is multiplied by 1 − α d (Loshchilov and Hutter, arXiv 1711.05101).
    Decoupled(f64),
}

impl Decay {
    /// d.
    fn factor(self) -> f64 {
        match self {
            Self::Coupled(decay) | Self::Decoupled(decay) => decay,
        }
    }

    pub(crate) fn of<T: Scalar>(self, part: &Part, rate: f64, l1: f64, rule: Rule<T>) -> Update<T> {
        let l1 = T::of(l1 * part.decay);
        match self {
            Self::Coupled(decay) => Update { l1, l2: T::of(decay * part.decay), ..Update::new(rule) },
            Self::Decoupled(decay) => {
                Update { l1, shrink: T::of(1.0 - rate * decay * part.decay), ..Update::new(rule) }
            }
        }
    }
}

/// Vectors with their names.
pub(crate) type Vectors<T> = [(String, Vec<T>)];

/// The part of a vector that belongs to a range.
pub(crate) fn of_range<T>(vectors: &mut Vectors<T>, at: usize, range: Range<usize>) -> &mut [T] {
    &mut vectors[at].1[range]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_no_parameter_is_in_is_refused() {
        let network = Network::<f64>::builder(1).dense(1, crate::Activation::Identity).build(1).unwrap();
        let with = |pattern: &str| {
            OptimizerState::with(&network, Gradients::default().group(Group::new(pattern).rate(0.5)))
        };
        assert!(with("*.bias").is_ok());
        let error = with("1.*").unwrap_err().to_string();
        assert!(error.contains("1.*") && error.contains("0.weight"), "{error}");
    }

    #[test]
    fn patterns_match_names() {
        for (pattern, name, expected) in [
            ("0.weight", "0.weight", true),
            ("0.weight", "10.weight", false),
            ("0.*", "0.bias", true),
            ("0.*", "10.bias", false),
            ("*.bias", "3.bias", true),
            ("*", "anything", true),
            ("*.w*t", "1.weight", true),
            ("*.w*t*", "1.weigh", false),
            ("a*a", "a", false),
            ("", "", true),
        ] {
            assert_eq!(Group::new(pattern).matches(name), expected, "{pattern} {name}");
        }
    }
}
