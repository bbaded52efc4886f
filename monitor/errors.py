"""What the user got wrong, for which no stage has an error of its own; the message is one line a problem."""

from __future__ import annotations


class UsageError(ValueError):
    """The command line or a setting asks for what cannot be: exit status 2."""


class InputError(ValueError):
    """What was given to work on cannot be worked on: exit status 1."""
