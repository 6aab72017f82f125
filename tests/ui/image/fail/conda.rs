use image_runtime::{Image, image};

const TOOLS: Image = image!(debian_slim().apt_install("git"));

const NO_CONDA: Image = image!(debian_slim().micromamba_install("numpy=1.26"));
const OF_OTHERS: Image = image!(from_registry("alpine:3.20").micromamba_install("numpy"));
const EXTENDED: Image = image!(TOOLS.micromamba_install("numpy"));
const SPECS: Image = image!(micromamba().micromamba_install("num py!", "numpy=", "numpy[version", "numpy==1.26"));
const NOTHING: Image = image!(micromamba().micromamba_install());
const NO_CHANNELS: Image = image!(micromamba().micromamba_install("numpy", channels = []));
const CHANNELS: Image = image!(micromamba().micromamba_install("numpy", channels = ["ftp://a/b", "defaults", "a b"]));
const NO_LIST: Image = image!(micromamba().micromamba_install("numpy", channels = "conda-forge"));
const KEYWORD: Image = image!(micromamba().micromamba_install("numpy", channel = ["conda-forge"]));
const NO_FILE: Image = image!(micromamba().micromamba_install(spec_file = "no/such.yml"));
const SERIES: Image = image!(micromamba(python_version = "3.9", builder_version = "2025.6"));
const A_NUMBER: Image = image!(micromamba(python_version = 3.10));

fn main() {}
