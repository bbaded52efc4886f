"""Zeek's logs -> flow records in the columns of `flows.schema`; they are scored, stored and hunted as any others."""

from __future__ import annotations

from monitor.zeek.logs import LogError, logs_in
from monitor.zeek.records import ZeekFlows

__all__ = ["LogError", "ZeekFlows", "logs_in"]
