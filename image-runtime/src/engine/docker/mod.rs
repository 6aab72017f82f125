//! The engine of a Docker or Podman daemon.
