//! Why a call gave no result: what expansions answer, workers send and callers tell.

use serde::{Deserialize, Serialize};

/// Why a call gave no result, as the worker tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// The function returned an error: its text and those of its causes, outermost first.
    Returned {
        /// The chain of texts.
        chain: Vec<String>,
    },
    /// The function panicked.
    Panicked {
        /// The message.
        message: String,
        /// `file:line:column`
        place: String,
        /// The backtrace, as std writes it.
        backtrace: String,
    },
    /// The arguments could not be decoded or the result not encoded.
    Encoding {
        /// What is wrong.
        reason: String,
    },
    /// The container lacks what the function needs.
    Unable {
        /// What is missing.
        reason: String,
    },
    /// This program has no function of that name.
    UnknownFunction {
        /// The name.
        name: String,
    },
}
