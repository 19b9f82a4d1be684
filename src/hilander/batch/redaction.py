"""URLs without the secrets that people put into them."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote

HIDDEN = "•••"
_URL = re.compile(
    r"(?P<scheme>[a-zA-Z][\w+.-]*://)"
    r"(?P<user>[^/\s@:]*:(?:(?!//)[^\s@])*@|[^/\s@]*@)?"  # a password may hold a slash: cloud keys do
    r"(?P<rest>(?:(?!::[a-zA-Z][\w+.-]*://)[^\s?#'\"<>])*)"  # up to the next of chained URLs
    r"(?P<query>[?#][^\s'\"<>]*)?"
)
_SHORTEST = 4  # characters: shorter values would black out ordinary words


def redact(text: object, *, secrets_of: str = "") -> str:
    """Return `text` with user, password, query and fragment of every URL in it hidden; a query keeps its names.

    Bytes of a file's name that are no UTF-8 become question marks, so that every report and log can hold what is
    returned.

    Parameters
    ----------
    text : object
        A URL, or a message that quotes one.
    secrets_of : str, optional
        A URL whose secrets are hidden wherever `text` spells them out, in quoted form or not.

    Examples
    --------
    >>> redact("s3://me:pass/word@bucket/faces.npy")
    's3://•••@bucket/faces.npy'
    >>> redact("GET https://host/faces.npy?X-Amz-Signature=0a1b&v=2 failed")
    'GET https://host/faces.npy?X-Amz-Signature=•••&v=••• failed'
    """
    printable = str(text).encode("utf-8", "replace").decode("utf-8")
    redacted = _URL.sub(_without_secrets, printable)
    for secret in sorted(_secrets(secrets_of), key=len, reverse=True):
        redacted = redacted.replace(secret, HIDDEN)
    return redacted


def _without_secrets(url: re.Match[str]) -> str:
    user = f"{HIDDEN}@" if url["user"] else ""
    return f"{url['scheme']}{user}{url['rest']}{_without_values(url['query'] or '')}"


def _without_values(query: str) -> str:
    if not query:
        return ""
    fields = [field.partition("=") for field in query[1:].split("&")]
    return query[0] + "&".join(f"{name}={HIDDEN}" if equals else HIDDEN for name, equals, _ in fields)


def _secrets(source: str) -> set[str]:
    found: set[str] = set()
    for url in _URL.finditer(source):
        user, query = (url["user"] or "")[:-1], (url["query"] or "")[1:]
        raw = [user, *user.split(":", 1), *(field.partition("=")[2] or field for field in query.split("&"))]
        found.update(raw, map(unquote, raw), (value for _, value in parse_qsl(query)))
    return {secret for secret in found if len(secret) >= _SHORTEST}
