//! The wire, as it is written: a golden example of every frame.

mod client_frames;
mod server_frames;

use serde_json::{Map, Value};
use uuid::Uuid;

/// Ids of the examples: readable, and the same every time.
fn id<T: From<Uuid>>(n: u128) -> T {
    T::from(Uuid::from_u128(n))
}

/// Examples under their frame's type, in the order of the types.
fn by_type<T: serde::Serialize>(frames: &[T]) -> Map<String, Value> {
    let mut map = Map::new();
    for frame in frames {
        let value = serde_json::to_value(frame).expect("frames are JSON");
        let kind = value["type"].as_str().expect("frames have a type").to_owned();
        assert!(map.insert(kind.clone(), value["data"].clone()).is_none(), "{kind} twice");
    }
    map
}
