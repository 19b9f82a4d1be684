"""Send requests, from one client or many at once."""

from __future__ import annotations

import threading
from collections.abc import Callable

import httpx

from benchmarks.serving.requests import Request


def send(client: httpx.Client, request: Request) -> str:
    """Return the status, or what became of the request."""
    path, body, media_type = request
    try:
        return str(client.post(path, content=body, headers={"Content-Type": media_type}).status_code)
    except httpx.TransportError as error:
        return type(error).__name__


def in_threads(n: int, call: Callable[[], None]) -> None:
    """Run a call in several threads at once."""
    threads = [threading.Thread(target=call) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
