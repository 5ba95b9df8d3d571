"""The OpenAI client against a server that misbehaves."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import socket
from typing import Any

import pytest
from evaluation.misbehaving_server import SCRIPT, MisbehavingServer, completion
from hypothesis import given
from hypothesis import strategies as st

from vsp_gym import get_task
from vsp_gym.errors import VSPGymError
from vsp_gym.evaluation.conditions import draw_boards
from vsp_gym.evaluation.models import MAX_REPLY, Model, ModelError, Reply, Request, Sampling, load_model
from vsp_gym.evaluation.models.openai_server import check_url, read_completion, read_retry_after

pytest.importorskip("openai", reason="needs the extra openai")

KEY = "sk-test-secret-0123456789"


def _ask(model: Model, sample: int = 0) -> Reply:
    board = next(draw_boards([get_task("maze")], [3], 1, 0))
    request = Request([{"role": "user", "content": "Plan."}], board.task, board.layout, 0, sample)

    async def ask() -> Reply:
        try:
            return (await model.reply([request], 0))[0]
        finally:
            await model.close()

    return asyncio.run(ask())


def _server_model(server: MisbehavingServer, timeout: float = 5.0, **sampling: Any) -> Model:
    return load_model("openai:m", Sampling(**sampling), base_urls=[server.url], timeout=timeout)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def test_what_a_server_is_sent() -> None:
    with MisbehavingServer() as server:
        model = _server_model(server, temperature=0.5, top_p=0.9, max_tokens=77, seed=5, extra={"top_k": 3})
        reply = _ask(model, sample=2)
    (body,) = server.requests
    assert reply == Reply("<answer>R</answer>", "stop", 7, 3)
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "Plan."}],
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 77,
        "seed": 7,
        "top_k": 3,
    }
    assert f"authorization: bearer {KEY}" in server.headers[0]


def test_what_is_none_is_not_sent() -> None:
    with MisbehavingServer() as server:
        _ask(_server_model(server, temperature=None, max_tokens=None))
    assert server.requests[0].keys() == {"model", "messages"}


@pytest.mark.parametrize(
    ("behaviour", "fault", "words"),
    [
        ("busy", "busy", "HTTP 429"),
        ("busy_seconds", "busy", "HTTP 429"),
        ("busy_date", "busy", "HTTP 503"),
        ("broken", "failed", "HTTP 500: <h1>Internal error</h1>"),
        ("rejected", "rejected", "HTTP 400"),
        ("unauthorized", "fatal", "HTTP 401"),
        ("cut", "failed", "the connection failed"),
        ("hang_up", "failed", "connection"),
        ("not_json", "failed", "no JSON: '<html><body>"),
        ("nested", "failed", "no JSON"),
        ("empty", "failed", "the response is empty"),
        ("wrong_schema", "failed", "no choices[0].message"),
        ("no_choices", "failed", "no choices[0].message"),
        ("number", "failed", "content is int"),
        ("filtered", "rejected", "content filter"),
        ("huge", "failed", "more than 4 MiB"),
        ("huge_chunks", "failed", "more than 4 MiB"),
        ("long", "rejected", f"allowed: {MAX_REPLY}"),
        ("bomb", "failed", "compresses"),
        ("garbage", "failed", "no HTTP response: b'SSH-2.0"),
        ("bad_header", "failed", "no HTTP response: the header field b'no colon'"),
        ("bad_length", "failed", "no HTTP response: the content length b'-5'"),
        ("bad_chunks", "failed", "no HTTP response: the chunk size b'xyz'"),
        ("endless_head", "failed", "more than 65536 bytes"),
    ],
)
def test_failures_of_servers(behaviour: str, fault: str, words: str) -> None:
    with MisbehavingServer(behaviour) as server, pytest.raises(ModelError) as caught:
        _ask(_server_model(server))
    assert words in str(caught.value)
    assert caught.value.fault == fault
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("behaviour", ["slow", "drip"])
def test_a_reply_that_takes_too_long(behaviour: str) -> None:
    with MisbehavingServer(behaviour) as server, pytest.raises(ModelError, match=r"no reply within 0\.3 s"):
        _ask(_server_model(server, timeout=0.3))


def test_connection_refused() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(ModelError, match="the connection failed") as caught:
        _ask(load_model("openai:m", base_urls=[url]))
    assert caught.value.fault == "failed"


def test_retry_after_reaches_the_error() -> None:
    with MisbehavingServer("busy_seconds") as server, pytest.raises(ModelError) as caught:
        _ask(_server_model(server))
    assert caught.value.retry_after == 1.0


@pytest.mark.parametrize(
    ("behaviour", "text"),
    [
        ("script", SCRIPT),
        ("parts", "<answer>R</answer>"),
        ("no_content", ""),
        ("surrogate", "\ud800\x00 <answer>R</answer>"),
        ("odd_counts", "<answer>R</answer>"),
        ("chunks", "<answer>R</answer>"),
        ("early_hints", "<answer>R</answer>"),
        ("until_closed", "<answer>R</answer>"),
        ("once", "<answer>R</answer>"),
    ],
)
def test_odd_replies_are_kept_as_they_are(behaviour: str, text: str) -> None:
    with MisbehavingServer(behaviour) as server:
        reply = _ask(_server_model(server))
    assert reply.text == text
    if behaviour == "odd_counts":
        assert reply.prompt_tokens is None
        assert reply.completion_tokens is None


@pytest.mark.parametrize("behaviour", ["ok", "once", "until_closed", "chunks"])
def test_connections_are_kept_and_replaced(behaviour: str) -> None:
    async def ask_twice(model: Model, request: Request) -> list[Reply]:
        try:
            return [(await model.reply([request], 0))[0] for _ in range(3)]
        finally:
            await model.close()

    board = next(draw_boards([get_task("maze")], [3], 1, 0))
    request = Request([{"role": "user", "content": "Plan."}], board.task, board.layout)
    with MisbehavingServer(behaviour) as server:
        replies = asyncio.run(ask_twice(_server_model(server), request))
    assert [reply.text for reply in replies] == ["<answer>R</answer>"] * 3
    assert len(server.requests) == 3
    assert server.connections == (1 if behaviour in ("ok", "chunks") else 3)


@pytest.mark.parametrize("behaviour", ["ok", "huge", "cut", "bomb", "broken"])
def test_behind_a_proxy_the_client_speaks_for_itself(behaviour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with MisbehavingServer(behaviour) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        model = load_model("openai:m", base_urls=["http://server.invalid/v1"], timeout=5.0)
        if behaviour == "ok":
            assert _ask(model).text == "<answer>R</answer>"
        else:
            with pytest.raises(ModelError):
                _ask(model)
    assert "post http://server.invalid/v1/chat/completions" in proxy.headers[0]


def test_a_key_that_a_server_repeats_is_blacked_out() -> None:
    with MisbehavingServer("echo_key") as server:
        reply = _ask(_server_model(server))
    assert reply.text == "you sent [key] <answer>R</answer>"
    assert reply.finish_reason == "[key]"


def test_openai_itself_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(VSPGymError, match="set the environment variable OPENAI_API_KEY"):
        load_model("openai:gpt-4o")
    assert load_model("openai:m", base_urls=["http://localhost:1/v1"]).endpoints == ("http://localhost:1/v1",)


def test_a_key_with_a_line_break_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", "one\ntwo")
    with pytest.raises(VSPGymError, match="the key in MINE has characters") as caught:
        load_model("openai:m", base_urls=["http://localhost:1/v1"], key_variable="MINE")
    assert "one" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://x/v1", "http://", "http://x:port/v1", "", "http://[::1/v1"]
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(VSPGymError, match="a base URL looks like"):
        check_url(url)


def test_addresses_hold_no_secrets() -> None:
    with pytest.raises(VSPGymError) as caught:
        check_url(f"http://me:{KEY}@host/v1")
    assert KEY not in str(caught.value)
    model = load_model("openai:m", base_urls=[f"http://host/v1?key={KEY}"])
    assert model.endpoints == ("http://host/v1",)


NOW = dt.datetime(2026, 1, 1, 12, 0, 0, tzinfo=dt.timezone.utc)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("3", 3.0),
        ("0.5", 0.5),
        ("-4", 0.0),
        ("Thu, 01 Jan 2026 12:00:07 GMT", 7.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("", None),
        ("Thu, 99 Jan 2026 12:00:07 GMT", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert read_retry_after(value, NOW) == seconds


@given(st.text(max_size=40))
def test_retry_after_is_never_fatal(value: str) -> None:
    seconds = read_retry_after(value, NOW)
    assert seconds is None or 0.0 <= seconds < float("inf")


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "message", "content", "usage", "text"]), inner, max_size=3
        )
    ),
    max_leaves=12,
)


@given(st.binary(max_size=64) | _json.map(lambda data: json.dumps(data).encode()))
def test_any_body_is_a_reply_or_an_error(body: bytes) -> None:
    try:
        reply = read_completion(body)
    except ModelError:
        return
    assert isinstance(reply.text, str)


@given(_json, _json, _json)
def test_any_field_of_a_completion(content: Any, finish: Any, usage: Any) -> None:
    choice = {"message": {"content": content}, "finish_reason": finish}
    try:
        reply = read_completion(completion(choices=[choice], usage=usage))
    except ModelError:
        return
    assert isinstance(reply.text, str)
    assert reply.prompt_tokens is None or reply.prompt_tokens >= 0


@pytest.mark.parametrize("key", ["", "x", "none", "EMPTY"])
def test_a_placeholder_for_a_key_changes_no_reply(key: str) -> None:
    text = "Size: 3 x 3\nHoles: none\nEMPTY"
    assert read_completion(completion(text), key).text == text
    assert read_completion(completion(f"{KEY} {text}"), KEY).text == f"[key] {text}"
