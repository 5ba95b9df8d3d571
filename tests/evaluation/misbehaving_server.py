"""An OpenAI-compatible server that does everything wrong that servers do, on request."""

from __future__ import annotations

import asyncio
import datetime as dt
import email.utils
import gzip
import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

from typing_extensions import Self

RIGHT = "<answer>R</answer>"

SCRIPT = "<script>document.title = 'owned'</script><img src=x onerror=alert(1)> <answer>R</answer>"

HUGE = 10_000_000
"""Bytes of a body that nobody wants."""


def completion(text: Any = RIGHT, **fields: Any) -> bytes:
    """The body of a well-formed reply."""
    return json.dumps(
        {
            "id": "1",
            "object": "chat.completion",
            "choices": [
                {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
            ],
            "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
            **fields,
        }
    ).encode()


def _response(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _date(seconds: float) -> str:
    return email.utils.format_datetime(
        dt.datetime.now(dt.timezone.utc) + dt.timedelta(seconds=seconds), usegmt=True
    )


class MisbehavingServer:
    """A server in a thread.

    Args:
        behaviour: the name of a method of this class without its underscore, a sequence of names (the last
            one holds from then on), or a function from the request's number (from 0) and body to a name.
        seconds: how long `slow` takes.
    """

    def __init__(
        self, behaviour: str | Sequence[str] | Callable[[int, Any], str] = "ok", *, seconds: float = 30.0
    ) -> None:
        self.requests: list[Any] = []
        """The bodies received."""
        self.headers: list[str] = []
        """The heads of the requests, in lower case."""
        self.times: list[float] = []
        """When they came, on the server's clock."""
        self.connections = 0
        self.most_at_once = 0
        self._at_once = 0
        self._seconds = seconds
        self._behaviour = behaviour
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop
        ).result()
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _stop(self) -> None:
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                length = int(head.partition("content-length:")[2].partition("\r\n")[0] or 0)
                body = json.loads(await reader.readexactly(length))
                number = len(self.requests)
                self.requests.append(body)
                self.headers.append(head)
                self.times.append(self._loop.time())
                self._at_once += 1
                self.most_at_once = max(self.most_at_once, self._at_once)
                try:
                    await getattr(self, f"_{self._choose(number, body)}")(writer, head)
                    await writer.drain()
                finally:
                    self._at_once -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _choose(self, number: int, body: Any) -> str:
        if isinstance(self._behaviour, str):
            return self._behaviour
        if callable(self._behaviour):
            return self._behaviour(number, body)
        return self._behaviour[min(number, len(self._behaviour) - 1)]

    # -- behaviours ----------------------------------------------------------------------------

    async def _ok(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(_response(completion()))

    async def _brief(self, writer: asyncio.StreamWriter, head: str) -> None:
        await asyncio.sleep(0.03)
        writer.write(_response(completion()))

    async def _busy(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(_response(b'{"error": "too fast"}', "429 Too Many Requests"))

    async def _busy_seconds(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(_response(b"{}", "429 Too Many Requests", "Retry-After: 1"))

    async def _busy_date(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(_response(b"{}", "503 Service Unavailable", f"Retry-After: {_date(2)}"))

    async def _busy_for_ever(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(_response(b"{}", "429 Too Many Requests", "Retry-After: 1e9"))

    async def _broken(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(_response(b"<h1>Internal error</h1>", "500 Internal Server Error"))

    async def _rejected(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(_response(b'{"error": {"message": "unsupported value"}}', "400 Bad Request"))

    async def _unauthorized(self, writer: asyncio.StreamWriter, head: str) -> None:
        key = head.partition("authorization: bearer ")[2].partition("\r\n")[0]
        writer.write(_response(f'{{"error": "the key {key} is wrong"}}'.encode(), "401 Unauthorized"))

    async def _slow(self, writer: asyncio.StreamWriter, head: str) -> None:
        await asyncio.sleep(self._seconds)
        writer.write(_response(completion()))

    async def _drip(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    async def _cut(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(_response(completion())[:-40])
        await writer.drain()
        raise ConnectionError

    async def _hang_up(self, writer: asyncio.StreamWriter, head: str) -> None:
        raise ConnectionError

    async def _not_json(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(_response(b"<html><body>It works!</body></html>"))

    async def _nested(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(_response(b"[" * 100_000))

    async def _empty(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(_response(b""))

    async def _wrong_schema(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(_response(b'{"choices": [{"text": "RR"}]}'))

    async def _no_choices(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(_response(completion(choices=[])))

    async def _number(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(_response(completion(12)))

    async def _odd_counts(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(_response(completion(usage={"prompt_tokens": -1, "completion_tokens": "many"})))

    async def _no_content(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(_response(completion(None)))

    async def _parts(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(_response(completion([{"type": "text", "text": "<answer>"}, {"text": "R</answer>"}])))

    async def _filtered(self, writer: asyncio.StreamWriter, head: str) -> None:
        choice = {"finish_reason": "content_filter", "message": {"content": None}}
        writer.write(_response(completion(choices=[choice])))

    async def _huge(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(_response(completion("R" * HUGE)))

    async def _huge_chunks(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(HUGE // 100_000):
            writer.write(b"186a0\r\n" + b"R" * 100_000 + b"\r\n")
            await writer.drain()

    async def _chunks(self, writer: asyncio.StreamWriter, head: str) -> None:
        body = completion()
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for start in range(0, len(body), 50):
            part = body[start : start + 50]
            writer.write(b"%x;note=1\r\n%s\r\n" % (len(part), part))
            await writer.drain()
        writer.write(b"0\r\nTrailer: yes\r\n\r\n")

    async def _bad_chunks(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")

    async def _early_hints(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + _response(completion()))

    async def _until_closed(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + completion())
        await writer.drain()
        raise ConnectionError

    async def _once(self, writer: asyncio.StreamWriter, head: str) -> None:
        """Answers, and closes the connection without a word."""
        await self._ok(writer, head)
        await writer.drain()
        raise ConnectionError

    async def _garbage(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")

    async def _bad_header(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n")

    async def _bad_length(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n")

    async def _endless_head(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n" + b"X-Padding: yes\r\n" * 20_000)

    async def _long(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(_response(completion("R" * 2_000_000)))

    async def _bomb(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(_response(gzip.compress(b"R" * HUGE), "200 OK", "Content-Encoding: gzip"))

    async def _script(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(_response(completion(SCRIPT)))

    async def _surrogate(self, writer: asyncio.StreamWriter, head: str) -> None:
        writer.write(_response(completion("\ud800\x00 <answer>R</answer>")))

    async def _echo_key(self, writer: asyncio.StreamWriter, head: str) -> None:
        key = head.partition("authorization: bearer ")[2].partition("\r\n")[0]
        choice = {"finish_reason": key, "message": {"content": f"you sent {key} <answer>R</answer>"}}
        writer.write(_response(completion(choices=[choice])))
