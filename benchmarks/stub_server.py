"""An OpenAI-compatible server that gives every request the same reply at once: `stub_server.py PORT_FILE`."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

_MESSAGE = {"role": "assistant", "content": "I go right.\n<answer>RRDD</answer>"}
_BODY = json.dumps(
    {
        "id": "stub",
        "object": "chat.completion",
        "created": 0,
        "model": "stub",
        "choices": [{"index": 0, "finish_reason": "stop", "message": _MESSAGE}],
        "usage": {"prompt_tokens": 400, "completion_tokens": 12, "total_tokens": 412},
    }
).encode()
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(_BODY),
    _BODY,
)


class Stub(asyncio.Protocol):
    """Reads requests by their length, and nothing else of them."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        self._transport = transport
        self._received = bytearray()

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._received[:end]).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            if len(self._received) < end + 4 + length:
                return
            del self._received[: end + 4 + length]
            assert isinstance(self._transport, asyncio.WriteTransport)
            self._transport.write(RESPONSE)
            if b"connection: close" in head:
                self._transport.close()


async def _serve(port_file: Path) -> None:
    server = await asyncio.get_running_loop().create_server(Stub, "127.0.0.1", 0)
    port_file.write_text(str(server.sockets[0].getsockname()[1]), encoding="ascii")
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
