"""Serves /metrics through prometheus-client from a thread of its own, on loopback unless told otherwise.

What is counted is declared in `monitor.metrics`.
"""

from __future__ import annotations

from types import TracebackType

from prometheus_client import CollectorRegistry, start_http_server


class Exporter:
    """An HTTP server of a registry, for as long as the context lasts. Port 0 takes any free one (see `.port`)."""

    def __init__(self, registry: CollectorRegistry, *, address: str, port: int) -> None:
        """Start to serve. Raises OSError, which names address and port, when they cannot be had."""
        try:
            self._server, self._thread = start_http_server(port, addr=address, registry=registry)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise OSError(
                f"cannot serve metrics on {address}:{port}: {reason}; choose another --metrics-port"
            ) from error
        self.address = address
        self.port: int = self._server.server_port

    def __enter__(self) -> Exporter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop to serve and wait for the thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
