# Runs in the image of the tool: makes a directory of this Python and py-rattler, which runs in any container of the same
# architecture by its own loader.
import glob
import os
import re
import shutil
import subprocess
import sys
import sysconfig

import rattler

target = sys.argv[1]
new = target + ".new"
shutil.rmtree(new, ignore_errors=True)
stdlib = f"{new}/lib/python{sys.version_info.major}.{sys.version_info.minor}"
left_out = shutil.ignore_patterns("__pycache__", "site-packages", "dist-packages", "test", "config-*")
shutil.copytree(sysconfig.get_path("stdlib"), stdlib, ignore=left_out, ignore_dangling_symlinks=True)
shutil.copytree(os.path.dirname(rattler.__file__), f"{new}/site/rattler", ignore=left_out)
os.makedirs(f"{new}/bin")
shutil.copy(os.path.realpath(sys.executable), f"{new}/bin/python")
os.makedirs(f"{new}/libs")
programs = [f"{new}/bin/python", *glob.glob(f"{new}/**/*.so", recursive=True)]
listed = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
for library in sorted(set(re.findall(r"(/\S+) \(0x", listed))):
    name = os.path.basename(library)
    shutil.copy(library, f"{new}/libs/{name}")
    if name.startswith("ld-linux"):
        os.symlink(name, f"{new}/libs/loader")
os.rename(new, target)
