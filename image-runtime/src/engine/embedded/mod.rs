//! The engine in this process, without a daemon.

mod cgroup;
