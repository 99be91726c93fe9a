"""What the image holds beside the program: the libraries it is linked to, and public certificate authorities.

Both come from the Debian packages of the machine that builds. Of a package only what is needed is taken, together with its
copyright file and its record in `/var/lib/dpkg/status.d`, where vulnerability scanners look for packages of such images.
"""

import dataclasses
import pathlib
import subprocess

import elf

AUTHORITIES = "ca-certificates"
# Below it are the certificates; the package has an example elsewhere that is none.
CERTIFICATES = "/usr/share/ca-certificates/"
BUNDLE = "etc/ssl/certs/ca-certificates.crt"
# Before this version the C library loads the code that looks up host names from other files, which nothing links to.
NAMES_ARE_IN_LIBC = b"GLIBC_2.34\0"


class Failure(Exception):
    """Why no image can be made; says what to do."""


@dataclasses.dataclass(frozen=True)
class Machine:
    architecture: str  # in the words of OCI, which are those of GOARCH
    triplet: str  # as Debian names folders of libraries


# By e_machine.
MACHINES = {62: Machine("amd64", "x86_64-linux-gnu"), 183: Machine("arm64", "aarch64-linux-gnu")}


@dataclasses.dataclass(frozen=True)
class File:
    path: str  # in the image, without the first slash
    data: bytes
    executable: bool = False


def machine_of(program: pathlib.Path) -> Machine:
    number = elf.read(program).machine
    if number not in MACHINES:
        known = ", ".join(machine.architecture for machine in MACHINES.values())
        raise Failure(f"{program}: machine {number} of the ELF header is not supported; known are: {known}")
    return MACHINES[number]


def system(program: pathlib.Path) -> list[File]:
    """All files that the program needs, and what says where they come from."""
    machine = machine_of(program)
    files, packages = [], {AUTHORITIES}
    for source, path in libraries(program, machine).items():
        files.append(File(path, source.read_bytes(), executable=True))
        packages.add(_package(source))
    files.append(File(BUNDLE, _bundle()))
    files.append(File("etc/os-release", pathlib.Path("/etc/os-release").read_bytes()))
    files.append(File("etc/nsswitch.conf", b"hosts: files dns\n"))
    for package in sorted(packages):
        name = package.split(":")[0]
        files.append(File(f"usr/share/doc/{name}/copyright", _copyright(name).read_bytes()))
        files.append(File(f"var/lib/dpkg/status.d/{name}", _dpkg("--status", package).encode()))
    return files


def libraries(program: pathlib.Path, machine: Machine) -> dict[pathlib.Path, str]:
    """The loader and all libraries, by where they are here; the values are their paths in the image."""
    loader = elf.read(program).loader
    if loader is None:
        return {}
    found = {_library(pathlib.PurePath(loader).name, machine): loader.lstrip("/")}
    waiting = [program, *found]
    while waiting:
        for name in elf.read(waiting.pop()).needed:
            library = _library(name, machine)
            if library not in found:
                found[library] = f"lib/{machine.triplet}/{name}"
                waiting.append(library)
    libc = _library("libc.so.6", machine)
    if NAMES_ARE_IN_LIBC not in libc.read_bytes():
        raise Failure(f"{libc}: needs glibc 2.34 or later, because older ones find no host names in this image; build on Debian 12 or later")
    return found


def _library(name: str, machine: Machine) -> pathlib.Path:
    # The last one is where Debian's packages for cross compilers keep the libraries of another machine.
    folders = [f"/lib/{machine.triplet}", f"/usr/lib/{machine.triplet}", f"/usr/{machine.triplet}/lib"]
    for folder in map(pathlib.Path, folders):
        if (folder / name).is_file():
            return folder / name
    raise Failure(f"the library {name} for {machine.architecture} is in none of {', '.join(folders)}; install the Debian package that has it")


def _bundle() -> bytes:
    """The authorities of the package, and none that this machine trusts beside them."""
    named = _dpkg("--listfiles", AUTHORITIES).splitlines()
    certificates = [pathlib.Path(path) for path in sorted(named) if path.startswith(CERTIFICATES) and path.endswith(".crt")]
    if not certificates:
        raise Failure(f"the package {AUTHORITIES} has no certificates; install it again: apt-get install --reinstall {AUTHORITIES}")
    return b"".join(certificate.read_bytes().rstrip(b"\n") + b"\n" for certificate in certificates)


def _package(library: pathlib.Path) -> str:
    return _dpkg("--search", str(library)).splitlines()[0].split(": ")[0]


def _copyright(package: str) -> pathlib.Path:
    return pathlib.Path("/usr/share/doc") / package / "copyright"


def _dpkg(*arguments: str) -> str:
    command = ["dpkg-query", *arguments]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, env={"LC_ALL": "C", "PATH": "/usr/bin"}).stdout
    except FileNotFoundError as error:
        raise Failure("needs dpkg-query: build on Debian 12 or later, or use deploy/image/Dockerfile") from error
    except subprocess.CalledProcessError as error:
        raise Failure(f"{' '.join(command)}: {error.stderr.strip()}") from error
