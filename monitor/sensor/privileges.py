"""Gives up root and every capability, once the sockets are open; nothing that comes after can have them back.

What must be writable for the user that we become is made so before.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import sys
from pathlib import Path
from typing import Final

from monitor.errors import UsageError

_PR_SET_NO_NEW_PRIVS, _PR_CAPBSET_DROP, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR = 38, 24, 47, 4
_CAPABILITY_VERSION: Final = 0x20080522
_LAST_CAPABILITY: Final = 63
STATE, CACHE = Path("/var/lib/monitor"), Path("/var/cache/monitor")
"""Where root keeps a sensor's store and compiled kernels when nothing else is said."""


def drop(user: str) -> str:
    """Become `user` when we are root, and lose every capability; the user's name. Call it before any thread begins.

    Raises UsageError when there is no such user, OSError when the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() == 0:
        for capability in range(_LAST_CAPABILITY + 1):  # those that this kernel does not know are refused
            libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
        entry = account(user)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
        os.environ["HOME"] = entry.pw_dir
    libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    none = (ctypes.c_uint32 * 6)()
    if libc.capset(header, none) or libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"capabilities cannot be given up: {os.strerror(number)}")
    return pwd.getpwuid(os.geteuid()).pw_name if _known(os.geteuid()) else str(os.geteuid())


def hand_over(folder: Path, user: str) -> None:
    """Make a folder for `user`, or give it a new one's owner when root owns it and it is empty. Raises OSError."""
    entry = account(user)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid == 0 and entry.pw_uid and not any(folder.iterdir()):
        os.chown(folder, entry.pw_uid, entry.pw_gid)


def check(user: str) -> None:
    """See in a child that `user` can run what is to come. Raises UsageError with what it cannot read."""
    entry = account(user)
    paths = (sys.executable, os.__file__, __file__)
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
        bad = [place for place, path in enumerate(paths, 1) if not os.access(path, os.R_OK)]
        os._exit(bad[0] if bad else 0)
    place = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if place:
        raise UsageError(
            f"the user {user} cannot read {paths[place - 1]}: install the monitor where every user can read it, "
            "such as /opt/monitor, or name another user as live.user (root: stay root, without a capability)"
        )


def account(user: str) -> pwd.struct_passwd:
    """The user's entry. Raises UsageError when there is none."""
    try:
        return pwd.getpwnam(user)
    except KeyError as error:
        raise UsageError(f"live.user: there is no user {user!r}; make one, or name another") from error


def _known(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
