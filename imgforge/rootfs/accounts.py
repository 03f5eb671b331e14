"""Users and groups in the text of an image's account files. Pure.

Sources: passwd(5), group(5), shadow(5), gshadow(5). No password is set: the field is ``!``, as `useradd` leaves it.
"""

from __future__ import annotations

import attrs

PASSWD, GROUP, SHADOW, GSHADOW = "etc/passwd", "etc/group", "etc/shadow", "etc/gshadow"
_SECONDS_A_DAY = 86400


class AccountError(ValueError):
    """An account cannot be added; the text says what stands in its way."""


@attrs.frozen
class Account:
    """A user to be added, with the group of the same name."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str
    groups: tuple[str, ...] = ()


def add(files: dict[str, str], account: Account, *, epoch: int) -> dict[str, str]:
    """Return the account files with one more user; one that is there and the same stays as it is.

    Args:
        files: text by path; a missing shadow file stays missing.
        account: the user.
        epoch: seconds since 1970, for the day of the last change.

    Raises:
        AccountError: the name or the id is taken, or a further group is not there.
    """
    files = dict(files)
    _add_group(files, account)
    found = _find(files.get(PASSWD, ""), account.name)
    if found is None:
        _refuse_taken(files.get(PASSWD, ""), account.uid, what="uid", name=account.name)
        line = f"{account.name}:x:{account.uid}:{account.gid}::{account.home}:{account.shell}"
        files[PASSWD] = _with_line(files.get(PASSWD, ""), line)
        if SHADOW in files:
            files[SHADOW] = _with_line(files[SHADOW], f"{account.name}:!:{epoch // _SECONDS_A_DAY}::::::")
    elif found[2:4] != [str(account.uid), str(account.gid)]:
        raise AccountError(f"user {account.name!r} is there with uid {found[2]} and gid {found[3]}")
    for group in account.groups:
        _join(files, group, account.name)
    return files


def ids(files: dict[str, str], path: str) -> dict[str, tuple[int, int]]:
    """Return uid and gid by user name (of `PASSWD`), or gid twice by group name (of `GROUP`)."""
    last = 3 if path == PASSWD else 2
    found: dict[str, tuple[int, int]] = {}
    for fields in _rows(files.get(path, "")):
        if len(fields) > last and fields[2].isdigit() and fields[last].isdigit():
            found.setdefault(fields[0], (int(fields[2]), int(fields[last])))
    return found


def _add_group(files: dict[str, str], account: Account) -> None:
    text = files.get(GROUP, "")
    found = _find(text, account.name)
    if found is not None:
        if found[2] != str(account.gid):
            raise AccountError(f"group {account.name!r} is there with gid {found[2]}")
        return
    if any(fields[2] == str(account.gid) for fields in _rows(text) if len(fields) > 2):
        return  # the user joins a group that is there under another name
    files[GROUP] = _with_line(text, f"{account.name}:x:{account.gid}:")
    if GSHADOW in files:
        files[GSHADOW] = _with_line(files[GSHADOW], f"{account.name}:!::")


def _join(files: dict[str, str], group: str, user: str) -> None:
    if _find(files.get(GROUP, ""), group) is None:
        raise AccountError(f"group {group!r}: the image has none of this name")
    for path in (GROUP, GSHADOW):
        lines = []
        for line in files.get(path, "").split("\n"):
            fields = line.split(":")
            if fields[0] == group and user not in fields[-1].split(","):
                line = f"{line},{user}" if fields[-1] else f"{line}{user}"  # noqa: PLW2901 -- the changed line
            lines.append(line)
        if path in files:
            files[path] = "\n".join(lines)


def _refuse_taken(text: str, number: int, *, what: str, name: str) -> None:
    for fields in _rows(text):
        if len(fields) > 2 and fields[2] == str(number):
            raise AccountError(f"{what} {number} of {name!r} belongs to {fields[0]!r}")


def _rows(text: str) -> list[list[str]]:
    return [line.split(":") for line in text.split("\n") if line]


def _find(text: str, name: str) -> list[str] | None:
    return next((fields for fields in _rows(text) if fields[0] == name), None)


def _with_line(text: str, line: str) -> str:
    return f"{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{line}\n"
