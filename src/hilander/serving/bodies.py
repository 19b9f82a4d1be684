"""Read a request's body within limits: of bytes, of seconds, and of what all requests hold in memory together."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import FormParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from hilander.serving.refusals import Refusal, invalid, overloaded, too_large, wrong_type

T = TypeVar("T")

_MAX_FIELD_BYTES = 1_000_000  # of a form's field that is no file
_FORM_CHUNK = 2**20


class BytesInFlight:
    """Counts what the bodies of all requests hold.

    Parameters
    ----------
    most : int
        Bytes beyond which a request is turned away.
    """

    def __init__(self, most: int) -> None:
        self.most, self.held = most, 0

    @contextmanager
    def account(self) -> Iterator[Account]:
        """Yield an account that is settled at the end."""
        account = Account(self)
        try:
            yield account
        finally:
            self.held -= account.held


@dataclass
class Account:
    """What one request holds."""

    of: BytesInFlight
    held: int = 0

    def charge(self, n_bytes: int) -> None:
        """Take note of bytes, or refuse them."""
        if self.held + n_bytes > self.of.most:  # no moment comes in which there is room
            raise _too_many_bytes(self.held + n_bytes, self.of.most)
        if self.of.held + n_bytes > self.of.most:
            raise overloaded(
                f"the bodies of the requests in progress fill the {self.of.most:,} bytes that the service holds at "
                "once; send it again in a moment"
            )
        self.of.held += n_bytes
        self.held += n_bytes


@dataclass
class File:
    """One file of a form, or a body that is one."""

    name: str
    content: bytes


@dataclass
class Form:
    """What a multipart body holds."""

    files: list[tuple[str, File]] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)

    def options(self, names: Collection[str]) -> dict[str, Any]:
        """Return the fields, and the content of files that are options of these names."""
        return {**self.fields, **{name: file.content for name, file in self.files if name in names}}


def media_type_of(content_type: str) -> str:
    """Return the media type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def declared_bytes(request: Request) -> int:
    """Return the Content-Length, 0 where none is given."""
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isascii() and declared.isdigit() else 0


async def read_body(request: Request, account: Account, *, most_bytes: int, most_seconds: float) -> bytearray:
    """Read the body.

    Raises
    ------
    Refusal
        It is larger than the limit, compressed, or takes too long.
    """
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise wrong_type(f"the body must not be compressed (Content-Encoding: {encoding}); send it as it is")
    if declared_bytes(request) > most_bytes:
        raise _too_many_bytes(declared_bytes(request), most_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(most_seconds):
            async for chunk in request.stream():
                if len(body) + len(chunk) > most_bytes:
                    raise _too_many_bytes(len(body) + len(chunk), most_bytes)
                account.charge(len(chunk))
                body += chunk
    except TimeoutError:
        raise Refusal(408, f"the body must arrive within {most_seconds:g} seconds; send less at once") from None
    except ClientDisconnect:
        raise Refusal(400, "the connection ended before the body did; send it again") from None
    return body


async def while_connected(request: Request, working: Coroutine[Any, Any, T]) -> T:
    """Return what `working` returns, which is cancelled when the caller goes, after the body was read.

    Callers lose patience and send again: what they left would keep the others waiting.

    Raises
    ------
    Refusal
        The caller went.
    """
    work, leaving = asyncio.create_task(working), asyncio.create_task(_leaving(request))
    try:
        await asyncio.wait((work, leaving), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        raise Refusal(400, "the connection ended before the answer came; send it again")
    finally:
        work.cancel()
        leaving.cancel()


async def _leaving(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def read_form(body: bytearray, content_type: str, *, most_files: int) -> Form:
    """Take a multipart body apart, in memory.

    Parameters
    ----------
    body : bytearray
    content_type : str
        Holds the boundary.
    most_files : int

    Raises
    ------
    Refusal
        It is not whole, or holds too many files or fields.
    """
    form = Form()
    n_parts = 0
    is_whole = False

    def count() -> None:
        nonlocal n_parts
        n_parts += 1
        if n_parts > most_files + 20:
            raise too_large(f"a form may hold at most {most_files:,} files; send the rest in another request")

    def on_field(part: Any) -> None:
        count()
        value = part.value or b""
        if len(value) > _MAX_FIELD_BYTES:
            raise too_large(f"a field of the form may hold at most {_MAX_FIELD_BYTES:,} bytes; send embeddings as file")
        form.fields[_text(part.field_name)] = _text(value)

    def on_file(part: Any) -> None:
        count()
        part.file_object.seek(0)
        file = File(_text(part.file_name or b""), part.file_object.read())
        part.close()
        form.files.append((_text(part.field_name), file))

    def on_end() -> None:
        nonlocal is_whole
        is_whole = True

    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise invalid("the Content-Type multipart/form-data must name its boundary; let the client library write it")
    in_memory = {"MAX_MEMORY_FILE_SIZE": len(body) + 1, "UPLOAD_ERROR_ON_BAD_CTE": True}
    try:
        parser = FormParser("multipart/form-data", on_field, on_file, on_end, boundary, config=in_memory)
        for start in range(0, len(body), _FORM_CHUNK):
            parser.write(bytes(body[start : start + _FORM_CHUNK]))
        parser.finalize()
    except (FormParserError, ValueError) as error:
        raise invalid(f"the multipart body is not whole ({error}); send it again") from error
    if not is_whole:  # which the parser passes over, and the last part with it, be it an image or constraints
        raise invalid("the form is not whole, its closing boundary is missing; send it again")
    return form


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")


def _too_many_bytes(n_bytes: int, most: int) -> Refusal:
    return too_large(f"the body may hold at most {most:,} bytes, got {n_bytes:,} or more; send it in several requests")
