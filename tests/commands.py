"""The type of the `run` fixture, which runs a command of ours as a user would."""

from __future__ import annotations

from collections.abc import Callable

Run = Callable[..., tuple[int, str, str]]
"""From the arguments of `monitor` to its exit status, stdout and stderr."""
