"""Reads from a program or a shared library what it needs to run: its machine, its loader, its libraries.

64 bits, little-endian; the layout is that of the ELF specification (https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html).
Nothing is started, so a program for another machine can be read as well.
"""

import dataclasses
import pathlib
import struct

LOAD, DYNAMIC, INTERPRETER = 1, 2, 3  # p_type
END, NEEDED, STRINGS = 0, 1, 5  # d_tag


class NotElf(Exception):
    """The file is no 64-bit little-endian ELF file, or is damaged."""


@dataclasses.dataclass(frozen=True)
class Elf:
    machine: int  # e_machine
    loader: str | None  # absolute path; None for libraries and static programs
    needed: tuple[str, ...]  # names of shared libraries


def read(path: pathlib.Path) -> Elf:
    data = path.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":
        raise NotElf(f"{path}: not an ELF file of 64 bits, little-endian; give the path of a program for Linux")
    try:
        return _read(data)
    except (struct.error, ValueError, StopIteration) as error:
        raise NotElf(f"{path}: damaged ELF file ({error}); build it again") from error


def _read(data: bytes) -> Elf:
    (machine,) = struct.unpack_from("<H", data, 18)
    (table,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    # p_type, p_flags, p_offset, p_vaddr, p_paddr, p_filesz, …
    headers = [struct.unpack_from("<IIQQQQ", data, table + number * size) for number in range(count)]
    if any(offset + length > len(data) for _, _, offset, _, _, length in headers):
        raise ValueError("its end is missing")
    parts = {kind: data[offset : offset + length] for kind, _, offset, _, _, length in headers if kind != LOAD}

    def offset_of(address: int) -> int:
        return next(
            offset + address - start
            for kind, _, offset, start, _, length in headers
            if kind == LOAD and start <= address < start + length
        )

    entries = []
    for tag, value in struct.iter_unpack("<QQ", parts.get(DYNAMIC, b"")):
        if tag == END:
            break
        entries.append((tag, value))
    names = [value for tag, value in entries if tag == NEEDED]
    strings = offset_of(next(value for tag, value in entries if tag == STRINGS)) if names else 0
    loader = parts.get(INTERPRETER)
    return Elf(machine, loader and _text(loader, 0), tuple(_text(data, strings + name) for name in names))


def _text(data: bytes, start: int) -> str:
    return data[start : data.index(b"\0", start)].decode()
