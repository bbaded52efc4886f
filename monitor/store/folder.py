"""The folder of an embedded store: made, kept to one process by a lock file beside it, removed when it is temporary.

chDB itself only says "Error initializing EmbeddedServer" when the folder is taken, so we look first.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import TracebackType

from monitor.store.errors import StoreBusyError, StoreRefusedError


class StoreFolder:
    """Exclusive use of a folder for as long as the context lasts."""

    def __init__(self, path: Path | None, *, create: bool = True) -> None:
        """`path` None: a temporary folder. Raises StoreBusyError or StoreRefusedError with what to do."""
        self._temporary = path is None
        if path is not None and not create and not path.is_dir():
            raise StoreRefusedError(
                f"store chdb://{path}: there is none yet: replay a capture or run `monitor db init`"
            )
        try:
            self.path = Path(tempfile.mkdtemp(prefix="monitor-store-")) if path is None else path
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(self.path, os.W_OK | os.X_OK):
                raise PermissionError(13, "Permission denied")
            self._lock_path = self.path.with_name(self.path.name + ".lock")
            self._lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreRefusedError(
                f"store chdb://{path}: the folder cannot be used: {error.strerror}; choose another with --store"
            ) from error
        self._take()

    def _take(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._lock, 200, 0).decode("utf-8", "replace").strip()
            os.close(self._lock)
            raise StoreBusyError(
                f"store chdb://{self.path}: in use by {holder or 'another process'}; an embedded store serves one "
                "process at a time: wait for it or stop it, choose another folder with --store chdb:///folder, "
                "or use a ClickHouse server with --store http://user@host:8123/database"
            ) from error
        holder = f"process {os.getpid()} ({' '.join([Path(sys.argv[0]).name, *sys.argv[1:2]])})\n"
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, holder.encode("utf-8", "replace"), 0)

    def __enter__(self) -> StoreFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def release(self) -> None:
        """Give the folder up; a temporary one is removed. The lock file stays: removing it would race."""
        if self._lock < 0:
            return
        if self._temporary:
            shutil.rmtree(self.path, ignore_errors=True)
            self._lock_path.unlink(missing_ok=True)
        os.close(self._lock)
        self._lock = -1
