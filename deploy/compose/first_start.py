"""Makes what the services of compose.yaml need before they start, once: passwords, ClickHouse's users, the chats.

    first_start.py --given DIR --volumes DIR

Passwords are made at the first start and kept; each goes only into the volume of the service that reads it, for its
user alone. Alertmanager's configuration and the secrets of chats, which people put into --given, are renewed each time.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

ALERTMANAGER = Path(__file__).resolve().parent.parent / "alertmanager"
CLICKHOUSE, GRAFANA, NOBODY, OURS = 101, 472, 65534, 10001
"""User ids of the images."""
DATABASE = "monitor"

SHOWN = (
    *("flows", "flows_by_minute", "hosts_by_hour", "first_seen", "incidents", "current_incidents", "runs"),
    *("verdicts", "current_verdicts", "suppressions", "current_suppressions", "sensor_health", "schema_versions"),
)
"""Tables that Grafana reads; not `audit`."""
GRANTS = {
    "owner": (f"GRANT ALL ON {DATABASE}.*", "GRANT SELECT ON system.*"),
    "sensor": (f"GRANT SELECT, INSERT ON {DATABASE}.*", "GRANT SELECT ON system.*"),
    "grafana": (*(f"GRANT SELECT ON {DATABASE}.{table}" for table in SHOWN), "GRANT SELECT ON system.parts"),
}
"""What each user of ClickHouse may do: make tables; insert and hunt; look. As in deploy/clickhouse/roles.sql."""
PROFILES = {
    "owner": {},
    "sensor": {"async_insert": 0},
    # readonly 2: reads only, but settings such as a time limit may come with a query.
    "grafana": {"readonly": 2, "max_execution_time": 30, "max_memory_usage": 4 << 30, "max_threads": 4},
}
PASSWORDS = {
    "owner": ("owner/store-password", OURS),
    "sensor": ("sensor/store-password", OURS),
    "grafana": ("grafana/grafana_clickhouse_password", GRAFANA),
}
"""Where each one's password is kept, and for whom."""


def password(file: Path, owner: int) -> str:
    """What is in the file; a new random password when there is none."""
    if not file.exists():
        write(file, secrets.token_urlsafe(32), owner)
    return file.read_text("utf-8")


def write(file: Path, text: str, owner: int) -> None:
    """Write a file that only its owner can read, never with wider rights in between."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(descriptor, "w", encoding="utf-8") as sink:
        sink.write(text)
        os.fchown(sink.fileno(), owner, owner)
    fresh.replace(file)


def users(hashes: dict[str, str]) -> str:
    """ClickHouse's users; the one without a password that the image brings is removed."""
    profiles = "".join(
        f"<{name}>{''.join(f'<{key}>{value}</{key}>' for key, value in settings.items())}</{name}>"
        for name, settings in PROFILES.items()
    )
    parts = []
    for name, digest in hashes.items():
        grants = "".join(f"<query>{grant}</query>" for grant in GRANTS[name])
        parts.append(
            f"<{name}><password_sha256_hex>{digest}</password_sha256_hex><networks><ip>::/0</ip></networks>"
            f"<profile>{name}</profile><quota>default</quota><grants>{grants}</grants></{name}>"
        )
    known = f'<default remove="remove"/>{"".join(parts)}'
    return f"<clickhouse><profiles>{profiles}</profiles><users>{known}</users></clickhouse>\n"


def chats(given: Path, volumes: Path, chosen: list[str], language: str) -> None:
    """Alertmanager's configuration for the chats in use, and the secrets that people gave, each where it is read."""
    folder = volumes / "alertmanager"
    shutil.copytree(ALERTMANAGER / "templates", folder / "templates", dirs_exist_ok=True)
    command = [sys.executable, str(ALERTMANAGER / "choose"), *chosen, "--lang", language]
    made = subprocess.run(command, check=True, capture_output=True, text=True)
    write(folder / "alertmanager.yml", made.stdout, NOBODY)
    for file in sorted(given.iterdir()) if given.is_dir() else ():
        if file.is_file() and not file.name.startswith((".", "README")):
            text = file.read_text("utf-8")
            write(folder / "secrets" / file.name, text, NOBODY)
            write(volumes / "relay" / file.name, text, OURS)
    for path in (folder, folder / "templates", *(folder / "templates").iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)


def main() -> None:
    """Parse, make what is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--given", type=Path, required=True, help="folder of the secrets that people gave")
    parser.add_argument("--volumes", type=Path, required=True, help="folder of the services' volumes")
    given = parser.parse_args()
    volumes: Path = given.volumes
    made = {name: password(volumes / place, owner) for name, (place, owner) in PASSWORDS.items()}
    password(volumes / "grafana/admin_password", GRAFANA)
    hashes = {name: hashlib.sha256(secret.encode()).hexdigest() for name, secret in made.items()}
    write(volumes / "clickhouse/monitor.xml", users(hashes), CLICKHOUSE)
    chats(given.given, volumes, os.environ.get("CHATS", "").split(), os.environ.get("CHAT_LANGUAGE") or "en")
    for folder in volumes.iterdir():
        folder.chmod(0o755)  # the files in it are for their owners only


if __name__ == "__main__":
    main()
