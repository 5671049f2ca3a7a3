//! The media relay's shell: one worker thread per core, its sockets, its clock.
