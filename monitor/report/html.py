"""Renders the HTML reports: one file each, no script, nothing from elsewhere; every value escaped.

What is in them is in `facts`; words are in `phrases`, plots in `plots`, the pages in `templates`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from shlex import quote
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from monitor.report import plots
from monitor.report.escape import printable
from monitor.report.facts import Facts
from monitor.report.phrases import Language, words
from monitor.report.reasons_ja import reason_ja
from monitor.report.terminal import byte_count

_UNITS = {"en": ("d", "h", "min", "s"), "ja": ("日", "時間", "分", "秒")}
_SEVERITIES = ("critical", "high", "medium", "low")


def traffic_report(facts: Facts, *, language: Language = "en") -> str:
    """The report of a replay, or of one incident when that is all there is and no capture was read."""
    said = words(language)
    listed = [one.incident for one in facts.evidence] + list(facts.others)
    return render(
        "traffic.html",
        language,
        facts=facts,
        title=said["report" if facts.account or not facts.evidence else "incident_report"],
        counts={name: n for name in _SEVERITIES if (n := sum(one["severity"] == name for one in listed))},
        total=len(listed),
        undecoded=_undecoded(facts),
        plots=plots,
    )


def write_page(path: Path, page: str) -> None:
    """Put the page in its place, whole or not at all. Raises OSError."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(page, encoding="utf-8")
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def render(template: str, language: Language, **values: Any) -> str:
    """A page of that template, with the words of the language; controls and turned directions made visible."""
    environment = _environment()
    said = words(language)
    page = environment.get_template(template).render(
        w=said,
        lang=language,
        span=lambda seconds: span(seconds, language),
        say=_sayer(said),
        **values,
    )
    return "\n".join(printable(line) for line in page.split("\n"))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("monitor.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "bytes": byte_count,
        "count": lambda n: f"{n:,}",
        "moment": moment,
        "style": Markup,
        "carve_command": carve_command,
        "reason_in": lambda reason, language: reason_ja(reason) if language == "ja" else reason,
    }
    return environment


def _sayer(said: Mapping[str, str]) -> Any:
    """Gives a sentence with its values put in; escaping comes after."""
    return lambda key, **values: said[key].format(**values)


def carve_command(facts: Facts, incident: Mapping[str, Any]) -> str:
    """The command that gets an incident's packets, ready for a shell; without a store by its ends and its time."""
    files = [quote(printable(name)) for name in facts.sources] or ["CAPTURE"]
    output = f"-o {incident['incident_id']}.pcapng"
    if facts.store == "none":
        ends = [f"--host {quote(printable(incident['host']))}"]
        ends += [f"--peer {quote(printable(incident['peer']))}"] if incident["peer"] else []
        until = incident["last_seen"] + timedelta(seconds=1)
        span = f"--since {_option(incident['first_seen'])} --until {_option(until)}"
        return f"monitor carve {' '.join(files)} {' '.join(ends)} {span} {output}"
    store = f" --store {quote(printable(facts.store))}" if "store.url" in facts.settings else ""
    return f"monitor carve {' '.join(files)} --incident {incident['incident_id']}{store} {output}"


def _option(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def moment(time: datetime | None, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """A time in UTC; a dash where there is none."""
    return f"{time:{form}}" if time else "–"


def span(seconds: float, language: Language) -> str:
    """`2 h 14 min`: the two largest units that are not zero."""
    parts: list[str] = []
    left = round(seconds)
    for size, unit in zip((86_400, 3_600, 60, 1), _UNITS[language], strict=True):
        if left >= size and len(parts) < 2:
            parts.append(f"{left // size} {unit}")
            left %= size
    return " ".join(parts) or f"0 {_UNITS[language][3]}"


def _undecoded(facts: Facts) -> Any:
    """Share of the packets that no flow has, though they are no ordinary control traffic."""
    account = facts.account
    if account is None or not account.packets:
        return 0.0
    ordinary = ("arp", "lldp", "spanning_tree", "llc", "slow_protocols", "eapol", "loopback_test")
    lost = sum(count for reason, count in account.ignored.items() if reason not in ordinary)
    return float(lost + sum(account.dropped.values())) / account.packets
