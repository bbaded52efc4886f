"""Reads a store's URL: embedded (`chdb:///path`), a server (`http://user@host:8123/database`), or `none`.

Says where and as whom, without ever showing the password. Opening is in `connection`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

PASSWORD = "MONITOR_STORE_PASSWORD"  # noqa: S105  (the variable's name)
PASSWORD_FILE = "MONITOR_STORE_PASSWORD_FILE"  # noqa: S105
_DATABASE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class Embedded:
    """chDB in a folder of its own; `path` None means a temporary one that is removed on closing."""

    path: Path | None

    def __str__(self) -> str:
        return f"chdb://{self.path}" if self.path else "none (temporary)"


@dataclass(frozen=True, slots=True)
class Server:
    """A ClickHouse server or cluster over HTTP."""

    host: str
    port: int
    user: str
    database: str
    secure: bool
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    """Certificates of the authorities to trust; None: those of the system."""

    def __str__(self) -> str:
        return f"{'https' if self.secure else 'http'}://{self.user}@{self.host}:{self.port}/{self.database}"


def default_path() -> Path:
    """Folder of the embedded store: `monitor/store` in the user's data folder (XDG base directories)."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "monitor" / "store"


def embedded_folder(url: str) -> Path | None:
    """Folder of the embedded store that `url` names; None for a server and for `none`. ValueError as `locate`."""
    place = locate(url)
    return place.path if isinstance(place, Embedded) else None


def default_spool() -> Path:
    """Folder of the spool: systemd's state folder, else `monitor/spool` in the user's (XDG base directories)."""
    own = os.environ.get("STATE_DIRECTORY")
    if own:
        return Path(own.split(":")[0]) / "spool"
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "monitor" / "spool"


def locate(url: str | None, password_file: Path | None = None, ca_file: Path | None = None) -> Embedded | Server:
    """Where `url` points; None or empty is the default, `none` a temporary store.

    Raises ValueError naming what is wrong with the URL; a password in it is not repeated.
    """
    if url is None or url == "":
        return Embedded(default_path())
    if url == "none":
        return Embedded(None)
    scheme, _, _ = url.partition(":")
    if scheme == "chdb":
        return _embedded(url)
    if scheme in ("http", "https"):
        return _server(url, password_file, ca_file)
    raise ValueError(f"store {scheme!r}: expected chdb:///folder, http(s)://user@host:port/database or none")


def _embedded(url: str) -> Embedded:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise ValueError(f"store {url!r}: an embedded store has no host; write chdb:///absolute/folder")
    if parts.query or parts.fragment:
        raise ValueError(f"store {url!r}: nothing may follow the folder")
    path = unquote(parts.path)
    if path in ("", "/"):
        return Embedded(default_path())
    return Embedded(Path(path).expanduser())


def _server(url: str, password_file: Path | None, ca_file: Path | None) -> Server:
    parts = urlsplit(url)
    if parts.password is not None:
        raise ValueError(
            f"store: the URL holds a password; put it into {PASSWORD} or the file named by {PASSWORD_FILE}"
        )
    if not parts.hostname:
        raise ValueError("store: the URL names no host; write http(s)://user@host:port/database")
    secure = parts.scheme == "https"
    database = parts.path.strip("/") or "monitor"
    if not _DATABASE.fullmatch(database):
        raise ValueError(f"store: {database!r} is not a database name (letters, digits, underscore)")
    return Server(
        host=parts.hostname,
        port=parts.port or (8443 if secure else 8123),
        user=unquote(parts.username or "default"),
        database=database,
        secure=secure,
        password=_password(password_file),
        ca_file=ca_file,
    )


def _password(file: Path | None) -> str:
    """Password from the file of the settings, the environment, or systemd's credential `store-password`; else empty."""
    if file is None and PASSWORD in os.environ:
        return os.environ[PASSWORD]
    named = file or os.environ.get(PASSWORD_FILE)
    if named:
        try:
            return Path(named).read_text().rstrip("\n")
        except OSError as error:
            raise ValueError(f"store: password file {named}: {error.strerror}") from error
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    credential = Path(folder) / "store-password" if folder else None
    return credential.read_text().rstrip("\n") if credential and credential.is_file() else ""
