//! REST: identity, consultations, callbacks, clients, operators, files.
