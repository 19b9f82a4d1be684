"""The outermost layer: who is let in, and where to; whatever breaks behind it, no stack trace gets out."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Collection
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hilander.serving.refusals import FAULT, Refusal, wrong_type
from hilander.serving.tokens import Tokens

logger = logging.getLogger(__name__)

PROBES = frozenset({"/livez", "/readyz", "/healthz"})
_FORWARDED = (b"forwarded", b"x-forwarded-", b"x-real-ip", b"via")  # a proxy on this machine speaks for somebody else


class Gate:
    """ASGI application that lets the right callers through to another one.

    Unknown paths end here, before BentoML's metrics, which keep a label for every path that was ever asked for.

    Parameters
    ----------
    app : ASGI application
    paths : collection of str
        What there is.
    tokens : callable
        Returns the tokens in force.
    """

    def __init__(self, app: ASGIApp, paths: Collection[str], tokens: Callable[[], Tokens]) -> None:
        self.app, self.tokens = app, tokens
        self._paths = frozenset(paths)

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
        path, headers = scope["path"], dict(scope["headers"])
        if not headers.get(b"content-type", b"").isascii():  # BentoML's log would break off the answer
            raise wrong_type("the Content-Type may hold ASCII alone; send the type of the body as /docs.json lists it")
        if path in PROBES:
            return
        tokens = self.tokens()
        scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if scheme.lower() != "bearer" or tokens.owner(token.strip()) is None:
            if not (tokens.current().open_on_loopback and _is_local(scope, headers)):
                raise Refusal(
                    401,
                    "the header Authorization must hold 'Bearer TOKEN' with a token that is known here; ask whoever "
                    "runs the service for one",
                    {"WWW-Authenticate": "Bearer"},
                )
            _check_no_other_site(headers)
        if path not in self._paths:
            raise Refusal(404, "there is no such path here; /docs.json lists those that there are")


def _is_local(scope: Scope, headers: dict[bytes, bytes]) -> bool:
    if any(name.startswith(_FORWARDED) for name in headers):
        return False
    try:
        return ipaddress.ip_address((scope.get("client") or ("",))[0]).is_loopback
    except ValueError:
        return False


def _check_no_other_site(headers: dict[bytes, bytes]) -> None:
    """Refuse what a browser on this machine sends on behalf of another site's page.

    Such a page's name may have been made to mean this machine (DNS rebinding), but still stands in Host.
    """
    for header in ("Host", "Origin"):
        named = headers.get(header.lower().encode(), b"").decode("latin-1")
        if named and not _names_this_machine(named):
            raise Refusal(
                403,
                f"without a token the header {header} must name this machine, as localhost or 127.0.0.1, got "
                f"{named[:150]!r}; call it by that name, or send a token",
            )


def _names_this_machine(named: str) -> bool:
    try:
        host = urlsplit(named if "://" in named else f"//{named}").hostname or ""
        if host == "localhost":
            return True
        address = ipaddress.ip_address(host)
    except ValueError:  # another name, or none at all
        return False
    return address.is_loopback or address.is_unspecified  # 0.0.0.0, which the service may have been bound to
