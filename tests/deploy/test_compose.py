"""compose.yaml: pinned, bounded, healthy, least privileged, on loopback, without a password; and its first start."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboards.asking import sql_queries
from monitor.config import load_settings

DEPLOY = Path(__file__).parents[2] / "deploy"
TEXT = (DEPLOY / "compose.yaml").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONCE = {"first-start", "schema"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_bounded_and_least_privileged(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"[a-z0-9/-]+:v?\d+\.\d+(\.\d+)?", service["image"])
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    limits = service["deploy"]["resources"]["limits"]
    assert limits.keys() == {"cpus", "memory"}
    if name != "first-start":  # it hands the secrets to their owners
        assert int(service["user"].partition(":")[0]) > 0
    if name != "sensor":  # it needs a file capability
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "NET_RAW" not in service.get("cap_add", [])
    health = service["healthcheck"]
    assert health.get("disable") is True if name in ONCE else health["test"]


def test_nothing_listens_beyond_loopback() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_what_is_mounted_exists() -> None:
    for name, service in SERVICES.items():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith("."):
                assert (DEPLOY / source).exists(), f"{name}: {source}"
                assert mount.endswith(":ro"), f"{name}: {mount}"
            else:
                assert source in COMPOSE["volumes"], f"{name}: {source}"
    dockerfile = (DEPLOY / "Dockerfile").read_text("utf-8")
    for copied in re.findall(r"^COPY (.+) \S+$", dockerfile, re.MULTILINE):
        for source in copied.split():
            assert (DEPLOY.parent / source).exists(), source


def test_no_secret_is_in_the_file_or_in_an_environment() -> None:
    for service in SERVICES.values():
        for key, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|SECRET", key):
                assert str(value).startswith("/run/secrets/"), key
    ignored = (DEPLOY / "secrets/.gitignore").read_text("utf-8").split()
    assert ignored[0] == "*"


def test_the_image_is_no_root_and_its_settings_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text("utf-8")
    assert re.findall(r"^USER (\S+)$", dockerfile, re.MULTILINE) == ["10001:10001"]
    assert re.search(r"^FROM python:\d+\.\d+\.\d+-", dockerfile, re.MULTILINE)
    for key, value in SERVICES["sensor"]["environment"].items():
        monkeypatch.setenv(key, re.sub(r"\$\{\w+:-(\w+)\}", r"\1", str(value)))
    (tmp_path / "monitor.toml").write_text("")
    settings = load_settings(tmp_path / "monitor.toml")
    assert (settings.metrics.address, settings.metrics.port) == ("172.30.77.1", 9464)
    assert settings.store.url == "http://sensor@127.0.0.1:8123/monitor"
    assert settings.live.interfaces == ("eth0",)
    assert settings.store.spool == Path("/var/lib/monitor/spool")


def start(folder: Path, **environment: str) -> None:
    command = [
        sys.executable,
        DEPLOY / "compose/first_start.py",
        "--given",
        folder / "given",
        "--volumes",
        folder / "v",
    ]
    subprocess.run(list(map(str, command)), check=True, env={**os.environ, **environment}, timeout=60)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to the users of the images: needs root")
def test_the_first_start_makes_passwords_once_each_for_its_reader_alone(tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "given/slack_url").write_text("https://hooks.example/1\n")
    (tmp_path / "v").mkdir()
    start(tmp_path, CHATS="slack email", CHAT_LANGUAGE="ja")
    made = {str(file.relative_to(tmp_path / "v")): file for file in (tmp_path / "v").rglob("*") if file.is_file()}
    owners = {
        "owner/store-password": 10001,
        "sensor/store-password": 10001,
        "grafana/grafana_clickhouse_password": 472,
        "grafana/admin_password": 472,
        "clickhouse/monitor.xml": 101,
        "alertmanager/secrets/slack_url": 65534,
        "relay/slack_url": 10001,
    }
    for name, owner in owners.items():
        facts = made[name].stat()
        assert (facts.st_uid, stat.S_IMODE(facts.st_mode)) == (owner, 0o400), name
    passwords = [made[name].read_text() for name in owners if "password" in name]
    assert len(set(passwords)) == len(passwords)
    assert all(len(word) >= 40 for word in passwords)

    users = {user.tag: user for user in ET.parse(made["clickhouse/monitor.xml"]).getroot().find("users") or ()}
    assert users["default"].get("remove") == "remove"
    for user, place in (("sensor", "sensor/store-password"), ("grafana", "grafana/grafana_clickhouse_password")):
        digest = hashlib.sha256(made[place].read_bytes()).hexdigest()
        assert users[user].findtext("password_sha256_hex") == digest
        assert digest not in passwords
    asked = [query.text for query in users["grafana"].iter("query")]
    assert all(str(query).startswith("GRANT SELECT ON") for query in asked)
    may_read = {str(query).rpartition(".")[2] for query in asked}
    read = {word for one in sql_queries() for word in re.findall(r"\bFROM ([a-z_.]+)", one.text)}
    assert {word.rpartition(".")[2] for word in read} <= may_read
    assert "audit" not in may_read

    config = made["alertmanager/alertmanager.yml"]
    subprocess.run(["amtool", "check-config", config], check=True, capture_output=True, timeout=60)
    assert "monitor.title.ja" in config.read_text()

    start(tmp_path, CHATS="slack")
    assert [made[name].read_text() for name in owners if "password" in name] == passwords
    assert "email_configs" not in config.read_text()


def test_the_stores_tests_meet_the_released_server_as_the_user_that_they_know() -> None:
    tests = yaml.safe_load((DEPLOY / "compose.tests.yaml").read_text("utf-8"))["services"]
    pinned = SERVICES["clickhouse"]["image"].partition(":")[2]
    assert tests["clickhouse"]["image"].partition(":")[2] == f"${{CLICKHOUSE_VERSION:-{pinned}}}"
    assert not any("ports" in service for service in tests.values())
    for mount in tests["clickhouse"]["volumes"]:
        assert (DEPLOY / mount.split(":")[0]).exists(), mount
    (user,) = [user for user in ET.parse(DEPLOY / "compose/tests-users.xml").getroot().find("users") or () if user.text]
    known = (DEPLOY.parent / "tests/store/conftest.py").read_text("utf-8")
    assert f'USER, PASSWORD = "{user.tag}", "{user.findtext("password")}"' in known
    for path in tests["tests"]["entrypoint"][3:]:
        assert (DEPLOY.parent / path).exists(), path
    variable, url = next(item for item in tests["tests"]["environment"].items() if item[0].startswith("MONITOR_"))
    assert f'"{variable}"' in known
    assert url == "http://clickhouse:8123"


@pytest.mark.parametrize("name", ["compose.yaml", "compose.tests.yaml"])
@pytest.mark.skipif(shutil.which("docker") is None, reason="docker is not installed")
def test_docker_takes_the_file(name: str) -> None:
    if subprocess.run(["docker", "compose", "version"], capture_output=True, timeout=60).returncode:
        pytest.skip("docker compose is not installed")
    command = ["docker", "compose", "-f", DEPLOY / name, "config", "--quiet"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
