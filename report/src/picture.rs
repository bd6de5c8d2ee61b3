//! Inputs that are pictures.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use num_traits::ToPrimitive;

use crate::{Error, Result};

/// How the numbers of a row are the pixels of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Channels {
    /// One number a pixel: height × width.
    #[default]
    Grey,
    /// Red, green and blue beside each other: height × width × 3.
    Interleaved,
    /// A picture of all reds, one of all greens, one of all blues: 3 × height × width, as PyTorch and CIFAR have them.
    Planes,
}

/// A picture, grey or in colours: a row of inputs that are pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    /// A byte or three for each pixel, row after row; 0 is black.
    pixels: Vec<u8>,
}

impl Picture {
    /// A grey one of values row after row, where `low` is black and `high` is white; NaN is black.
    ///
    /// # Errors
    /// [`Error::Picture`] if there are not width × height values, or none.
    pub fn new(width: usize, height: usize, values: &[f64], low: f64, high: f64) -> Result<Self> {
        Self::with(Channels::Grey, width, height, values, low, high)
    }

    /// One of values that stand for colours as `channels` says, from `low` (dark) to `high` (bright).
    ///
    /// ```
    /// use chainrule_report::{Channels, Picture};
    /// // Two pixels, red and blue.
    /// let planes = Picture::with(Channels::Planes, 2, 1, &[1.0, 0.0, 0.0, 0.0, 0.0, 1.0], 0.0, 1.0)?;
    /// assert_eq!(planes.pixels(), [255, 0, 0, 0, 0, 255]);
    /// # Ok::<(), chainrule_report::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Picture`] if there are not as many values as pixels, or three times as many for colours, or none.
    pub fn with(
        channels: Channels,
        width: usize,
        height: usize,
        values: &[f64],
        low: f64,
        high: f64,
    ) -> Result<Self> {
        let inputs = values.len();
        let each = if channels == Channels::Grey { 1 } else { 3 };
        let refused = || Error::Picture { width, height, inputs };
        if inputs == 0
            || width.checked_mul(height).and_then(|pixels| pixels.checked_mul(each)) != Some(inputs)
        {
            return Err(refused());
        }
        let byte = |value: f64| {
            let share = if high > low { (value - low) / (high - low) } else { 0.0 };
            (share.clamp(0.0, 1.0) * 255.0).round().to_u8().unwrap_or(0)
        };
        let plane = inputs / each;
        let pixels = match channels {
            Channels::Grey | Channels::Interleaved => values.iter().copied().map(byte).collect(),
            Channels::Planes => {
                let pixel = |at: usize| [at, plane + at, 2 * plane + at].map(|at| byte(values[at]));
                (0..plane).flat_map(pixel).collect()
            }
        };
        let size = |n: usize| u32::try_from(n).map_err(|_| refused());
        Ok(Self { width: size(width)?, height: size(height)?, pixels })
    }

    /// The pixels of a row, and the rows.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// The pixels row after row: of grey ones a byte each, of others red, green and blue.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The picture as a PNG file.
    ///
    /// # Errors
    /// [`Error::Format`] for what PNG has no room for.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        let mut png = Vec::new();
        let mut encoder = png::Encoder::new(&mut png, self.width, self.height);
        let grey = self.pixels.len() as u64 == u64::from(self.width) * u64::from(self.height);
        encoder.set_color(if grey { png::ColorType::Grayscale } else { png::ColorType::Rgb });
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().map_err(Error::format("a picture"))?;
        writer.write_image_data(&self.pixels).map_err(Error::format("a picture"))?;
        writer.finish().map_err(Error::format("a picture"))?;
        Ok(png)
    }

    /// The picture as the address of an HTML image.
    pub(crate) fn data_uri(&self) -> Result<String> {
        Ok(format!("data:image/png;base64,{}", STANDARD.encode(self.to_png()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_png_reads_back() {
        let picture = Picture::new(3, 2, &[0.0, 0.5, 1.0, -9.0, f64::NAN, 9.0], 0.0, 1.0).unwrap();
        assert_eq!(picture.pixels(), [0, 128, 255, 0, 0, 255]);
        let png = picture.to_png().unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height, info.color_type), (3, 2, png::ColorType::Grayscale));
        assert_eq!(pixels, picture.pixels());
    }

    #[test]
    fn colours_read_back() {
        let values = [1.0, 0.5, 0.0, 0.0, 0.5, 1.0];
        for (channels, pixels) in [
            (Channels::Interleaved, [255, 128, 0, 0, 128, 255]),
            (Channels::Planes, [255, 0, 128, 128, 0, 255]),
        ] {
            let picture = Picture::with(channels, 2, 1, &values, 0.0, 1.0).unwrap();
            assert_eq!(picture.pixels(), pixels);
            let png = picture.to_png().unwrap();
            let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
            let mut read = vec![0; reader.output_buffer_size().unwrap()];
            let info = reader.next_frame(&mut read).unwrap();
            assert_eq!((info.width, info.height, info.color_type), (2, 1, png::ColorType::Rgb));
            assert_eq!(read, picture.pixels());
        }
        assert!(Picture::with(Channels::Planes, 3, 2, &values, 0.0, 1.0).is_err());
    }

    #[test]
    fn another_number_of_pixels_is_refused() {
        for (width, height) in [(2, 2), (0, 3), (usize::MAX, usize::MAX)] {
            let refused = Picture::new(width, height, &[0.0; 3], 0.0, 1.0);
            assert!(matches!(refused, Err(Error::Picture { inputs: 3, .. })), "{width} {height}");
        }
        assert!(Picture::new(0, 0, &[], 0.0, 1.0).is_err());
        assert_eq!(Picture::new(1, 1, &[3.0], 2.0, 2.0).unwrap().pixels(), [0]);
    }
}
