//! The numbers that a NPY file may hold.

use half::f16;
use num_traits::Float;

/// The type of an array's elements, and the order of their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    kind: Kind,
    big_endian: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F16,
    F32,
    F64,
}

impl Element {
    /// The type that NumPy calls so: `<f4`.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let order = name.chars().next()?;
        let big_endian = match order {
            '>' => true,
            '<' | '|' => false,
            '=' => cfg!(target_endian = "big"),
            _ => return None,
        };
        let kind = match &name[1..] {
            "b1" => Kind::Bool,
            "i1" => Kind::I8,
            "i2" => Kind::I16,
            "i4" => Kind::I32,
            "i8" => Kind::I64,
            "u1" => Kind::U8,
            "u2" => Kind::U16,
            "u4" => Kind::U32,
            "u8" => Kind::U64,
            "f2" => Kind::F16,
            "f4" => Kind::F32,
            "f8" => Kind::F64,
            _ => return None,
        };
        Some(Self { kind, big_endian })
    }

    /// Bytes an element.
    pub(super) fn size(self) -> usize {
        match self.kind {
            Kind::Bool | Kind::I8 | Kind::U8 => 1,
            Kind::I16 | Kind::U16 | Kind::F16 => 2,
            Kind::I32 | Kind::U32 | Kind::F32 => 4,
            Kind::I64 | Kind::U64 | Kind::F64 => 8,
        }
    }

    /// Whether it is made for counting rather than measuring.
    pub(super) fn is_whole(self) -> bool {
        !matches!(self.kind, Kind::F16 | Kind::F32 | Kind::F64)
    }

    /// Appends the elements in `bytes`, rounded to the nearest `T`: whole elements only.
    pub(super) fn decode<T: Float>(self, bytes: &[u8], values: &mut Vec<T>) {
        macro_rules! numbers {
            ($type:ty) => {
                self.decode_as(bytes, values, <$type>::from_le_bytes, |x| T::from(x).unwrap_or_else(T::nan))
            };
        }
        match self.kind {
            Kind::Bool => values.extend(bytes.iter().map(|&x| if x == 0 { T::zero() } else { T::one() })),
            Kind::I8 => numbers!(i8),
            Kind::U8 => numbers!(u8),
            Kind::I16 => numbers!(i16),
            Kind::U16 => numbers!(u16),
            Kind::I32 => numbers!(i32),
            Kind::U32 => numbers!(u32),
            Kind::I64 => numbers!(i64),
            Kind::U64 => numbers!(u64),
            Kind::F32 => numbers!(f32),
            Kind::F64 => numbers!(f64),
            Kind::F16 => self
                .decode_as(bytes, values, f16::from_le_bytes, |x| T::from(x.to_f32()).unwrap_or_else(T::nan)),
        }
    }

    fn decode_as<const N: usize, X, T>(
        self,
        bytes: &[u8],
        values: &mut Vec<T>,
        read: impl Fn([u8; N]) -> X,
        convert: impl Fn(X) -> T,
    ) {
        let (elements, _) = bytes.as_chunks::<N>();
        if self.big_endian {
            values.extend(elements.iter().map(|element| {
                let mut element = *element;
                element.reverse();
                convert(read(element))
            }));
        } else {
            values.extend(elements.iter().map(|&element| convert(read(element))));
        }
    }
}
