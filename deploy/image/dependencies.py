"""What Albedo is built from: dependencies.py sbom|notices prints a CycloneDX bill of materials (JSON), or the licence texts.

Both come from `cargo metadata` for the platforms of the image. Crates that are linked into the program are apart from those that only
build it (build scripts, procedural macros and what these need). Features are those of the whole workspace, so a few crates that only tests
switch on may be listed too; none is missing. The same Cargo.lock gives the same bytes; the one date is that of SOURCE_DATE_EPOCH (seconds).

Formats: https://cyclonedx.org/docs/1.6/json, https://github.com/package-url/purl-spec.
"""

import collections
import dataclasses
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tomllib
import urllib.parse
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLATFORMS = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu")
TEXTS = ("license", "licence", "copying", "copyright", "notice", "unlicense")
LINE = "=" * 100


@dataclasses.dataclass
class Crate:
    package: dict  # as cargo tells it
    linked: bool = False  # into the program; otherwise it only builds it
    needs: set[str] = dataclasses.field(default_factory=set)  # ids

    @property
    def named(self) -> str:
        return f"{self.package['name']} {self.package['version']}"

    @property
    def is_macro(self) -> bool:
        return any("proc-macro" in target["kind"] for target in self.package["targets"])

    @property
    def license(self) -> str:
        # The slash is how Cargo wrote OR before it took SPDX expressions.
        return (self.package["license"] or "").replace(" / ", "/").replace("/", " OR ")

    @property
    def purl(self) -> str:
        return f"pkg:cargo/{self.package['name']}@{urllib.parse.quote(self.package['version'], safe='')}"


def crates() -> tuple[Crate, list[Crate]]:
    """The program, and all that it is built from, by name and version."""
    found: dict[str, Crate] = {}
    for platform in PLATFORMS:
        program = _walk(_metadata(platform), found)
    others = [crate for identity, crate in found.items() if identity != program]
    return found[program], sorted(others, key=lambda crate: (crate.package["name"], crate.package["version"], crate.package["id"]))


def _metadata(platform: str) -> dict:
    command = ["cargo", "metadata", "--format-version=1", "--locked", f"--filter-platform={platform}"]
    return json.loads(subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE).stdout)


def _walk(metadata: dict, found: dict[str, Crate]) -> str:
    """Adds what one platform needs; the id of the program."""
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    program = metadata["resolve"]["root"]
    waiting, seen = [(program, True)], set()
    while waiting:
        identity, linked = waiting.pop()
        crate = found.setdefault(identity, Crate(packages[identity]))
        linked = linked and not crate.is_macro
        crate.linked |= linked
        if (identity, linked) in seen:
            continue
        seen.add((identity, linked))
        for need in nodes[identity]["deps"]:
            kinds = {kind["kind"] or "normal" for kind in need["dep_kinds"]} - {"dev"}
            if kinds:
                crate.needs.add(need["pkg"])
                waiting.append((need["pkg"], linked and "normal" in kinds))
    return program


def sbom() -> str:
    program, others = crates()
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    checksums = {(package["name"], package["version"]): package.get("checksum") for package in lock["package"]}
    by_id = {crate.package["id"]: crate for crate in [program, *others]}

    def component(crate: Crate, kind: str) -> dict:
        package = crate.package
        checksum = checksums.get((package["name"], package["version"]))
        optional = {
            "description": package["description"],
            "licenses": crate.license and [{"expression": crate.license}],
            "hashes": checksum and [{"alg": "SHA-256", "content": checksum}],
            "externalReferences": package["repository"] and [{"type": "vcs", "url": package["repository"]}],
            "scope": kind == "library" and ("required" if crate.linked else "excluded"),
        }
        own = {"type": kind, "bom-ref": crate.purl, "name": package["name"], "version": package["version"], "purl": crate.purl}
        return own | {name: value for name, value in optional.items() if value}

    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or 0)
    components = [component(crate, "library") for crate in others]
    bom = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([program.purl, components])).urn,
        "version": 1,
        "metadata": {
            "timestamp": datetime.datetime.fromtimestamp(epoch, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": component(program, "application"),
        },
        "components": components,
        "dependencies": [
            {"ref": crate.purl, "dependsOn": sorted({by_id[need].purl for need in crate.needs})} for crate in [program, *others]
        ],
    }
    return json.dumps(bom, indent=1)


def notices() -> str:
    """Each licence text once, with the crates that come with it."""
    _, others = crates()
    linked = [crate for crate in others if crate.linked and crate.package["source"]]
    users: dict[str, list[str]] = collections.defaultdict(list)
    without = []
    for crate in linked:
        texts = _texts(pathlib.Path(crate.package["manifest_path"]).parent)
        for text in texts:
            users[text].append(crate.named)
        if not texts:
            without.append(f"{crate.named}: {crate.license}, {', '.join(crate.package['authors']) or crate.package['repository']}")
    parts = [f"Albedo contains the standard library of Rust (MIT OR Apache-2.0, https://github.com/rust-lang/rust) and {len(linked)} crates. Their licences:", *(f"{crate.named}: {crate.license}" for crate in linked)]
    parts += [LINE, "These come without a text of their licence. The texts of MIT and Apache-2.0 are below.", *without] if without else []
    for text, names in sorted(users.items(), key=lambda item: item[1]):
        parts += [LINE, *names, "", text]
    return "\n".join(parts)


def _texts(folder: pathlib.Path) -> list[str]:
    """The files of licences at the top of a crate, line ends and blanks at the ends of lines apart."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name.lower().startswith(TEXTS) and path.suffix != ".rs")
    return ["\n".join(line.rstrip() for line in path.read_text(errors="replace").strip().splitlines()) for path in files]


if __name__ == "__main__":
    outputs = {"sbom": sbom, "notices": notices}
    if len(sys.argv) != 2 or sys.argv[1] not in outputs:
        sys.exit(f"usage: dependencies.py {'|'.join(outputs)}")
    try:
        print(outputs[sys.argv[1]]())
    except (subprocess.CalledProcessError, OSError) as error:
        sys.exit(f"dependencies: {error}")
