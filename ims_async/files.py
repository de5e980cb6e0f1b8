"""Files written in one step: what was there stays until all of the new content is on the disk."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from .errors import InvalidInput

OWNER_ONLY: Final = 0o600
_POSIX: Final = os.name == "posix"
OVERWRITE_ADVICE: Final = "choose another name, or pass overwrite=True"


def followed(path: str | os.PathLike[str]) -> Path:
    """Return the file that a path means, where it is a symbolic link: the link itself is never replaced."""
    given = Path(path)
    # A pipe has no name behind /dev/stdout or /dev/fd/1: it is reached by the link only.
    return given if is_stream(given) else Path(os.path.realpath(path))


def check_writable(path: str | os.PathLike[str], *, overwrite: bool = True) -> None:
    """Raise `InvalidInput` if a file could not be written, before the work whose outcome it is to hold.

    Without `overwrite`, a file that is there and not empty is refused.
    """
    try:
        target = followed(path)
        if target.is_dir():
            raise InvalidInput(f"{path} cannot be written: it is a folder")
        if not target.parent.is_dir():
            raise InvalidInput(f"{path} cannot be written: there is no folder {target.parent}: make it first")
        if not is_stream(target) and not os.access(target.parent, os.W_OK):
            raise InvalidInput(f"{path} cannot be written: you may not write into the folder {target.parent}")
        if target.exists() and not os.access(target, os.W_OK):
            raise InvalidInput(f"{path} cannot be written: it is write-protected")
        if not overwrite and target.is_file() and target.stat().st_size:
            raise InvalidInput(f"{path} is there already", advice=OVERWRITE_ADVICE)
    except OSError as error:
        raise unwritable(path, error) from None
    except ValueError as error:  # a path with a NUL in it
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"{str(path)!r} cannot be written: {error}") from None


@contextmanager
def replacing(
    path: str | os.PathLike[str],
    *,
    owner_only: bool = False,
    overwrite: bool = True,
    encoding: str = "utf-8",
) -> Iterator[IO[str]]:
    """Open a file for text; it takes the place of the one that is there when the block is left.

    If the block is left by an error, what was there stays. The file keeps its mode, and its owner and group
    as far as we may give it to them; a new one has the usual ones, and with `owner_only` both are 0600. A
    link is followed; a terminal or a pipe is written to as it is. Without `overwrite`, a file that is there
    and not empty is refused. When this returns the content is on the disk. Raises `InvalidInput` where it
    cannot be written; errors of the block pass through.
    """
    check_writable(path, overwrite=overwrite)
    target = followed(path)
    in_place = is_stream(target)
    part = target if in_place else target.with_name(f".ims-async-{secrets.token_hex(8)}.part")
    try:
        if in_place:
            file = part.open("w", encoding=encoding, newline="")
        else:
            file = os.fdopen(_made(part, target, owner_only=owner_only), "w", encoding=encoding, newline="")
    except OSError as error:
        raise unwritable(path, error) from None
    try:
        yield file
        try:
            file.flush()
            if not in_place:
                os.fsync(file.fileno())  # else a power cut can leave an empty file in its place
            file.close()
            if not in_place:
                check_writable(path, overwrite=overwrite)  # it may have come to be there meanwhile
                part.replace(target)
                _sync_folder(target.parent)
        except OSError as error:
            raise unwritable(path, error) from None
    finally:
        with contextlib.suppress(OSError):  # of a full disk: that was said already
            file.close()
        if not in_place:
            part.unlink(missing_ok=True)


def unwritable(path: object, error: OSError) -> InvalidInput:
    """Say why a file cannot be written."""
    return InvalidInput(f"{path} cannot be written: {(error.strerror or str(error)).lower()}")


def is_file(path: str | os.PathLike[str]) -> bool:
    """True for a file; False, as the two below, also for a name that nothing can have."""
    return stat.S_ISREG(_mode_of(path))


def is_folder(path: str | os.PathLike[str]) -> bool:
    """True for a folder."""
    return stat.S_ISDIR(_mode_of(path))


def is_stream(path: str | os.PathLike[str]) -> bool:
    """True for a terminal, a pipe and the like, which cannot be replaced."""
    mode = _mode_of(path)
    return bool(mode) and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


_NOT_THERE: Final = {
    errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL,
}  # fmt: skip


def _mode_of(path: str | os.PathLike[str]) -> int:
    """Return what kind of thing it is, and 0 where nothing is there, or can be by such a name.

    Raises `InvalidInput` where it cannot be told: what cannot be looked at is not "not there".
    """
    try:
        return Path(path).stat().st_mode
    except ValueError:  # a NUL, or half a character
        return 0
    except OSError as error:
        if error.errno in _NOT_THERE:
            return 0
        raise InvalidInput(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from None


def _made(part: Path, target: Path, *, owner_only: bool) -> int:
    """Make the new file, with the mode of the old one from the first byte on, and where we may its owner."""
    there = target.stat() if target.exists() else None
    mode = OWNER_ONLY if owner_only else there and stat.S_IMODE(there.st_mode)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else OWNER_ONLY)
    if there is not None and _POSIX:
        for owner, group in ((-1, there.st_gid), (there.st_uid, -1)):  # the group may be ours to give, alone
            with contextlib.suppress(PermissionError):
                os.fchown(handle, owner, group)
    if mode is not None and _POSIX:
        os.fchmod(handle, mode)  # last: a new owner takes some of the mode away
    return handle


def _sync_folder(folder: Path) -> None:
    """Put the new name on the disk as well; some file systems (and Windows) have no such thing."""
    if not _POSIX:
        return
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
