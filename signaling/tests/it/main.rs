//! The gateway on a real socket, with a real database and bus.

mod calls;
mod chat;
mod client;
mod fuzz;
mod groups;
mod hello;
mod house;
mod lifecycle;
mod limits;
mod moves;
mod presence;
mod relay;
mod streams;
