"""Writes the image of Albedo, with neither a registry nor a daemon: image.py --output FOLDER PROGRAM…

One PROGRAM for each platform; its ELF header says which. FOLDER gets `oci`, an OCI image layout, and `albedo.tar`, the same as
an archive. The same programs, Debian packages and Python give the same bytes: names are sorted, times are zero, and the one date is
that of SOURCE_DATE_EPOCH (seconds). Only the standard library is used, so whatever builds Albedo can run it.

Formats: https://github.com/opencontainers/image-spec (layout, index, manifest, config, layer).
"""

import argparse
import dataclasses
import datetime
import gzip
import hashlib
import io
import json
import os
import pathlib
import shutil
import sys
import tarfile
import tomllib

import elf
import rootfs
from rootfs import Failure, File

ROOT = pathlib.Path(__file__).resolve().parents[2]
TYPE = "application/vnd.oci.image."
USER = "65532:65532"
NOTICES = "usr/share/doc/albedo/NOTICES"


@dataclasses.dataclass(frozen=True)
class Build:
    """What is the same on all platforms."""

    version: str
    revision: str
    created: str
    notices: bytes | None

    def labels(self) -> dict[str, str]:
        """https://github.com/opencontainers/image-spec/blob/main/annotations.md"""
        named = {
            "created": self.created,
            "description": "AWS Application Load Balancer ingress controller for Kubernetes",
            "licenses": "Apache-2.0",
            "revision": self.revision,
            "title": "albedo",
            "version": self.version,
        }
        return {f"org.opencontainers.image.{name}": value for name, value in named.items()}


class Layout:
    """An OCI image layout in a new folder."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "blobs/sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def put(self, kind: str, data: bytes) -> dict:
        """Stores a blob; its descriptor."""
        digest = hashlib.sha256(data).hexdigest()
        (self.folder / "blobs/sha256" / digest).write_bytes(data)
        return {"mediaType": TYPE + kind, "digest": f"sha256:{digest}", "size": len(data)}

    def finish(self, descriptor: dict) -> None:
        (self.folder / "index.json").write_bytes(encoded({"schemaVersion": 2, "mediaType": f"{TYPE}index.v1+json", "manifests": [descriptor]}))


def encoded(value: dict) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def archive(files: list[File]) -> bytes:
    """A tar archive of files and the folders that they are in, all owned by root."""
    folders = {str(parent) for file in files for parent in pathlib.PurePosixPath(file.path).parents} - {"."}
    entries: dict[str, File | None] = dict.fromkeys(folders)
    entries |= {file.path: file for file in files}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, file in sorted(entries.items()):
            entry = tarfile.TarInfo(path)
            if file is None:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(entry)
            else:
                entry.size, entry.mode = len(file.data), 0o755 if file.executable else 0o644
                tar.addfile(entry, io.BytesIO(file.data))
    return out.getvalue()


def manifest(layout: Layout, build: Build, program: pathlib.Path) -> dict:
    """Stores the image of one platform; the descriptor of its manifest."""
    own = [File("albedo", program.read_bytes(), executable=True)]
    own += [File(NOTICES, build.notices)] if build.notices else []
    # The layer that changes with each version is the last one.
    archives = [archive(rootfs.system(program)), archive(own)]
    layers = [layout.put("layer.v1.tar+gzip", gzip.compress(data, compresslevel=6, mtime=0)) for data in archives]
    platform = {"architecture": rootfs.machine_of(program).architecture, "os": "linux"}
    run = {
        "User": USER,
        "Env": ["PATH=/", f"SSL_CERT_FILE=/{rootfs.BUNDLE}"],
        "Entrypoint": ["/albedo"],
        "WorkingDir": "/",
        "Labels": build.labels(),
    }
    differences = [f"sha256:{hashlib.sha256(data).hexdigest()}" for data in archives]
    config = platform | {"created": build.created, "config": run, "rootfs": {"type": "layers", "diff_ids": differences}}
    body = {
        "schemaVersion": 2,
        "mediaType": f"{TYPE}manifest.v1+json",
        "config": layout.put("config.v1+json", encoded(config)),
        "layers": layers,
        "annotations": build.labels(),
    }
    return layout.put("manifest.v1+json", encoded(body)) | {"platform": platform}


def write(folder: pathlib.Path, build: Build, programs: list[pathlib.Path]) -> None:
    layout = Layout(folder / "oci")
    manifests = [manifest(layout, build, program) for program in programs]
    architectures = [one["platform"]["architecture"] for one in manifests]
    if len(set(architectures)) < len(architectures):
        raise Failure(f"the programs are for {', '.join(architectures)}; give one for each platform")
    index = {"schemaVersion": 2, "mediaType": f"{TYPE}index.v1+json", "manifests": manifests, "annotations": build.labels()}
    name = {"org.opencontainers.image.ref.name": build.version}
    layout.finish(layout.put("index.v1+json", encoded(index)) | {"annotations": name})
    paths = [path for path in layout.folder.rglob("*") if path.is_file()]
    files = [File(str(path.relative_to(layout.folder)), path.read_bytes()) for path in paths]
    (folder / "albedo.tar").write_bytes(archive(files))


def main() -> None:
    parser = argparse.ArgumentParser(prog="image.py", description="Writes an OCI image of Albedo.")
    parser.add_argument("programs", metavar="PROGRAM", nargs="+", type=pathlib.Path, help="an albedo binary; one for each platform")
    parser.add_argument("--output", required=True, type=pathlib.Path, help="the folder for `oci` and `albedo.tar`")
    parser.add_argument("--revision", default="unknown", help="the commit, for the labels")
    parser.add_argument("--notices", type=pathlib.Path, help=f"licence texts of the dependencies, becomes /{NOTICES}")
    given = parser.parse_args()
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or "0"
    if not epoch.isdecimal():
        raise Failure(f"SOURCE_DATE_EPOCH: `{epoch}` is no number of seconds; set it to one, such as the output of git log -1 --format=%ct")
    created = datetime.datetime.fromtimestamp(int(epoch), datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    notices = given.notices and given.notices.read_bytes()
    write(given.output, Build(version, given.revision, created, notices), given.programs)
    print(given.output / "oci", given.output / "albedo.tar", sep="\n")


if __name__ == "__main__":
    try:
        main()
    except (Failure, elf.NotElf, OSError) as error:
        sys.exit(f"image: {error}")
