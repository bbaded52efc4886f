"""The programs that we are measured against, installed where they are missing, and how each of them is run.

NFStream gets an environment of its own, since its pins are not ours; softflowd is Debian's package. Nothing here
measures.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.inputs import cache

NFSTREAM_PINS = (
    "nfstream==6.6.0", "cffi==2.1.1", "dpkt==1.9.8", "numpy==2.4.6", "pandas==3.1.1", "psutil==7.2.2",
    "pycparser==3.12", "python-dateutil==4.0.0", "tzdata==2026.6",
)  # fmt: skip
"""NFStream and what it needs, as measured."""

OUTLIER_PINS = (*NFSTREAM_PINS, "pyod==3.6.7", "scikit-learn==1.9.1")
"""NFStream beside the outlier detectors of PyOD and scikit-learn."""

NFSTREAM = """\
import sys
from nfstream import NFStreamer
if __name__ == "__main__":
    flows = packets = 0
    for flow in NFStreamer(source=sys.argv[1], n_dissections=0, statistical_analysis=True):
        flows += 1
        packets += flow.bidirectional_packets
    print(flows, packets)
"""
"""Bare metering: no DPI, statistics on; the flows are only counted. Prints flows and packets."""

PYSHARK = """\
import sys
import pyshark
packets = transport = 0
with pyshark.FileCapture(sys.argv[1], keep_packets=False) as capture:
    for packet in capture:
        packets += 1
        transport += packet.transport_layer is not None
print(packets, transport)
"""
"""Dissects every packet and looks at its transport layer. Prints packets, and those with one."""


def nfstream(capture: Path) -> list[str | Path]:
    """Command that meters `capture` with NFStream; makes its environment first when it is missing."""
    return [_environment("nfstream", NFSTREAM_PINS), "-c", NFSTREAM, capture]


def outliers() -> list[str | Path]:
    """Command that runs `benchmarks/outliers.py`: plain outlier detectors on NFStream's features."""
    return [_environment("outliers", OUTLIER_PINS), Path(__file__).with_name("outliers.py")]


def _environment(name: str, pins: tuple[str, ...]) -> Path:
    """Python of an environment with just these packages, made when it is missing or has others."""
    environment = cache() / name
    python = environment / "bin" / "python"
    ready = environment / "ready"
    if not ready.exists() or ready.read_text() != "\n".join(pins):
        print(f"peers: making the environment {name}", file=sys.stderr)
        shutil.rmtree(environment, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        subprocess.run([python, "-m", "pip", "install", "-qq", *pins], check=True)
        ready.write_text("\n".join(pins))
    return python


def pyshark(capture: Path) -> list[str | Path]:
    """Command that dissects `capture` with pyshark, which is among our own dependencies."""
    return [sys.executable, "-c", PYSHARK, capture]


def softflowd(capture: Path, port: int, *, flows: int | None = None) -> list[str | Path]:
    """Command that meters `capture` with softflowd as fast as it reads, exporting IPFIX to a loopback port.

    `flows`: size of its table; None: its default of 8,192, with which it is fastest. No control socket (`-c none`):
    with one, version 1.1.0 waits for it forever when it reads a file.
    """
    _install("softflowd")
    command: list[str | Path] = ["softflowd", "-d", "-6", "-b", "-v", "10", "-n", f"127.0.0.1:{port}"]
    command += ["-c", "none", "-p", cache() / "softflowd.pid", "-r", capture]
    return command if flows is None else [*command, "-m", str(flows)]


@contextlib.contextmanager
def collector() -> Iterator[int]:
    """A UDP port on loopback that takes what is sent and never reads it: exporting costs its sender only."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.bind(("127.0.0.1", 0))
        yield sink.getsockname()[1]


def _install(program: str) -> None:
    packages = Path(__file__).resolve().parents[1] / "tests" / "debian-packages"
    subprocess.run([packages, f"{program}={program}"], check=True)
