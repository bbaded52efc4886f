"""Checks the hunts and writes the list of them in docs/hunts.md: `python -m monitor.detect.lint [--write]`.

A hunt must load, have runbooks in both languages, and parse in the engine. That each has cases in which it fires and
twins in which it does not is for `tests/detect/test_hunts.py`. Prints what is wrong; exit status 1 when something is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from monitor.detect.hunt import ANOMALY, Hunt, HuntError, load_hunt, load_hunts

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "hunts.md"
MARK = "<!-- Written by `python -m monitor.detect.lint --write`: change the headers of the hunts. -->\n"


def faults(hunts: Sequence[Hunt], root: Path = ROOT) -> Iterator[str]:
    """What is wrong with the hunts, one sentence each; an embedded engine is asked whether it can run each."""
    from monitor.detect.finding import find_incidents
    from monitor.store import StoreError, open_store

    for hunt in hunts:
        english = root / hunt.runbook
        for page in (english, english.with_suffix(".ja.md")):
            if not page.is_file():
                yield f"{hunt.id}: the runbook {page.relative_to(root)} is missing"
        if not hunt.reasons and hunt.id != ANOMALY.stem:
            yield f"{hunt.id}: no reason is given"
        for reason in hunt.reasons:
            if not reason.japanese:
                yield f"{hunt.id}: no `reason_ja` below {reason.template!r}"
        if "ORDER BY" not in hunt.sql.rpartition("FROM")[2]:
            yield f"{hunt.id}: its rows have no order"
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    with open_store("none") as store:
        for hunt in hunts:
            try:
                find_incidents(store, "lint", p_cut=0, hunts=[hunt], since=moment, until=moment)
            except (StoreError, HuntError) as error:
                yield f"{hunt.id}: {str(error)[:400]}"


def listing(hunts: Sequence[Hunt]) -> str:
    """Table of the hunts in Markdown, from their headers."""
    rows = ["| hunt | what it finds | 名称 | severity | ATT&CK |", "|---|---|---|---|---|"]
    for hunt in hunts:
        page = Path(hunt.runbook).name
        attack = ", ".join(hunt.attack)
        rows.append(f"| [`{hunt.id}`](runbooks/{page}) | {hunt.title} | {hunt.title_ja} | {hunt.severity} | {attack} |")
    return "\n".join(rows) + "\n"


def page_with(text: str, hunts: Sequence[Hunt]) -> str:
    """The page with its list as it must be. Raises ValueError when the mark is missing."""
    before, mark, _ = text.partition(MARK)
    if not mark:
        raise ValueError(f"{PAGE}: the line {MARK!r} is missing")
    return f"{before}{mark}\n{listing(hunts)}"


def main(arguments: Sequence[str]) -> int:
    """Command line."""
    try:
        hunts = load_hunts()
        wrong = list(faults((load_hunt(ANOMALY), *hunts)))
    except HuntError as error:
        print(error, file=sys.stderr)
        return 1
    text = PAGE.read_text("utf-8")
    wanted = page_with(text, hunts)
    if "--write" in arguments:
        PAGE.write_text(wanted, "utf-8")
    elif text != wanted:
        wrong.append("docs/hunts.md: the list is not up to date: python -m monitor.detect.lint --write")
    print("\n".join(wrong), end="\n" if wrong else "", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
