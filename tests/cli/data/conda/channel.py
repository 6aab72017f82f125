# Makes a channel of conda: real packages of both formats, one of them the Python that runs this, as Debian has it.
import bz2
import glob
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile

OUT = sys.argv[1]
NATIVE = "linux-64" if os.uname().machine == "x86_64" else "linux-aarch64"
PLACEHOLDER = "/opt/placeholder_placeholder_placeholder"
REPODATA = {subdir: {"packages": {}, "packages.conda": {}} for subdir in ("noarch", NATIVE)}


def tar(entries):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path, (data, mode) in entries.items():
            info = tarfile.TarInfo(path)
            info.mode = mode
            if isinstance(data, str):
                info.type, info.linkname = tarfile.SYMTYPE, data
                archive.addfile(info)
            else:
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


def package(name, version, files, depends=(), noarch=None, conda=True):
    subdir = "noarch" if noarch else NATIVE
    index = {"name": name, "version": version, "build": "0", "build_number": 0, "depends": list(depends)}
    index |= {"subdir": subdir, "license": "MIT"} | ({"noarch": noarch} if noarch else {})
    paths = []
    for path, (data, _) in files.items():
        content = b"" if isinstance(data, str) else data
        entry = {"_path": path, "path_type": "softlink" if isinstance(data, str) else "hardlink"}
        entry |= {"sha256": hashlib.sha256(content).hexdigest(), "size_in_bytes": len(content)}
        if PLACEHOLDER.encode() in content:
            entry |= {"prefix_placeholder": PLACEHOLDER, "file_mode": "text"}
        paths.append(entry)
    texts = {"info/index.json": index, "info/paths.json": {"paths": paths, "paths_version": 1}}
    if noarch == "python":
        texts["info/link.json"] = {"noarch": {"type": "python", "entry_points": [f"{name} = {name}:main"]}}
        texts["info/link.json"]["package_metadata_version"] = 1
    info = {path: (json.dumps(text).encode(), 0o644) for path, text in texts.items()}
    stem = f"{name}-{version}-0"
    if conda:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("metadata.json", '{"conda_pkg_format_version": 2}')
            archive.writestr(f"pkg-{stem}.tar.zst", zstd(tar(files)))
            archive.writestr(f"info-{stem}.tar.zst", zstd(tar(info)))
        data, file, kind = packed.getvalue(), f"{stem}.conda", "packages.conda"
    else:
        data, file, kind = bz2.compress(tar(info | files)), f"{stem}.tar.bz2", "packages"
    os.makedirs(f"{OUT}/{subdir}", exist_ok=True)
    with open(f"{OUT}/{subdir}/{file}", "wb") as to:
        to.write(data)
    hashes = {"md5": hashlib.md5(data).hexdigest(), "sha256": hashlib.sha256(data).hexdigest()}
    REPODATA[subdir][kind][file] = index | hashes | {"size": len(data)}


def python():
    """Debian's CPython, which looks for its packages where upstream does."""
    library = os.path.dirname(os.__file__)
    series = os.path.basename(library)
    with open(f"/usr/bin/{series}", "rb") as program:
        files = {f"bin/{series}": (program.read(), 0o755)}
    files |= {f"bin/{name}": (series, 0o777) for name in ("python", "python3")}
    for path in sorted(glob.glob(f"{library}/**/*", recursive=True)):
        if not os.path.isfile(path) or "__pycache__" in path or "/test/" in path or "config-" in path:
            continue
        with open(path, "rb") as file:
            data = file.read()
        if path.endswith("/sysconfig.py"):
            data = data.replace(b"dist-packages", b"site-packages").replace(b"/local", b"")
        files[f"lib/{series}{path[len(library):]}"] = (data, os.stat(path).st_mode & 0o777)
    # Debian's `site` is compiled in, and looks elsewhere.
    custom = f"import site, sys\nsite.addsitedir(sys.prefix + '/lib/{series}/site-packages')\n"
    files[f"lib/{series}/sitecustomize.py"] = (custom.encode(), 0o644)
    files[f"lib/{series}/site-packages/README"] = (b"", 0o644)
    return files


package("python", sys.version.split()[0], python())
words = f"#!/bin/sh\necho {{}} {PLACEHOLDER}/share\n"
for version in ("1.0", "2.0"):
    package("words", version, {"bin/words": (words.format(version).encode(), 0o755)})
main = b"import sys\ndef main():\n    print('greetings from', sys.prefix)\n"
greet = {"site-packages/greet.py": (main, 0o644)}
package("greet", "1.0", greet, ["python >=3.8", "words"], noarch="python", conda=False)
package("old", "1.0", {"share/old": (b"old", 0o644)}, ["words <2"], conda=False)
package("new", "1.0", {"share/new": (b"new", 0o644)}, ["words >=2"])
for subdir, packages in REPODATA.items():
    with open(f"{OUT}/{subdir}/repodata.json", "w") as to:
        json.dump({"info": {"subdir": subdir}, "repodata_version": 1} | packages, to)
