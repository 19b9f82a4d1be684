"""The outermost layer: who is let in, and where to; whatever breaks behind it, no stack trace gets out."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hilander.serving.refusals import FAULT, Refusal
from hilander.serving.tokens import Tokens

logger = logging.getLogger(__name__)

PROBES = frozenset({"/livez", "/readyz", "/healthz"})
_FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-real-ip")  # a proxy on this machine speaks for somebody else


class Gate:
    """ASGI application that lets the right callers through to another one.

    Unknown paths end here, before BentoML's metrics, which keep a label for every path that was ever asked for.

    Parameters
    ----------
    app : ASGI application
    paths : collection of str
        What there is; a trailing ``*`` stands for everything below.
    tokens : callable
        Returns the tokens in force.
    """

    def __init__(self, app: ASGIApp, paths: Collection[str], tokens: Callable[[], Tokens]) -> None:
        self.app, self.tokens = app, tokens
        self._exact = {path for path in paths if not path.endswith("*")}
        self._prefixes = tuple(path[:-1] for path in paths if path.endswith("*"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        started = False

        async def send_safely(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start" and message["status"] != 500:
                started = True
                message["headers"] = [*message.get("headers", []), (b"x-content-type-options", b"nosniff")]
            if started:  # Starlette and BentoML answer 500 in words of their own, and raise only then
                await send(message)

        try:
            self._check(scope)
            await self.app(scope, receive, send_safely)
        except Refusal as refusal:
            await refusal.response()(scope, receive, send_safely)
        except Exception:
            logger.exception("%s %s failed", scope["method"], scope["path"])
        if not started:
            await Refusal(500, FAULT, {"X-Content-Type-Options": "nosniff"}).response()(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        path = scope["path"]
        if path in PROBES:
            return
        tokens, headers = self.tokens(), dict(scope["headers"])
        if not (tokens.current().open_on_loopback and _is_local(scope, headers)):
            scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
            if scheme.lower() != "bearer" or tokens.owner(token.strip()) is None:
                raise Refusal(
                    401,
                    "the header Authorization must hold 'Bearer TOKEN' with a token that is known here; ask whoever "
                    "runs the service for one",
                    {"WWW-Authenticate": "Bearer"},
                )
        if path not in self._exact and not path.startswith(self._prefixes or ("\0",)):
            raise Refusal(404, "there is no such path here; /docs.json lists those that there are")


def _is_local(scope: Scope, headers: dict[bytes, bytes]) -> bool:
    if any(name in headers for name in _FORWARDED):
        return False
    try:
        return ipaddress.ip_address((scope.get("client") or ("",))[0]).is_loopback
    except ValueError:
        return False
