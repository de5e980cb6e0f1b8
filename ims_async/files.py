"""Replace files in one step: the old content stays until all of the new content is on the disk."""

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
Stamp = tuple[int, int, int] | None
"""A file as it is at one moment: its time of change, size and number; None if there is none."""
OVERWRITE_ADVICE: Final = "choose another name, or pass overwrite=True"


def followed(path: str | os.PathLike[str]) -> Path:
    """Return the file that a path refers to, with symbolic links resolved: a link is never replaced."""
    given = Path(path)
    # A pipe behind /dev/stdout or /dev/fd/1 has no path of its own: it is opened through the link.
    return given if is_stream(given) else Path(os.path.realpath(path))


def check_writable(path: str | os.PathLike[str], *, overwrite: bool = True) -> None:
    """Raise `InvalidInput` if a file could not be written; call it before long work whose result goes there.

    Without `overwrite`, an existing file that is not empty is refused.
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


_AGAIN: Final = "nothing was written into it: close it there, and repeat the command"


@contextmanager
def replacing(
    path: str | os.PathLike[str],
    *,
    owner_only: bool = False,
    overwrite: bool = True,
    encoding: str = "utf-8",
    as_read: Stamp = None,
) -> Iterator[IO[str]]:
    """Open a file for text; at the end of the block it replaces an existing one.

    If the block is left by an error, the old file stays. A replaced file keeps its mode, and its owner and
    group as far as the process may set them; a new one has the defaults, and with `owner_only` both are 0600.
    A link is followed; a terminal or a pipe is written to directly. Without `overwrite`, an existing file
    that is not empty is refused; with `as_read` also one that was saved since it had that stamp. At the end
    of the block the content is on the disk. Raises `InvalidInput` if the file cannot be written; errors of
    the block pass through.
    """
    check_writable(path, overwrite=overwrite)
    target = followed(path)
    in_place = is_stream(target)
    part = target if in_place else target.with_name(f".ims-async-{secrets.token_hex(8)}.part")
    try:
        opened = part if in_place else _made(part, target, owner_only=owner_only)
        file = open(opened, "w", encoding=encoding, newline="")  # noqa: PTH123, SIM115 # a handle, say
    except OSError as error:
        raise unwritable(path, error) from None
    try:
        yield file
        try:
            file.flush()
            if not in_place:
                os.fsync(file.fileno())  # otherwise a power cut can leave an empty file
            file.close()
            if not in_place:
                check_writable(path, overwrite=overwrite)  # a file may have been made meanwhile
                _check_unsaved(path, as_read)
                part.replace(target)
                _sync_folder(target.parent)
        except OSError as error:
            raise unwritable(path, error) from None
    finally:
        with contextlib.suppress(OSError):  # a full disk: reported already
            file.close()
        if not in_place:
            part.unlink(missing_ok=True)


def stamp_of(path: str | os.PathLike[str]) -> Stamp:
    """Return what is another once a file was saved again; None for a file that cannot be examined."""
    try:
        there = Path(path).stat()
    except (OSError, ValueError):
        return None
    return there.st_mtime_ns, there.st_size, there.st_ino


def _check_unsaved(path: str | os.PathLike[str], as_read: Stamp) -> None:
    if as_read is not None and as_read != stamp_of(path):
        raise InvalidInput(f"{path} was saved by another program meanwhile", advice=_AGAIN)


def unwritable(path: object, error: OSError) -> InvalidInput:
    """Return an error that says why a file cannot be written."""
    return InvalidInput(f"{path} cannot be written: {(error.strerror or str(error)).lower()}")


def is_file(path: str | os.PathLike[str]) -> bool:
    """Return True for a regular file. False also for a name that no file can have, as in the two below."""
    return stat.S_ISREG(_mode_of(path))


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Return True for a folder."""
    return stat.S_ISDIR(_mode_of(path))


def is_stream(path: str | os.PathLike[str]) -> bool:
    """Return True for a terminal, a pipe and the like, which cannot be replaced."""
    mode = _mode_of(path)
    return bool(mode) and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


_NOT_THERE: Final = {
    errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL,
}  # fmt: skip


def _mode_of(path: str | os.PathLike[str]) -> int:
    """Return the mode of a path, with its file type; 0 if nothing exists there, or can by such a name.

    Raises `InvalidInput` if the path cannot be examined: that does not mean that it does not exist.
    """
    try:
        return Path(path).stat().st_mode
    except ValueError:  # a NUL, or a lone surrogate
        return 0
    except OSError as error:
        if error.errno in _NOT_THERE:
            return 0
        raise InvalidInput(f"{path} cannot be reached: {(error.strerror or str(error)).lower()}") from None


def _made(part: Path, target: Path, *, owner_only: bool) -> int:
    """Create the new file, with the mode of the old one from the start, and if permitted its owner."""
    there = target.stat() if target.exists() else None
    mode = OWNER_ONLY if owner_only else there and stat.S_IMODE(there.st_mode)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else OWNER_ONLY)
    if there is not None and _POSIX:
        for owner, group in ((-1, there.st_gid), (there.st_uid, -1)):  # the group alone may be permitted
            with contextlib.suppress(PermissionError):
                os.fchown(handle, owner, group)
    if mode is not None and _POSIX:
        os.fchmod(handle, mode)  # last: a change of owner clears some bits of the mode
    return handle


def _sync_folder(folder: Path) -> None:
    """Flush the folder's new entry to the disk; some file systems (and Windows) do not support it."""
    if not _POSIX:
        return
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
