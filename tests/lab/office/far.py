"""Servers that no package brings: chat over WebSocket, a push service, a relay of meetings, print and syslog sinks.

A plain script for Debian's Python. Usage: python3 -m tests.lab.office.far ROLE FOLDER
"""

from __future__ import annotations

import asyncio
import random
import ssl
import sys
from pathlib import Path

from .plan import PUSH_PORT, RAW_PRINT_PORT, STUN_PORT, SYSLOG_PORT


def _tls(folder: Path, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.crt", folder / "servers.key")
    return context


async def chat(folder: Path) -> None:
    """A room: whatever one says, a few others hear a moment later."""
    from aiohttp import WSMsgType, web  # type: ignore[import-not-found,unused-ignore]

    present: set[web.WebSocketResponse] = set()

    async def room(request: web.Request) -> web.WebSocketResponse:
        line = web.WebSocketResponse()
        await line.prepare(request)
        present.add(line)
        try:
            async for message in line:
                if message.type == WSMsgType.TEXT:
                    heard = random.sample(sorted(present, key=id), k=min(5, len(present)))
                    await asyncio.gather(*(one.send_str(message.data) for one in heard), return_exceptions=True)
        finally:
            present.discard(line)
        return line

    app = web.Application()
    app.router.add_get("/room", room)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=443, ssl_context=_tls(folder, "chat.teamtalk.example"), backlog=1000).start()


async def push(folder: Path) -> None:
    """Answers each keep-alive, and now and then has news for a device."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def news() -> None:
            while True:
                await asyncio.sleep(random.expovariate(1 / 900))
                writer.write(random.randbytes(random.randint(80, 1500)))

        teller = asyncio.create_task(news())
        try:
            while await reader.read(4096):
                writer.write(b"\x00\x0a" + random.randbytes(10))
        except OSError:
            pass
        finally:
            teller.cancel()
            writer.close()

    await asyncio.start_server(serve, port=PUSH_PORT, ssl=_tls(folder, "push.mobile.example"), backlog=1000)


class Relay(asyncio.DatagramProtocol):
    """Answers STUN binding requests (RFC 5389) and sends media back as another's would come."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to send."""
        self.out = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """A binding request is answered; whatever else is media."""
        if data[:2] == b"\x00\x01" and len(data) >= 20:
            port = (addr[1] ^ 0x2112).to_bytes(2, "big")
            mapped = bytes(int(part) ^ key for part, key in zip(addr[0].split("."), b"\x21\x12\xa4\x42", strict=True))
            data = b"\x01\x01\x00\x0c" + data[4:20] + b"\x00\x20\x00\x08\x00\x01" + port + mapped
        self.out.sendto(data, addr)  # type: ignore[attr-defined]


class Sink(asyncio.DatagramProtocol):
    """Takes log lines."""


async def printers(_: Path) -> None:
    """Raw printing: read to the end, and say nothing."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            pass
        writer.close()

    await asyncio.start_server(serve, port=RAW_PRINT_PORT)


async def _main() -> None:
    role, folder = sys.argv[1], Path(sys.argv[2])
    loop = asyncio.get_running_loop()
    if role == "meeting":
        await loop.create_datagram_endpoint(Relay, local_addr=("0.0.0.0", STUN_PORT))
    elif role == "watch":
        await loop.create_datagram_endpoint(Sink, local_addr=("0.0.0.0", SYSLOG_PORT))
    else:
        await {"chat": chat, "push": push, "printers": printers}[role](folder)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
