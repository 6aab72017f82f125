"""Makes wheels: a package index with `sample`, one with `more`, and a directory with `loose`, which needs what is nowhere."""

import os
import zipfile


def wheel(folder, name, version, requires=""):
    os.makedirs(folder, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(f"{folder}/{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", "")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")


for version in ["1.0", "2.0rc1"]:
    wheel("index/sample", "sample", version)
wheel("extra/more", "more", "1.0")
for folder in ["index/sample", "extra/more"]:
    wheels = os.listdir(folder)
    with open(f"{folder}/index.html", "w") as page:
        for name in wheels:
            page.write(f'<a href="{name}">{name}</a>')
wheel("loose", "loose", "1.0", "Requires-Dist: missing\n")
