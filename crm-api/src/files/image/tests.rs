use image::{ExtendedColorType, GenericImageView, ImageEncoder, Rgba, RgbaImage};
use img_parts::{ImageEXIF, ImageICC};
use proptest::prelude::*;

use super::*;

const MAX_PIXELS: u64 = 1_000_000;
/// What must not be found in a stored picture.
const SECRET: &[u8] = b"55.7558N 37.6173E";

/// Wider than high, red on the left and blue on the right.
fn picture() -> DynamicImage {
    RgbaImage::from_fn(
        64,
        32,
        |x, _| {
            if x < 32 { Rgba([255, 0, 0, 255]) } else { Rgba([0, 0, 255, 255]) }
        },
    )
    .into()
}

fn encoded(format: ImageFormat) -> Bytes {
    let mut bytes = Vec::new();
    let image = picture();
    let image = if format == ImageFormat::Jpeg { image.to_rgb8().into() } else { image };
    image.write_to(&mut Cursor::new(&mut bytes), format).expect("an encoder");
    bytes.into()
}

/// A TIFF header with an orientation, and text behind it (EXIF 2.32, section 4.6).
fn exif(orientation: u8) -> Bytes {
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend_from_slice(&[orientation, 0, 0, 0, 0, 0, 0, 0]);
    exif.extend_from_slice(SECRET);
    exif.into()
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

fn jpeg_with(orientation: u8) -> Bytes {
    let mut jpeg = img_parts::jpeg::Jpeg::from_bytes(encoded(ImageFormat::Jpeg)).expect("a JPEG");
    jpeg.set_exif(Some(exif(orientation)));
    jpeg.set_icc_profile(Some(Bytes::from_static(b"a profile")));
    let comment = img_parts::jpeg::JpegSegment::new_with_contents(
        img_parts::jpeg::markers::COM,
        Bytes::from_static(SECRET),
    );
    jpeg.segments_mut().insert(1, comment);
    let bytes = jpeg.encoder().bytes();
    assert!(holds(&bytes, SECRET));
    bytes
}

#[test]
fn an_upright_photo_keeps_its_pixels_and_loses_its_metadata() {
    let original = jpeg_with(1);
    let kept = prepare("image/jpeg", original.clone(), MAX_PIXELS).expect("prepared");
    assert!(!holds(&kept.bytes, SECRET));
    assert!(holds(&kept.bytes, b"a profile"), "colours stay right");
    assert_eq!(kept.size, Some((64, 32)));
    let pixels = |bytes: &[u8]| image::load_from_memory(bytes).expect("decodes").to_rgb8();
    assert_eq!(pixels(&kept.bytes), pixels(&original), "not encoded anew");
}

#[test]
fn a_photo_that_lies_on_its_side_is_turned() {
    // 6: the camera was turned; a reader turns the picture clockwise.
    let kept = prepare("image/jpeg", jpeg_with(6), MAX_PIXELS).expect("prepared");
    assert_eq!(kept.size, Some((32, 64)));
    assert!(!holds(&kept.bytes, SECRET));
    let image = image::load_from_memory(&kept.bytes).expect("decodes");
    let [red, _, blue, _] = image.get_pixel(16, 8).0;
    assert!(red > 200 && blue < 60, "what was left is above: {red} {blue}");
    let thumbnail = image::load_from_memory(&kept.thumbnail.expect("made")).expect("decodes");
    assert_eq!(thumbnail.dimensions(), (32, 64));
}

#[test]
fn texts_in_a_png_go() {
    let mut png = img_parts::png::Png::from_bytes(encoded(ImageFormat::Png)).expect("a PNG");
    for kind in [*b"tEXt", *b"iTXt", *b"zTXt"] {
        let chunk = img_parts::png::PngChunk::new(kind, Bytes::from_static(SECRET));
        png.chunks_mut().insert(1, chunk);
    }
    png.set_exif(Some(exif(1)));
    let kept = prepare("image/png", png.encoder().bytes(), MAX_PIXELS).expect("prepared");
    assert!(!holds(&kept.bytes, SECRET));
    let image = image::load_from_memory(&kept.bytes).expect("decodes");
    assert_eq!(image.to_rgba8(), picture().to_rgba8());
}

#[test]
fn metadata_in_a_webp_goes_and_its_flags_too() {
    let mut webp = img_parts::webp::WebP::from_bytes(encoded(ImageFormat::WebP)).expect("a WebP");
    webp.set_exif(Some(exif(1)));
    let bytes = webp.encoder().bytes();
    assert!(holds(&bytes, SECRET));
    let kept = prepare("image/webp", bytes, MAX_PIXELS).expect("prepared");
    assert!(!holds(&kept.bytes, SECRET));
    let again = img_parts::webp::WebP::from_bytes(kept.bytes.clone()).expect("a WebP");
    assert!(again.exif().is_none());
    image::load_from_memory(&kept.bytes).expect("decodes");
}

#[test]
fn comments_in_a_gif_go() {
    let plain = encoded(ImageFormat::Gif);
    let mut bytes = plain[..plain.len() - 1].to_vec();
    bytes.extend_from_slice(&[EXTENSION_INTRODUCER, 0xfe, SECRET.len() as u8]);
    bytes.extend_from_slice(SECRET);
    bytes.extend_from_slice(&[0, 0x3b]);
    bytes.extend_from_slice(SECRET);
    let kept = prepare("image/gif", bytes.into(), MAX_PIXELS).expect("prepared");
    assert!(!holds(&kept.bytes, SECRET));
    image::load_from_memory(&kept.bytes).expect("decodes");
}

const EXTENSION_INTRODUCER: u8 = 0x21;

#[test]
fn a_picture_of_too_many_pixels_is_cleaned_without_decoding() {
    let kept = prepare("image/jpeg", jpeg_with(6), 100).expect("prepared");
    assert!(kept.size.is_none() && kept.thumbnail.is_none());
    assert!(!holds(&kept.bytes, SECRET));
}

#[test]
fn a_thumbnail_is_small_and_has_a_white_ground() {
    let clear = RgbaImage::from_pixel(2000, 1000, Rgba([0, 0, 0, 0]));
    let mut bytes = Vec::new();
    image::codecs::png::PngEncoder::new(&mut bytes)
        .write_image(&clear, 2000, 1000, ExtendedColorType::Rgba8)
        .expect("an encoder");
    let kept = prepare("image/png", bytes.into(), 2_000_000).expect("prepared");
    let thumbnail = image::load_from_memory(&kept.thumbnail.expect("made")).expect("decodes");
    assert_eq!(thumbnail.dimensions(), (640, 320));
    assert!(thumbnail.get_pixel(5, 5).0[0] > 250);
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(
        format in 0..4_usize, cut in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let (media_type, format) = [
            ("image/jpeg", ImageFormat::Jpeg), ("image/png", ImageFormat::Png),
            ("image/webp", ImageFormat::WebP), ("image/gif", ImageFormat::Gif),
        ][format];
        let mut bytes = encoded(format).to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes.truncate(cut.index(bytes.len()) + 1);
        let _ = prepare(media_type, bytes.into(), MAX_PIXELS);
    }
}
