"""Models behind an OpenAI-compatible server: OpenAI, vLLM, SGLang, Ollama, `transformers serve`.

Nothing that a server sends is trusted: bodies are limited, replies are checked field by field, and the key is
blacked out where a server repeats it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import email.utils
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from vsp_gym.errors import VSPGymError
from vsp_gym.evaluation.models.base import Fault, ModelError, Reply, Request, Sampling, check_reply
from vsp_gym.evaluation.models.transport import BodyTooLargeError, plain_transport

OPENAI_URL = "https://api.openai.com/v1"

MAX_BODY = 4 << 20
"""Bytes of a response's body at most."""

NO_KEY = "EMPTY"
"""What servers without keys are sent, for the client insists on one."""

BLACKOUT = "[key]"

SHORTEST_KEY = 8
"""Characters of a secret at least; shorter ones stand for none, and may well be words of a reply."""


class OpenAIModel:
    """A model of one or several OpenAI-compatible servers, asked through the `openai` client.

    Args:
        name: the model's name at the servers.
        sampling: how replies are drawn.
        base_urls: the servers, as `http://host:port/v1`; OpenAI's own if there is none.
        key_variable: the environment variable that holds the key; servers other than OpenAI's need none.
        timeout: seconds that a request may take.
        max_tokens_field: what the servers call the longest reply; OpenAI's newer models refuse `max_tokens`.
        connections: connections to each server at most.

    Raises:
        VSPGymError: if the client is not installed, an address is none, or OpenAI's key is missing.
    """

    batch_size = 1
    sees_state = False

    def __init__(
        self,
        name: str,
        sampling: Sampling,
        base_urls: Sequence[str] = (),
        *,
        key_variable: str = "OPENAI_API_KEY",
        timeout: float = 600.0,
        max_tokens_field: str = "max_tokens",
        connections: int = 64,
    ) -> None:
        try:
            import openai
        except ImportError:
            raise VSPGymError("openai:... needs the openai client: pip install 'vsp-gym[openai]'") from None
        urls = [check_url(url) for url in base_urls or (OPENAI_URL,)]
        self._key = os.environ.get(key_variable, "").strip()
        if not self._key and OPENAI_URL in urls:
            raise VSPGymError(f"OpenAI needs a key: set the environment variable {key_variable}")
        if not self._key.isascii() or any(sign.isspace() for sign in self._key):
            raise VSPGymError(f"the key in {key_variable} has characters that no key has")
        self.name = name
        self.endpoints = tuple(_public(url) for url in urls)
        self._timeout = timeout
        self._openai = openai
        self._http = sys.modules[openai.DefaultAsyncHttpxClient.__bases__[0].__module__.partition(".")[0]]
        self._body: dict[str, Any] = {
            "model": name,
            **{
                field: value
                for field, value in (
                    ("temperature", sampling.temperature),
                    ("top_p", sampling.top_p),
                    (max_tokens_field, sampling.max_tokens),
                )
                if value is not None
            },
            **sampling.extra,
        }
        self._seed = sampling.seed
        self._clients = [self._client(url, connections) for url in urls]

    def _client(self, url: str, connections: int) -> Any:
        limits = self._http.Limits(max_connections=connections, max_keepalive_connections=connections)
        plain = plain_transport(self._http, MAX_BODY)
        return self._openai.AsyncOpenAI(
            base_url=url,
            api_key=self._key or NO_KEY,
            max_retries=0,  # the runner's business: it knows all servers
            timeout=self._timeout,
            default_headers={"Accept-Encoding": "identity"},
            http_client=self._openai.DefaultAsyncHttpxClient(
                limits=limits,
                mounts={} if plain is None else {"http://": plain},
                event_hooks={"response": [self._limit_body]},
                follow_redirects=False,
            ),
        )

    async def _limit_body(self, response: Any) -> None:
        """Make reading more than `MAX_BODY` of a response an error; the plain transport has seen to it."""
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise ModelError("the server compresses its reply, which it was asked not to")
        if response.is_closed:
            return
        if int(response.headers.get("content-length", 0)) > MAX_BODY:
            raise ModelError(_too_large())
        whole, limited = response.stream, self._http.AsyncByteStream

        class Limited(limited):  # type: ignore[misc,valid-type]
            async def __aiter__(self) -> AsyncIterator[bytes]:
                size = 0
                async for chunk in whole:
                    size += len(chunk)
                    if size > MAX_BODY:
                        raise ModelError(_too_large())
                    yield chunk

            async def aclose(self) -> None:
                await whole.aclose()

        response.stream = Limited()

    async def reply(self, requests: Sequence[Request], endpoint: int) -> list[Reply]:
        """The server's reply to the one request."""
        (request,) = requests
        try:
            # A server that sends a byte now and then never runs into the client's own timeouts.
            body = await asyncio.wait_for(self._post(request, endpoint), self._timeout)
        except asyncio.TimeoutError:
            raise ModelError(f"no reply within {self._timeout:g} s") from None
        return [read_completion(body, self._key)]

    async def _post(self, request: Request, endpoint: int) -> bytes:
        body = {**self._body, "messages": request.messages}
        if self._seed is not None:
            body["seed"] = self._seed + request.sample
        try:
            # `chat.completions.create` does the same, and takes twice as long to check types we check anyway.
            response = await self._clients[endpoint].post(
                "/chat/completions", body=body, cast_to=self._http.Response
            )
            return response.content  # type: ignore[no-any-return]
        except BodyTooLargeError:
            raise ModelError(_too_large()) from None
        except self._openai.APIStatusError as error:
            raise _status_error(error.response, self._key) from None
        except self._openai.APITimeoutError:
            raise ModelError(f"no reply within {self._timeout:g} s") from None
        except self._openai.OpenAIError as error:
            cause = error.__cause__
            if isinstance(cause, ModelError):  # older clients wrap what else was raised
                raise cause from None
            if isinstance(cause, BodyTooLargeError):
                raise ModelError(_too_large()) from None
            raise ModelError(redact(f"the connection failed: {cause or error!s:.200}", self._key)) from None
        except self._http.HTTPError as error:
            words = f"{error!s:.200}" or type(error).__name__
            raise ModelError(redact(f"the connection failed: {words}", self._key)) from None

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients:
            await client.close()


def check_url(url: str) -> str:
    """`url` without the slash at its end, if it is the address of a server.

    Raises:
        VSPGymError: if it is not, or has a password in it.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
        parts = urlsplit("")
    if parts.username is not None or parts.password is not None:
        raise VSPGymError(
            "a base URL has no name and password in it; put the key into an environment variable"
        )
    if not good:
        raise VSPGymError(f"a base URL looks like http://localhost:8000/v1, not {url!r:.80}")
    return url.rstrip("/")


def _public(url: str) -> str:
    """A URL as rows show it: without a query, which may have a key in it."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))


def redact(text: str, key: str) -> str:
    """`text` with `key` blacked out, unless it is a placeholder for servers without keys, such as `none`."""
    return text.replace(key, BLACKOUT) if len(key) >= SHORTEST_KEY else text


def _too_large() -> str:
    return f"the server's response has more than {MAX_BODY >> 20} MiB"


def _status_error(response: Any, key: str) -> ModelError:
    """What an HTTP status other than success means."""
    status = response.status_code
    fault: Fault = "failed"
    if status in (401, 403, 404):
        fault = "fatal"
    elif status in (408, 409, 429, 503):
        fault = "busy"
    elif status < 500:
        fault = "rejected"
    words = " ".join(redact(response.text, key).split())
    return ModelError(
        f"HTTP {status}" + (f": {words:.200}" if words else ""),
        fault,
        read_retry_after(response.headers.get("retry-after")),
    )


def read_retry_after(value: str | None, now: dt.datetime | None = None) -> float | None:
    """Seconds to wait, from a `Retry-After` header: seconds or an HTTP date (RFC 9110, 10.2.3).

    None if there is no header or it says nothing that can be understood.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = email.utils.parsedate_to_datetime(value)
        except (TypeError, ValueError):
            return None
        if date.tzinfo is None:
            date = date.replace(tzinfo=dt.timezone.utc)
        seconds = (date - (now or dt.datetime.now(dt.timezone.utc))).total_seconds()
    return max(0.0, seconds) if seconds == seconds and seconds != float("inf") else None


def read_completion(body: bytes, key: str = "") -> Reply:
    """The reply in the body of a chat completion.

    Raises:
        ModelError: if it is no chat completion.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        start = redact(" ".join(body[:80].decode("utf-8", "replace").split()), key)
        raise ModelError(
            f"the server's response is no JSON: {start!r}" if body else "the response is empty"
        ) from None
    choice = _first_choice(data)
    finish = choice.get("finish_reason")
    if finish == "content_filter":
        raise ModelError("the server's content filter withheld the reply", "rejected")
    content = choice["message"].get("content")
    if isinstance(content, list):
        content = "".join(_part_text(part) for part in content)
    if content is None:  # all tokens went into thoughts, or the model refused
        content = choice["message"].get("refusal") or ""
    if not isinstance(content, str):
        raise ModelError(f"the reply's content is {type(content).__name__}, not text")
    usage = data.get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    return Reply(
        redact(check_reply(content, "the server"), key),
        redact(finish[:40], key) if isinstance(finish, str) else None,
        _count(usage.get("prompt_tokens")),
        _count(usage.get("completion_tokens")),
    )


def _first_choice(data: object) -> dict[str, Any]:
    if isinstance(data, dict) and isinstance(data.get("choices"), list) and data["choices"]:
        choice = data["choices"][0]
        if isinstance(choice, dict) and isinstance(choice.get("message"), dict):
            return choice
    raise ModelError("the server's response is no chat completion: it has no choices[0].message")


def _part_text(part: object) -> str:
    text = part.get("text") if isinstance(part, dict) else None
    return text if isinstance(text, str) else ""


def _count(value: object) -> int | None:
    """A number of tokens, if it is one."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 40 else None
