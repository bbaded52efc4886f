"""Turns what Alertmanager's webhook sends into the request that a chat takes which Alertmanager cannot speak to itself.

Microsoft Teams (Workflows), LINE WORKS (incoming webhook), Chatwork. Sending is up to `relay`; the chats that
Alertmanager knows (Slack, Mattermost, Discord, mail) are templated in deploy/alertmanager. Standard library only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

LONGEST = 1000
"""Characters of a message's text: LINE WORKS takes no more."""

_WORDS = {
    "en": {
        "firing": "OPEN",
        "resolved": "ENDED",
        "host": "Host",
        "peer": "Peer",
        "why": "Why",
        "since": "Since",
        "ended": "Ended",
        "attack": "ATT&CK",
        "sensor": "Sensor",
        "incident_url": "Incident",
        "dashboard_url": "Dashboard",
        "runbook_url": "Runbook",
    },
    "ja": {
        "firing": "発生",
        "resolved": "終了",
        "host": "端末",
        "peer": "相手",
        "why": "理由",
        "since": "発生時刻",
        "ended": "終了時刻",
        "attack": "ATT&CK",
        "sensor": "センサー",
        "incident_url": "インシデント",
        "dashboard_url": "ダッシュボード",
        "runbook_url": "手順書",
        "critical": "緊急",
        "high": "高",
        "medium": "中",
        "low": "低",
    },
}
LANGUAGES = tuple(_WORDS)
_LINKS = ("incident_url", "dashboard_url", "runbook_url")
_PLAIN = str.maketrans({"<": "‹", ">": "›", "&": "＆", "@": "＠", "`": "'", "|": "¦", "*": "∗", "[": "(", "]": ")"})
"""What a chat could take for a mention, a link or a tag; the same as `monitor.safe` in the templates."""


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP POST but for its address."""

    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Message:
    """What people are told."""

    title: str
    facts: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...]
    firing: bool

    @property
    def text(self) -> str:
        """Facts and links, one a line; facts are cut before links are."""
        links = "\n".join(f"{name}: {url}" for name, url in self.links)
        facts = "\n".join(f"{name}: {value}" for name, value in self.facts)
        room = LONGEST - len(links) - 1
        return (facts if len(facts) <= room else facts[: room - 1] + "…") + "\n" + links


def safe(text: str) -> str:
    """Text from the wire without mentions, links and marks of any chat."""
    return text.translate(_PLAIN).replace("://", "(:)//")


def message(payload: object, language: str) -> Message:
    """The message of one notification (Alertmanager's webhook, version 4). Raises ValueError when it is none."""
    words = _WORDS[language]
    given = payload if isinstance(payload, dict) else {}
    alerts = given.get("alerts")
    if not isinstance(alerts, list) or not alerts or not all(isinstance(alert, dict) for alert in alerts):
        raise ValueError("no alerts in the notification")
    firing = given.get("status") == "firing"
    first = _strings(alerts[0].get("annotations"))
    severity = _strings(alerts[0].get("labels")).get("severity", "")
    summary = _in(language, first, "summary")
    facts = [fact for alert in alerts for fact in _facts(alert, language)]
    links = tuple((words[name], _page(language, first[name])) for name in _LINKS if first.get(name))
    more = f" (+{len(alerts) - 1})" if len(alerts) > 1 else ""
    state = words["firing" if firing else "resolved"]
    return Message(f"[{state} {words.get(severity, severity)}] {safe(summary)}{more}", tuple(facts), links, firing)


def _facts(alert: Mapping[str, Any], language: str) -> list[tuple[str, str]]:
    labels, notes, words = _strings(alert.get("labels")), _strings(alert.get("annotations")), _WORDS[language]
    known = {
        "host": labels.get("host", ""),
        "peer": notes.get("peer", ""),
        "why": _in(language, notes, "description"),
        "since": notes.get("since") or _local(alert.get("startsAt")),
        "ended": _local(alert.get("endsAt")) if alert.get("status") == "resolved" else "",
        "sensor": labels.get("sensor", ""),
        "attack": notes.get("attack", ""),
    }
    return [(words[name], safe(value)) for name, value in known.items() if value]


def _local(moment: Any) -> str:
    """A time of Alertmanager's as people write it, in the relay's time zone."""
    try:
        return f"{datetime.fromisoformat(str(moment)).astimezone():%Y-%m-%d %H:%M:%S %Z}"
    except (ValueError, OverflowError):
        return "" if moment is None else str(moment)


def _page(language: str, url: str) -> str:
    """The address; of a runbook (`.md`) that of its Japanese page, where that is the language."""
    return url.removesuffix(".md") + ".ja.md" if language == "ja" and url.endswith(".md") else url


def _in(language: str, annotations: Mapping[str, str], name: str) -> str:
    """An annotation in the language, where there is one."""
    return (annotations.get(f"{name}_ja", "") if language == "ja" else "") or annotations.get(name, "")


def _strings(given: Any) -> dict[str, str]:
    return {str(key): str(value) for key, value in given.items()} if isinstance(given, Mapping) else {}


def teams(told: Message, token: str) -> Request:
    """An Adaptive Card for the trigger "When a Teams webhook request is received" of Workflows."""
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            {
                "type": "TextBlock",
                "text": told.title,
                "weight": "Bolder",
                "size": "Medium",
                "wrap": True,
                "color": "Attention" if told.firing else "Good",
            },
            {"type": "FactSet", "facts": [{"title": name, "value": value} for name, value in told.facts]},
        ],
        "actions": [{"type": "Action.OpenUrl", "title": name, "url": url} for name, url in told.links],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return _json({"type": "message", "attachments": [attachment]})


def lineworks(told: Message, token: str) -> Request:
    """Title, text and one button, as an incoming webhook of LINE WORKS takes them."""
    said: dict[str, Any] = {"title": told.title, "body": {"text": told.text}}
    if told.links:
        name, url = told.links[0]
        said["button"] = {"label": name, "url": url}
    return _json(said)


def chatwork(told: Message, token: str) -> Request:
    """A form for POST /v2/rooms/ROOM/messages of Chatwork; the token goes into a header."""
    body = f"[info][title]{told.title.translate(_NO_TAGS)}[/title]{told.text.translate(_NO_TAGS)}[/info]"
    form = urlencode({"body": body, "self_unread": "1"}).encode()
    return Request(form, {"Content-Type": "application/x-www-form-urlencoded", "X-ChatWorkToken": token})


_NO_TAGS = str.maketrans({"[": "（", "]": "）"})
"""Chatwork's own tags are in square brackets."""


def _json(value: Any) -> Request:
    return Request(json.dumps(value).encode(), {"Content-Type": "application/json"})


CHATS: dict[str, Callable[[Message, str], Request]] = {"teams": teams, "lineworks": lineworks, "chatwork": chatwork}
"""The chats by the path under which the relay takes their notifications."""
