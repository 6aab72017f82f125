use image_runtime::{Image, image};

const EMPTY: Image = image!(from_registry(""));
const SCHEME: Image = image!(from_registry("https://ghcr.io/x/y"));
const UPPER_CASE: Image = image!(from_registry("ghcr.io/Owner/Name:Tag"));
const UPPER_CASE_ALL: Image = image!(from_registry("Nvidia/CUDA:12"));
const SPACE: Image = image!(from_registry("alpine 3.20"));
const BAD_PART: Image = image!(from_registry("a//b"));
const BAD_TAG: Image = image!(from_registry("alpine:"));
const BAD_REGISTRY: Image = image!(from_registry("host:port/x"));
const SHORT_DIGEST: Image = image!(from_registry("alpine@sha256:123"));
const NO_ALGORITHM: Image = image!(from_registry("alpine@latest"));
const TWO_WORDS: Image = image!(from_registry("a b"));

fn main() {}
