"""Why a `.deb` is refused: one class for each reason, so that a test and a reader can tell them apart."""

from __future__ import annotations

from imgforge.errors import IntegrityError


class DebError(IntegrityError):
    """A file that is no `.deb`, or one that is never accepted."""


class ArError(DebError):
    """The outer archive is malformed: its magic, a header, a size, a name."""


class TrailingBytesError(DebError):
    """Something follows the end of an archive."""


class MissingMemberError(DebError):
    """One of debian-binary, control.tar and data.tar is not there."""


class DuplicateMemberError(DebError):
    """A member is there twice, and two readers may take different ones."""


class MemberOrderError(DebError):
    """A member stands where deb(5) does not allow it."""


class FormatVersionError(DebError):
    """debian-binary says another format than 2."""


class CompressionError(DebError):
    """A compression that packages do not have, or content that is not what its name says."""


class ControlArchiveError(DebError):
    """control.tar holds something that is no control file, or holds one twice."""


class ControlFieldError(DebError):
    """The control file lacks a field, or a field has a value that dpkg would refuse."""


class ControlSizeError(DebError):
    """The control file is larger than any package's."""


class TriggersError(DebError):
    """The package's triggers are none that dpkg accepts."""


class MismatchError(DebError):
    """The package is not the one that an index or a lock promised."""


class DeviceNodeError(DebError):
    """data.tar holds a device: opening it inside is opening this machine's."""


class DataTreeError(DebError):
    """data.tar is no tree: a path twice, something below a file or a link, a hard link to what is not there."""
