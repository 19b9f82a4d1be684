"""How the service says no: a status and one sentence that names the field, the limit and the remedy."""

from __future__ import annotations

import re
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse

FAULT = "the service failed on this, which is its own fault; its log says more"
_FOLDERS = re.compile(r"(?<![\w:/.~-])/(?:[^\s'\"]*/)?(?=[^\s/])")  # of an absolute path, and of no URL


class Refusal(Exception):
    """A request that is not served.

    Parameters
    ----------
    status : int
        HTTP status, below 500 wherever the caller can do something about it.
    sentence : str
        What was expected, what came, what to do.
    headers : mapping, optional
    """

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.headers = status, sentence, headers

    def response(self) -> JSONResponse:
        """Return it as ``{"error": sentence}``."""
        return JSONResponse({"error": self.sentence}, status_code=self.status, headers=self.headers)


def invalid(sentence: str) -> Refusal:
    """Refuse what was understood and cannot be served."""
    return Refusal(422, sentence)


def too_large(sentence: str) -> Refusal:
    """Refuse what goes beyond a limit of size."""
    return Refusal(413, sentence)


def wrong_type(sentence: str) -> Refusal:
    """Refuse a body of another format."""
    return Refusal(415, sentence)


def overloaded(sentence: str) -> Refusal:
    """Refuse for now."""
    return Refusal(429, sentence, {"Retry-After": "1"})


async def answer_refusal(request: Request, refusal: Exception) -> JSONResponse:
    """Answer a `Refusal` that an endpoint raised."""
    assert isinstance(refusal, Refusal)
    return refusal.response()


def without_folders(error: Exception) -> str:
    """Return what an error says as one sentence for callers, in which the server's files go by their last names.

    Examples
    --------
    >>> without_folders(ValueError("/srv/models/config.json was altered; publish it again"))
    'config.json was altered; publish it again'
    """
    return _FOLDERS.sub("", " ".join(str(error).split()))
