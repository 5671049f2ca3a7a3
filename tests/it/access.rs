//! The running program under attack: by a stranger, a patient, an operator who
//! looks further than they may. One house for all attacks, since a cold start
//! costs more than any of them; each is a task of its own, so that one which finds
//! something does not hide the others.

mod calls;
mod files;
mod inputs;
mod objects;
mod realtime;
mod rights;
mod sign_in;
mod sockets;
mod tokens;
mod traces;
mod world;

use std::pin::Pin;
use std::sync::Arc;

use world::World;

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;
type Attack = (&'static str, fn(Arc<World>) -> Running);

#[tokio::test(flavor = "multi_thread")]
async fn attacks_get_nothing() {
    let world = Arc::new(World::open().await);
    let attacks: [Attack; 11] = [
        ("tokens", |world| Box::pin(tokens::attack(world))),
        ("others' objects", |world| Box::pin(objects::attack(world))),
        ("realtime frames", |world| Box::pin(realtime::attack(world))),
        ("calls", |world| Box::pin(calls::attack(world))),
        ("rights over time", |world| Box::pin(rights::attack(world))),
        ("files", |world| Box::pin(files::attack(world))),
        ("inputs", |world| Box::pin(inputs::attack(world))),
        ("sockets", |world| Box::pin(sockets::attack(world))),
        ("headers and audit", |world| Box::pin(traces::attack(world))),
        ("sign-in", |world| Box::pin(sign_in::attack(world))),
        // Last: it uses up this address's rate limits.
        ("rate limits", |world| Box::pin(sign_in::exhaust(world))),
    ];
    let mut succeeded = Vec::new();
    for (name, attack) in attacks {
        if tokio::spawn(attack(Arc::clone(&world))).await.is_err() {
            succeeded.push(name);
        }
    }
    assert!(succeeded.is_empty(), "attacks that found something: {succeeded:?}");

    let world = Arc::into_inner(world).expect("every attack has ended");
    traces::nothing_of_the_patients_is_in_the_log(world).await;
}
