//! The same configuration, run by runc and by our sandbox: what a program sees must be the same. These are the cases of the
//! runtime specification's validation (`runtime-tools`) that apply. Where ours is tighter, the test says how.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod as_runc;
mod bundle;
