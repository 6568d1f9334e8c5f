"""What an exception says: whether the system is at fault, and its cause in one line.

Guarantee: never raises, whatever an exception's own `__str__` does; a cause is one line of bounded length. Limit: the
system is at fault only where its error number says so.
"""

from __future__ import annotations

import errno
import traceback
from pathlib import Path

MAX_CAUSE_CHARACTERS = 300
# Not the paper's fault: a full disk, no descriptors, no memory, a disk that fails or is gone, a folder that may not be
# written.
_SYSTEM_ERRORS = {
    errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EROFS,
    errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ELOOP, errno.ENOTCONN, errno.ESTALE, errno.EXDEV,
}  # fmt: skip


def is_systems_fault(error: BaseException) -> bool:
    """Whether the system failed: no room, no descriptors, no memory, a failing disk, no permission."""
    return isinstance(error, OSError) and error.errno in _SYSTEM_ERRORS


def cause_of(error: BaseException) -> str:
    """The exception's type and words in one line."""
    try:
        words = " ".join(str(error)[: 4 * MAX_CAUSE_CHARACTERS].split())
    except Exception:  # an exception of somebody else's code
        words = "(it cannot say why)"
    name = type(error).__name__
    cause = f"{name}: {words}" if words else name
    return "".join(each if each.isprintable() else "?" for each in cause)[:MAX_CAUSE_CHARACTERS]


def cause_and_place(error: BaseException) -> str:
    """As `cause_of`, with the file and the line that raised it: for defects of this program."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return cause_of(error)[: MAX_CAUSE_CHARACTERS - len(place)] + place
