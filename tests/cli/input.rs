//! Bad input: each is a clear error, and nothing is left running.
