"""Our own harmless implant: asks its server for work every period, with jitter, missed beats and sleep.

A plain script of the standard library that runs inside a host; it does nothing with the answer. It makes the traffic of
a beacon and is not one: no command is taken, nothing is read from the machine.
"""

from __future__ import annotations

import argparse
import base64
import os
import random
import socket
import ssl
import time
import urllib.error
import urllib.request


def beat_https(url: str, rng: random.Random) -> None:
    """One check-in: a POST with a token of a few dozen bytes, the certificate not looked at."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    token = base64.b64encode(rng.randbytes(48))
    request = urllib.request.Request(url, data=token, headers={"User-Agent": "Mozilla/5.0"})
    try:
        with urllib.request.urlopen(request, timeout=5, context=context) as answer:
            answer.read()
    except (urllib.error.URLError, TimeoutError):
        return


def beat_dns(domain: str, rng: random.Random) -> None:
    """One check-in by name: a fresh label under the domain, so that no cache answers it."""
    try:
        socket.getaddrinfo(f"{rng.randbytes(6).hex()}.{domain}", None, socket.AF_INET)
    except socket.gaierror:
        return


def main() -> None:
    """Beat until `--seconds` have passed; each gap is the period times 1 ± jitter, less the time already used."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url")
    parser.add_argument("--domain")
    parser.add_argument("--period", type=float, default=5.0)
    parser.add_argument("--jitter", type=float, default=0.0)
    parser.add_argument("--missed", type=float, default=0.0, help="share of beats left out")
    parser.add_argument("--sleep", type=float, nargs=2, default=(0.0, 0.0), help="silent from and to, seconds")
    parser.add_argument("--seconds", type=float, default=60.0)
    asked = parser.parse_args()
    rng = random.Random(os.getpid())
    begin = due = time.monotonic()
    while due - begin < asked.seconds:
        time.sleep(max(0.0, due - time.monotonic()))
        asleep = asked.sleep[0] <= due - begin < asked.sleep[1]
        if not asleep and rng.random() >= asked.missed:
            if asked.url:
                beat_https(asked.url, rng)
            if asked.domain:
                beat_dns(asked.domain, rng)
        due += asked.period * rng.uniform(1 - asked.jitter, 1 + asked.jitter)


if __name__ == "__main__":
    main()
