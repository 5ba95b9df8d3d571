"""HTTP/1.1 to servers without TLS, as a transport for the `openai` client.

Evaluation against a fast local server would spend most of its time in the client's HTTP stack; this transport
does the same in a third of the time. Servers with TLS or behind a proxy are reached as `openai` does it.
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple
from urllib.request import getproxies

MAX_HEAD = 1 << 16
"""Bytes of a response's head, and of a line between chunks, at most."""


class _Connection(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class _BadResponseError(Exception):
    """What came is no HTTP/1.1 response; the message is a clause."""


def plain_transport(http: Any, max_body: int) -> Any:
    """A transport for `http://` addresses; None where a proxy has to be asked.

    Args:
        http: the library that the client is built on, `httpx` or `httpx2`.
        max_body: bytes of a response's body at most.
    """
    if {"http", "all"} & getproxies().keys():
        return None

    class PlainTransport(http.AsyncBaseTransport):  # type: ignore[misc]
        def __init__(self) -> None:
            self._idle: dict[tuple[str, int], list[_Connection]] = {}

        async def handle_async_request(self, request: Any) -> Any:
            """The response, with its whole body."""
            place = request.url.host, request.url.port or 80
            message = _write_request(request, await request.aread())
            try:
                return await self._exchange(place, message, request)
            except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
                raise http.ReadError(_words(error), request=request) from error
            except (_BadResponseError, ValueError) as error:
                raise http.RemoteProtocolError(f"no HTTP response: {error!s:.80}", request=request) from error

        async def _exchange(self, place: tuple[str, int], message: bytes, request: Any) -> Any:
            idle = self._idle.setdefault(place, [])
            while True:
                reused = bool(idle)
                connection = idle.pop() if reused else await _connect(place, http, request)
                whole = False
                try:
                    connection.writer.write(message)
                    status, headers = await _read_head(connection.reader)
                    body, whole = await _read_body(connection.reader, headers, max_body)
                    return http.Response(status, headers=headers, content=body, request=request)
                except _HungUpError:
                    if not reused:
                        raise http.ReadError("the server hung up", request=request) from None
                    # A server may close an idle connection at any time; it saw nothing of this request.
                finally:
                    if whole:
                        idle.append(connection)
                    else:
                        connection.writer.close()

        async def aclose(self) -> None:
            for connections in self._idle.values():
                for connection in connections:
                    connection.writer.close()
            self._idle.clear()

    return PlainTransport()


class _HungUpError(Exception):
    """The connection was closed before anything of a response came."""


async def _connect(place: tuple[str, int], http: Any, request: Any) -> _Connection:
    try:
        return _Connection(*await asyncio.open_connection(*place, limit=MAX_HEAD))
    except OSError as error:
        raise http.ConnectError(error.strerror or _words(error), request=request) from error


def _words(error: BaseException) -> str:
    if isinstance(error, asyncio.IncompleteReadError):
        return "the server hung up in the middle of its response"
    if isinstance(error, asyncio.LimitOverrunError):
        return f"the head of the response has more than {MAX_HEAD} bytes"
    return str(error) or type(error).__name__


def _write_request(request: Any, body: bytes) -> bytes:
    lines = [b"%s %s HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    lines += [b"%s: %s" % header for header in request.headers.raw]
    return b"\r\n".join((*lines, b"", body))


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, list[tuple[bytes, bytes]]]:
    """Status and header fields (names in lower case) of the first response that is no mere notice (1xx)."""
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            if getattr(error, "partial", b"") == b"":
                raise _HungUpError from error
            raise
        first, *lines = head[:-4].split(b"\r\n")
        version, _, rest = first.partition(b" ")
        if version not in (b"HTTP/1.1", b"HTTP/1.0") or not rest[:3].isdigit():
            raise _BadResponseError(repr(first[:40]))
        status = int(rest[:3])
        if status < 100:
            raise _BadResponseError(repr(first[:40]))
        if status >= 200:
            headers = [_split(line) for line in lines]
            return status, [*headers, (b"connection", b"close")] if version == b"HTTP/1.0" else headers


def _split(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    if not colon or not name or name.strip() != name:
        raise _BadResponseError(f"the header field {line[:40]!r}")
    return name.lower(), value.strip()


async def _read_body(
    reader: asyncio.StreamReader, headers: list[tuple[bytes, bytes]], max_body: int
) -> tuple[bytes, bool]:
    """The body, and whether the connection can be used again."""
    fields = dict(headers)
    reusable = b"close" not in fields.get(b"connection", b"").lower()
    if b"chunked" in fields.get(b"transfer-encoding", b"").lower():
        return await _read_chunks(reader, max_body), reusable
    length = fields.get(b"content-length")
    if length is None:
        body = b""
        while part := await reader.read(1 << 16):
            body += part
            _check_size(len(body), max_body)
        return body, False
    if not length.isdigit():
        raise _BadResponseError(f"the content length {length[:40]!r}")
    size = int(length) if len(length) < 20 else max_body + 1
    _check_size(size, max_body)
    return await reader.readexactly(size), reusable


async def _read_chunks(reader: asyncio.StreamReader, max_body: int) -> bytes:
    body = bytearray()
    while True:
        line = (await reader.readuntil(b"\r\n"))[:-2].partition(b";")[0].strip()
        if not line or line.strip(b"0123456789abcdefABCDEF"):
            raise _BadResponseError(f"the chunk size {line[:40]!r}")
        size = int(line, 16) if len(line) <= 16 else max_body + 1
        _check_size(len(body) + size, max_body)
        if not size:
            while await reader.readuntil(b"\r\n") != b"\r\n":
                pass  # trailer fields
            return bytes(body)
        body += await reader.readexactly(size)
        if await reader.readexactly(2) != b"\r\n":
            raise _BadResponseError("a chunk that is longer than it says")


def _check_size(size: int, max_body: int) -> None:
    if size > max_body:
        raise BodyTooLargeError


class BodyTooLargeError(Exception):
    """A response's body has more bytes than are allowed."""
