"""Archives around files, as their own tools would write them."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import zstandard
from builders.debs import build_deb


def zipped(name: str, content: bytes, *, stored: bool = False, comment: bytes = b"") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
        archive.writestr(name, content)
        archive.comment = comment
    return stream.getvalue()


def tarred(name: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path, data in (("./first", b"nothing"), (name, content)):
            member = tarfile.TarInfo(path)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def packed(data: bytes, form: str) -> bytes:
    """Return compressed bytes: gz, xz, bz2 or zst."""
    return {
        "gz": lambda: gzip.compress(data, mtime=0),
        "xz": lambda: lzma.compress(data),
        "bz2": lambda: bz2.compress(data),
        "zst": lambda: zstandard.ZstdCompressor().compress(data),
    }[form]()


def deb(name: str, content: bytes, *, compression: str = "xz") -> bytes:
    return build_deb("planted", "1.0", files={name: content}, compression=compression)


def deb_script(content: bytes) -> bytes:
    return build_deb("planted", "1.0", scripts={"postinst": "#!/bin/sh\n" + content.decode()})
