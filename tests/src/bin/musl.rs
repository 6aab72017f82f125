//! A program with images without glibc: one is pushed, the others start from that and are given a Python of the mirror. Its body
//! makes such a Python where it is told to.

use std::collections::BTreeMap;

use image_runtime::{Image, app, image};

const BUSYBOX: Image = image!(from_dockerfile("cli/data/musl.Dockerfile"));

/// A small CPython that runs with musl: what pip and numpy need, and no more.
const CPYTHON: Image = image!(
    debian_slim()
        .apt_install("bzip2", "gcc", "libc6-dev", "make", "musl-tools", "xz-utils")
        .run_commands(
            "sed -i 's/^Types: deb$/Types: deb deb-src/' /etc/apt/sources.list.d/*.sources && apt-get update
             mkdir /src && cd /src && apt-get source --tar-only --download-only zlib python3.11 && rm -rf /var/lib/apt/lists/*",
            "set -e; cd /src; mkdir zlib python
             tar -xf zlib_*.orig.tar.* -C zlib --strip-components=1
             tar -xf python3.11_*.orig.tar.* -C python --strip-components=1
             cd zlib; CC=musl-gcc CFLAGS='-O1 -fPIC' ./configure --static --prefix=/opt/zlib; make -j2 install",
            // The compiler below it would say that it makes programs for glibc.
            "set -e; cd /src/python
             printf '#!/bin/sh\\ncase $1 in *-print-multiarch) ;; *) exec musl-gcc \"$@\" ;; esac\\n' > /usr/local/bin/musl-cc
             chmod +x /usr/local/bin/musl-cc
             ./configure --build=$(uname -m)-linux-musl --prefix=/install --without-ensurepip --disable-test-modules \\
                 CC=musl-cc OPT='-O1' CPPFLAGS=-I/opt/zlib/include LDFLAGS=-L/opt/zlib/lib
             make -j2 install
             rm -rf /src",
        )
);

const ADDED: Image = image!(
    from_registry("127.83.21.8:42572/team/busybox:1", add_python = "3.11").pip_install(
        "six==1.17.0",
        "markupsafe==3.0.2",
        "numpy==1.26.4"
    )
);

#[app::function(image = CPYTHON, timeout = "30m")]
fn archive() -> anyhow::Result<Vec<u8>> {
    let packed = std::process::Command::new("tar")
        .args(["-czf", "-", "--exclude=__pycache__", "--exclude=test"])
        .args(["--transform=s,^install,python,", "-C", "/", "install"])
        .output()?;
    anyhow::ensure!(packed.status.success(), "{packed:?}");
    Ok(packed.stdout)
}

#[app::function(image = BUSYBOX)]
fn has_glibc() -> bool {
    std::path::Path::new("/lib64").exists()
}

#[app::python(image = ADDED, file = "cli/data/musl.py")]
fn described(numbers: Vec<f64>) -> anyhow::Result<BTreeMap<String, String>>;

#[app::main]
async fn main() -> anyhow::Result<()> {
    let path = std::env::var("IMAGE_TESTS_ARCHIVE")?;
    std::fs::write(path, archive::remote().await?)?;
    Ok(())
}
