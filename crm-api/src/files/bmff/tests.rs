use proptest::prelude::*;

use super::*;

const SECRET: &[u8] = b"+55.7558+037.6173/";

fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len() + 8).expect("small");
    [&size.to_be_bytes(), kind.as_slice(), content].concat()
}

fn full(kind: &[u8; 4], version: u8, content: &[u8]) -> Vec<u8> {
    boxed(kind, &[&[version, 0, 0, 0], content].concat())
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

fn movie() -> Vec<u8> {
    let place = boxed(b"\xa9xyz", SECRET);
    let track = boxed(b"trak", &[boxed(b"tkhd", b"kept"), boxed(b"udta", SECRET)].concat());
    let apple = full(b"meta", 0, SECRET);
    let moov = [boxed(b"mvhd", b"kept"), track, boxed(b"udta", &place), apple].concat();
    [boxed(b"ftyp", b"isom"), boxed(b"moov", &moov), boxed(b"mdat", b"pictures")].concat()
}

/// `construction` 0: the EXIF lies behind all boxes; 1: in `idat`.
fn heif(construction: u8) -> Vec<u8> {
    let exif = [b"\0\0\0\0II*\0\x08\0\0\0\0\0\0\0\0\0".as_slice(), SECRET].concat();
    let info = |id: u8, kind: &[u8]| full(b"infe", 2, &[&[0, id, 0, 0], kind, b"\0"].concat());
    let infos = [&[0, 2], info(1, b"hvc1").as_slice(), &info(2, b"Exif")].concat();
    let length = u32::try_from(exif.len()).expect("small").to_be_bytes();
    let meta = |offset: u32| {
        let place = [&[0, 2, 0, construction, 0, 0, 0, 1], &offset.to_be_bytes()[..], &length];
        let locations = [&[0x44, 0, 0, 1][..], &place.concat()].concat();
        let mut content = [full(b"iinf", 0, &infos), full(b"iloc", 1, &locations)].concat();
        if construction == 1 {
            content.extend(boxed(b"idat", &exif));
        }
        full(b"meta", 0, &content)
    };
    let head = boxed(b"ftyp", b"heic");
    let behind = u32::try_from(head.len() + meta(0).len() + 8).expect("small");
    let offset = if construction == 1 { 0 } else { behind };
    [head, meta(offset), boxed(b"mdat", &[exif.as_slice(), b"pictures"].concat())].concat()
}

#[test]
fn a_film_loses_its_place_and_nothing_moves() {
    let original = movie();
    let mut file = original.clone();
    blank("video/mp4", &mut file).expect("readable");
    assert!(!holds(&file, SECRET));
    assert_eq!(file.len(), original.len());
    assert!(holds(&file, b"tkhdkept") && holds(&file, b"mvhdkept"));
    assert!(file.ends_with(b"mdatpictures"));
}

#[test]
fn a_heif_picture_loses_its_exif() {
    let mut file = heif(0);
    assert!(holds(&file, SECRET));
    blank(HEIF, &mut file).expect("readable");
    assert!(!holds(&file, SECRET));
    assert!(file.ends_with(b"pictures"));

    let mut inner = heif(1);
    blank(HEIF, &mut inner).expect("readable");
    let start = inner.windows(4).position(|kind| kind == b"mdat").expect("there");
    assert!(!holds(&inner[..start], SECRET), "the item that is described, in idat");
}

#[test]
fn boxes_that_do_not_fit_are_refused() {
    let mut file = movie();
    file[3] = 4;
    assert!(blank("video/mp4", &mut file).is_err(), "smaller than its own header");
    let mut file = movie();
    let end = file.len() - 1;
    assert!(blank("video/mp4", &mut file[..end]).is_err(), "beyond the end");
    let mut deep = boxed(b"trak", b"");
    for _ in 0..20 {
        deep = boxed(b"trak", &deep);
    }
    assert!(blank("video/mp4", &mut deep).is_err(), "without end");
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(
        which in 0..3_usize, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let (media_type, mut file) =
            [("video/mp4", movie()), (HEIF, heif(0)), (HEIF, heif(1))][which].clone();
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        let length = file.len();
        let _ = blank(media_type, &mut file);
        prop_assert_eq!(file.len(), length);
    }
}
