"""A page of ours in headless Chromium: what it says on the console, whether it fits, what axe says of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed (tests/install-tools)")
_QUIET = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-gpu")


@contextmanager
def browser() -> Iterator[Any]:
    """A browser without a network."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_QUIET))
        try:
            yield chromium
        finally:
            chromium.close()


@contextmanager
def opened(chromium: Any, path: Path, *, width: int = 1280, scheme: str = "light") -> Iterator[Any]:
    """The page; whatever it asks for beyond itself, or says on the console, fails the test."""
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    said: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: (said.append(f"dialog {dialog.message}"), dialog.dismiss()))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    try:
        yield page
    finally:
        context.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("data:", path.as_uri()))] == []


def overflow(page: Any) -> int:
    """By how many pixels the page is wider than the window."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def cut_in_print(page: Any) -> list[str]:
    """What is wider than an A4 page, and would be cut off on paper."""
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 688, "height": 980})  # A4 less margins of 14 mm, at 96 dots an inch
    script = "[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)"
    return [str(one) for one in page.evaluate(f"{script}.map(e => e.tagName + ' ' + e.textContent.slice(0, 40))")]


def violations(page: Any) -> list[str]:
    """What axe finds, a line each. The page forbids scripts; axe comes in beside its policy."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:120]} ({one['nodes'][0]['failureSummary'][:200]})" for one in found
    ]
