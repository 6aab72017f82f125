//! Containers in this process, without a daemon.

mod seccomp;
