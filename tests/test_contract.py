"""What others build against: the commands with their options, the columns, the fields of an incident, exit statuses.

A name here is a promise to scripts, dashboards and runbooks of the users; to change one is to break them.
"""

from __future__ import annotations

import dataclasses
import re
from functools import cache

import pytest
import typer

from monitor.cli import app
from monitor.detect import Incident
from monitor.flows.schema import NAMES

COMMANDS = {
    "replay": "--store --model --config --run-id --report --format --speed --metrics-port --metrics-hold "
    "--as-of --since --until --compare",
    "flows": "--format -o --config",
    "live": "-i --workers --store --metrics-port --filter --config",
    "train": "-o --store --run-id --since --until --config",
    "evaluate": "--model --labels --format",
    "model list": "--format",
    "model show": "--format",
    "model compare": "--store --since --until --format",
    "model promote": "--into --reason --day --store --force",
    "model rollback": "--into --reason",
    "hunt": "--since --until --watch",
    "incidents list": "--store",
    "incidents show": "--store",
    "incidents suppress": "--store --expires --reason --dry-run",
    "incidents verdict": "--store",
    "incidents verify": "--store",
    "incidents stats": "--store",
    "incidents watch": "--store",
    "inspect": "--flow --incident --format",
    "carve": "--flow --host --incident --since --until -o",
    "report": "--month -o --lang",
    "db init": "--store",
    "db migrate": "--store",
    "db status": "--store",
    "import zeek": "--store",
    "config check": "",
    "config dump": "",
    "doctor": "--format",
}
"""Every command, and options that it has among others."""

COLUMNS = """
sensor run_id flow_id part community_id start end duration src_ip dst_ip src_port dst_port proto vlan tunnel
src_zone dst_zone direction src_packets dst_packets src_bytes dst_bytes src_payload dst_payload state history src_flags
dst_flags src_retransmits dst_retransmits missed_bytes rtt end_reason splt_len splt_iat src_entropy dst_entropy service
server_name alpn tls_version ja4 http_method http_uri http_status user_agent dns_query dns_type dns_rcode dns_answers
dns_ttl ssh_client ssh_server hassh icmp_type icmp_code model_version score p_value reasons
"""

INCIDENT = """
incident_id detector severity host peer first_seen last_seen flows score p_value reasons attack community_ids
"""


@cache
def _commands() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}

    def walk(command: object, name: str) -> None:
        for word, child in getattr(command, "commands", {}).items():
            walk(child, f"{name} {word}".strip())
        if not hasattr(command, "commands"):
            found[name] = {word for option in command.params for word in option.opts}  # type: ignore[attr-defined]

    walk(typer.main.get_command(app), "")
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_and_options_stay(command: str) -> None:
    assert command in _commands()
    assert set(COMMANDS[command].split()) <= _commands()[command]


def test_columns_stay() -> None:
    shapes = {
        f"{side}_{what}_{statistic}"
        for side in ("src", "dst") for what in ("len", "iat") for statistic in ("min", "mean", "std", "max")
    }  # fmt: skip
    assert set(COLUMNS.split()) | shapes <= set(NAMES)


def test_fields_of_an_incident_stay() -> None:
    assert set(INCIDENT.split()) <= {field.name for field in dataclasses.fields(Incident)}


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_option_is_explained(command: str) -> None:
    words = command.split()
    group = typer.main.get_command(app)
    for word in words:
        group = group.commands[word]  # type: ignore[attr-defined]
    assert re.search(r"\w", group.help or ""), f"{command}: no help"
    bare = [p.name for p in group.params if p.param_type_name == "option" and not p.help and p.name != "help"]  # type: ignore[attr-defined]
    assert not bare, f"{command}: options without help: {bare}"
