"""The names of owners, which dpkg takes before their numbers."""

from __future__ import annotations

import io
import tarfile

from imgforge.tar import read


def test_names_of_owners_are_noted_unless_they_repeat_that_it_is_roots() -> None:
    rows = [(0, "root", "root"), (0, "", ""), (7, "", ""), (7, "root", "root"), (0, "root", "staff"), (0, "www", "")]
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for number, (uid, user, group) in enumerate(rows):
            info = tarfile.TarInfo(str(number))
            info.uid, info.uname, info.gname = uid, user, group
            archive.addfile(info)
    stream.seek(0)
    names: dict[str, tuple[str, str]] = {}
    assert len(list(read(stream, what="x", names=names))) == len(rows)
    assert names == {"3": ("root", "root"), "4": ("root", "staff"), "5": ("www", "")}
