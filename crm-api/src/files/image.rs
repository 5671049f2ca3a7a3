//! Pictures without what the camera wrote beside them. A photo of a rash says where
//! the patient lives; nobody who looks at the rash needs that.
//!
//! Metadata is cut out of the container, so that pixels stay as they were taken.
//! Only a picture that lies on its side is decoded, turned and encoded again.
//! Blocking: call from a thread that may wait.

mod gif;
mod jpeg;
mod png;
mod webp;

use std::io::Cursor;

use axum::body::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, Rgb, RgbImage};

/// Longest side of a thumbnail, pixels: twice a bubble's width on a phone, so that
/// it is sharp there.
const THUMBNAIL_PIXELS: u32 = 640;
const THUMBNAIL_QUALITY: u8 = 80;
/// For a picture that has to be turned: a loss that nobody sees.
const TURNED_QUALITY: u8 = 92;
/// Bytes a decoder may take for one pixel (16 bits in four channels).
const BYTES_PER_PIXEL: u64 = 8;

/// A picture as it is kept.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) bytes: Bytes,
    /// As shown, that is after turning. Absent when it could not be decoded.
    pub(super) size: Option<(u32, u32)>,
    /// A small JPEG; absent when the picture could not be decoded.
    pub(super) thumbnail: Option<Bytes>,
}

/// The container is not what its first bytes promised.
#[derive(Debug, thiserror::Error)]
#[error("not a readable image")]
pub(super) struct Unreadable;

/// Whether [`prepare`] knows this type.
pub(super) fn is_prepared(media_type: &str) -> bool {
    format(media_type).is_some()
}

/// Takes the metadata out and makes a thumbnail. A picture of more than
/// `max_pixels` is cleaned but not decoded.
///
/// # Errors
/// When the container cannot be read, so that nobody knows what is hidden in it.
pub(super) fn prepare(
    media_type: &str,
    original: Bytes,
    max_pixels: u64,
) -> Result<Picture, Unreadable> {
    let format = format(media_type).ok_or(Unreadable)?;
    let decoded = decode(format, &original, max_pixels);
    let Some(decoded) = decoded else {
        return Ok(Picture { bytes: strip(format, original)?, size: None, thumbnail: None });
    };
    let bytes = match decoded.turned {
        false => strip(format, original)?,
        true => encode(format, &decoded.image, decoded.icc_profile)?,
    };
    let size = Some((decoded.image.width(), decoded.image.height()));
    Ok(Picture { bytes, size, thumbnail: thumbnail(&decoded.image) })
}

fn format(media_type: &str) -> Option<ImageFormat> {
    match media_type {
        "image/jpeg" => Some(ImageFormat::Jpeg),
        "image/png" => Some(ImageFormat::Png),
        "image/webp" => Some(ImageFormat::WebP),
        "image/gif" => Some(ImageFormat::Gif),
        _ => None,
    }
}

struct Decoded {
    image: DynamicImage,
    /// The camera was held askew and the picture was turned for it.
    turned: bool,
    icc_profile: Option<Vec<u8>>,
}

fn decode(format: ImageFormat, bytes: &[u8], max_pixels: u64) -> Option<Decoded> {
    let mut limits = Limits::default();
    limits.max_alloc = Some(max_pixels.saturating_mul(BYTES_PER_PIXEL));
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().ok()?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > max_pixels {
        return None;
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let icc_profile = decoder.icc_profile().ok().flatten();
    let mut image = DynamicImage::from_decoder(decoder).ok()?;
    image.apply_orientation(orientation);
    let turned = orientation != Orientation::NoTransforms;
    Some(Decoded { image, turned, icc_profile })
}

fn strip(format: ImageFormat, original: Bytes) -> Result<Bytes, Unreadable> {
    match format {
        ImageFormat::Jpeg => jpeg::strip(original),
        ImageFormat::Png => png::strip(original),
        ImageFormat::WebP => webp::strip(original),
        ImageFormat::Gif => gif::strip(&original),
        _ => Err(Unreadable),
    }
}

fn encode(
    format: ImageFormat,
    image: &DynamicImage,
    icc_profile: Option<Vec<u8>>,
) -> Result<Bytes, Unreadable> {
    let mut bytes = Vec::new();
    if format == ImageFormat::Jpeg {
        let mut encoder = JpegEncoder::new_with_quality(&mut bytes, TURNED_QUALITY);
        if let Some(profile) = icc_profile {
            // A profile that cannot be kept only shifts colours a little.
            let _ = image::ImageEncoder::set_icc_profile(&mut encoder, profile);
        }
        image.write_with_encoder(encoder).map_err(|_| Unreadable)?;
    } else {
        image.write_to(&mut Cursor::new(&mut bytes), format).map_err(|_| Unreadable)?;
    }
    Ok(bytes.into())
}

fn thumbnail(image: &DynamicImage) -> Option<Bytes> {
    let small = if image.width().max(image.height()) > THUMBNAIL_PIXELS {
        image.thumbnail(THUMBNAIL_PIXELS, THUMBNAIL_PIXELS)
    } else {
        image.clone()
    };
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, THUMBNAIL_QUALITY);
    on_white(&small).write_with_encoder(encoder).ok()?;
    Some(bytes.into())
}

/// JPEG knows no transparency, and black would swallow dark writing.
fn on_white(image: &DynamicImage) -> RgbImage {
    let rgba = image.to_rgba8();
    RgbImage::from_fn(rgba.width(), rgba.height(), |x, y| {
        let [red, green, blue, alpha] = rgba.get_pixel(x, y).0;
        let blend = |channel: u8| {
            let (channel, alpha) = (u16::from(channel), u16::from(alpha));
            ((channel * alpha + 255 * (255 - alpha)) / 255) as u8
        };
        Rgb([blend(red), blend(green), blend(blue)])
    })
}

#[cfg(test)]
mod tests;
