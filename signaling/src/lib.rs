//! The front door: WebSocket sessions, the call state machine, room placement.
