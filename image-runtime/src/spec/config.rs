//! What images say of themselves.

/// What an image from a registry says of its own environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ImageConfig {
    /// Environment, in order.
    pub env: Vec<(String, String)>,
    /// Working directory; empty where the image names none.
    pub workdir: String,
    /// User; empty where the image names none.
    pub user: String,
    /// What is started, before the command; empty where the image names none.
    pub entrypoint: Vec<String>,
    /// The command, or the arguments of the entrypoint; empty where the image names none.
    pub cmd: Vec<String>,
    /// What the lines of `RUN` are handed to; empty where the image names none.
    pub shell: Vec<String>,
}
