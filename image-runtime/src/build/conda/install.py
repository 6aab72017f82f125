# Runs by the tool's own Python in a build container: solves what a step asks for together with what is installed, and installs it.
import asyncio
import json
import os
import re
import sys
from pathlib import Path

# What this starts, scripts of packages among them, has another Python.
for name in ("PYTHONHOME", "PYTHONPATH"):
    os.environ.pop(name, None)

from rattler import (
    Channel,
    ChannelPriority,
    Gateway,
    MatchSpec,
    PrefixRecord,
    Subdir,
    VirtualPackage,
    VirtualPackageOverrides,
    install,
    solve,
)
from rattler.exceptions import SolverError


def name_of(spec):
    return re.split(r"[ =<>!~]", spec.partition("[")[0].rsplit("::", 1)[-1], maxsplit=1)[0].lower()


def clean(prefix, channels):
    """Takes out of the records where a package lay on its way, which differs from build to build."""
    for path in prefix.glob("conda-meta/*.json"):
        text = path.read_text()
        record = json.loads(text)
        for field in ("extracted_package_dir", "package_tarball_full_path", "link"):
            record.pop(field, None)
        for channel in channels:
            found = channel["from"].rstrip("/")
            for field in ("url", "channel"):
                value = record.get(field) or ""
                # Channel 1 is not where channel 10 is.
                if value == found or value.startswith(f"{found}/"):
                    record[field] = channel["name"] + value[len(found) :]
        cleaned = json.dumps(record, indent=2, sort_keys=True)
        if cleaned != text:
            path.write_text(cleaned)
    # Tools ask whether it is there; its lines would say when.
    (prefix / "conda-meta/history").write_text("")


async def locked(asked, channels, gateway, installed):
    """What is installed, with exactly what the lock says that this step brings: by file name and hash."""
    wanted = {}
    for entry in asked["locked"]:
        url, _, is_hash = entry.partition("#")
        wanted[url.rsplit("/", 1)[-1]] = is_hash
    names = sorted({file.rsplit("-", 2)[0] for file in wanted})
    offered = await gateway.query(channels, [Subdir.current(), "noarch"], names, recursive=False) if names else []
    found = {}
    for record in (record for records in offered for record in records):
        kind, _, value = wanted.get(record.file_name, "").partition("=")
        has = record.sha256 if kind == "sha256" else record.md5 if kind == "md5" else None
        if has is not None and has.hex() == value:
            found.setdefault(record.file_name, record)
    missing = sorted(wanted.keys() - found.keys())
    if missing:
        raise LookupError(f"no channel has what is locked any more: {', '.join(missing)}")
    replaced = {record.name.normalized for record in found.values()} | set(asked["removed"])
    stays = [record for record in installed if record.name.normalized not in replaced]
    return [*stays, *found.values()]


async def main():
    asked = json.loads(sys.argv[1])
    prefix, cache = Path(asked["prefix"]), Path(asked["cache"])
    installed = [PrefixRecord.from_path(path) for path in sorted(prefix.glob("conda-meta/*.json"))]
    new = {name_of(spec) for spec in asked["specs"]}
    earlier = {spec for record in installed for spec in record.requested_specs}
    kept.extend(sorted(spec for spec in earlier if name_of(spec) not in new))
    specs = [MatchSpec(spec) for spec in [*asked["specs"], *kept]]
    channels = [Channel(channel["from"]) for channel in asked["channels"]]
    gateway = Gateway(cache_dir=cache / "repodata")
    virtual = VirtualPackage.detect(overrides=VirtualPackageOverrides.from_env())
    if asked["locked"] is None:
        records = await solve(
            channels,
            specs,
            gateway=gateway,
            locked_packages=installed,
            virtual_packages=virtual,
            channel_priority=ChannelPriority.Strict,
        )
    else:
        records = await locked(asked, channels, gateway, installed)
    there = {(record.name.normalized, str(record.version), record.build) for record in installed}
    for record in sorted(records, key=lambda record: record.name.normalized):
        if (record.name.normalized, str(record.version), record.build) not in there:
            print(f"+ {record.name.normalized} {record.version} {record.build}", flush=True)
    await install(
        records,
        target_prefix=prefix,
        cache_dir=cache / "pkgs",
        installed_packages=installed,
        execute_link_scripts=True,
        show_progress=False,
        # This release hands them on as they are.
        requested_specs=[spec._match_spec for spec in specs],
    )
    clean(prefix, asked["channels"])


code = 0
# What earlier steps asked for, and still holds.
kept = []
try:
    asyncio.run(main())
except SolverError as error:
    code = f"these packages cannot be installed together:\n{error}"
    if kept:
        code += f"\nearlier steps asked for: {', '.join(kept)}"
except Exception as error:
    code = f"{type(error).__name__}: {error}"
if code:
    print(code, file=sys.stderr)
sys.stdout.flush()
sys.stderr.flush()
# Threads of the tool do not survive the end of an interpreter.
os._exit(1 if code else 0)
