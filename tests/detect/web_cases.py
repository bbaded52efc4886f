"""Flows for the hunts of downloads, callbacks, throw-away names and odd certificates; and the twins that stay quiet."""

from __future__ import annotations

from collections.abc import Mapping

from hunt_flows import SCANNER, SERVER, VICTIM, Case, Flow, call

UNKNOWN = "203.0.113.99"
BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Gecko/20100101 Firefox/140.0"


def _web(start: float = 5.0, **more: object) -> Flow:
    page: Flow = {
        "dst_port": 80, "service": "http", "http_method": "GET", "http_status": 200, "http_uri": "/index.html",
        "server_name": "files.example.net", "user_agent": BROWSER, "src_payload": 400, "dst_payload": 90_000, **more,
    }  # fmt: skip
    return call(SCANNER, str(more.get("dst_ip", SERVER)), start, **page)


def _download(**more: object) -> Case:
    return lambda: [_web(http_uri="/up/Setup7.exe", **more)] if "http_uri" not in more else [_web(**more)]


def _posts(count: int = 4, **more: object) -> Case:
    sent: Flow = {"http_method": "POST", "http_uri": "/x/k7.php", "dst_payload": 300, **more}
    return lambda: [_web(5.0 + 17.0 * n, **sent) for n in range(count)]


def _tool_posts(**more: object) -> Case:
    by_tool: Flow = {"server_name": SERVER, "user_agent": "python-requests/2.32", "http_uri": "/report", **more}
    return _posts(4, **by_tool)


def _named(name: str, **more: object) -> Case:
    return lambda: [call(SCANNER, SERVER, 5.0, server_name=name, **more)]


def _looked_up(name: str, **more: object) -> Case:
    question: Flow = {
        "proto": 17, "dst_port": 53, "service": "dns", "history": "Dd", "src_payload": 40, "dst_payload": 56,
        "dns_query": name, "dns_type": "A", "dns_rcode": "NOERROR", "dns_answers": ["198.51.100.7"], **more,
    }  # fmt: skip
    return lambda: [call(SCANNER, "192.168.1.53", 5.0, **question)]


def _certified(*names: str, **more: object) -> Case:
    given: Flow = {"cert_names": [*names], "dst_port": 443, "src_payload": 900, "dst_payload": 4000, **more}
    return lambda: [call(SCANNER, UNKNOWN, 5.0, **given)]


def _with_look_up() -> list[Flow]:
    return [*_looked_up("old.example.com", dns_answers=[UNKNOWN])(), *_certified("oldserver")()]


def _also_by_name() -> list[Flow]:
    return [*_certified("fallback")(), *_certified("fallback", server_name="www.example.com")()]


WEB_FIRES: Mapping[str, Mapping[str, Case]] = {
    "program_download": {
        "program": _download(), "by java": _download(http_uri="/a/9f2k", user_agent="Mozilla/4.0 Java/1.7.0_21"),
        "tool from an address": _download(http_uri="/payload", server_name=SERVER, user_agent="curl/8.1"),
        "inside, from an address": _download(dst_ip=VICTIM, server_name=VICTIM),
    },
    "web_callback": {
        "only posts": _posts(), "a script to an address": _tool_posts(),
        "default path": lambda: [_web(n * 9.0, http_uri="/news.asp", server_name=SERVER) for n in range(4)],
        "a kit's gate": lambda: [_web(http_uri="/11/gate.php")],
    },
    "throwaway_name": {
        "dynamic": _named("office.duckdns.org"), "looked up": _looked_up("cam7.hopto.org"),
        "drawn by lot": _named("db54a845.top"),
    },
    "odd_certificate": {
        "a word": _certified("Server"), "a kit": _certified("AsyncRAT Server", dst_port=6606),
        "another address": _certified("198.51.100.77"),
    },
}  # fmt: skip
WEB_QUIET: Mapping[str, Mapping[str, Case]] = {
    "program_download": {
        "a publisher": _download(server_name="ds.download.windowsupdate.com"),
        "a page": _download(http_uri="/exe.html"),
        "not there": _download(http_status=404), "a named server inside": _download(dst_ip=VICTIM),
        "a tool by name": _download(http_uri="/list.txt", user_agent="Wget/1.13"),
        "a small answer": _download(dst_payload=300),
        "what keeps all up to date": lambda: [
            {**row, "src_ip": f"192.168.1.{n}"} for n in range(10) for row in _download(user_agent="Updater/2")()],
    },
    "web_callback": {
        "two forms": _posts(2), "pages between": lambda: [*_posts()(), _web()],
        "everybody does": lambda: [{**row, "src_ip": f"192.168.1.{n}"} for n in range(3) for row in _posts()()],
        "certificate status": _posts(http_uri="/ocsp.php"), "a browser to an address": _tool_posts(user_agent=BROWSER),
        "news": lambda: [_web(n * 99.0, http_uri="/news.php") for n in range(5)],
        "reports of a page": lambda: [_web(http_uri="/beacon", http_method="POST")] * 5,
    },
    "throwaway_name": {
        "a usual name": _named("www.example.org"), "words": _named("flowershop.top"),
        "no such name": _looked_up("cam7.hopto.org", dns_rcode="NXDOMAIN", dns_answers=[]),
        "everybody does": lambda: [
            {**row, "src_ip": f"192.168.1.{n}"} for n in range(3) for row in _named("a.ddns.net")()],
        "drawn by lot elsewhere": _named("d1a2b3c4e5f6.cloudfront.net"),
    },
    "odd_certificate": {
        "a domain": _certified("*.example.com"), "asked by name": _certified("Server", server_name="www.example.com"),
        "its own address": _certified(UNKNOWN), "a look-up before": _with_look_up, "by name as well": _also_by_name,
        "rdp": _certified("OFFICE-PC", service="rdp", dst_port=3389), "inside": lambda: [
            {**row, "dst_ip": VICTIM} for row in _certified("printer")()],
    },
}  # fmt: skip
