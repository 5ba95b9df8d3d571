"""Getting a request answered: retries, back-off, the health of endpoints, batches.

A request that fails is asked again after a pause that doubles each time, at another endpoint at once if one
is well. An endpoint that says it is busy is left alone as long as it asks for; one that fails repeatedly
rests, and then has to answer a single request before it gets more.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

from vsp_gym.evaluation.models import Model, ModelError, Reply, Request

SICK_AFTER = 3
"""Failures in a row after which an endpoint rests."""

GIVE_UP_AFTER = 10
"""Failures in a row after which an endpoint is given up; the first ones at once, the others after rests."""

REJECTIONS = 20
"""Rejected requests after which a model that has never answered is given up."""

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
"""Seconds of the first and of the longest pause before a request or an endpoint is tried again."""

LONGEST_WAIT = 900.0
"""Seconds that an endpoint may ask to be left alone; if it asks for more, the request has failed."""

POLL = 0.05
"""Seconds between looks at endpoints while each of them is being tried by one request."""

GATHER = 0.01
"""Seconds that a batch waits for more requests."""


@dataclass(frozen=True)
class Patience:
    """How often and how fast requests are repeated.

    Args:
        retries: how often a request is repeated at most.
        first_pause: seconds before the first repetition, on average three quarters of it.
        longest_pause: seconds before later ones at most.
    """

    retries: int = 6
    first_pause: float = FIRST_PAUSE
    longest_pause: float = LONGEST_PAUSE

    def pause(self, attempt: int, chance: float) -> float:
        """Seconds to wait after failure number `attempt` (from 1); `chance` (0.0 to 1.0) spreads requests."""
        return min(self.longest_pause, self.first_pause * 2.0 ** min(attempt - 1, 32)) * (0.5 + chance / 2)


@dataclass(frozen=True)
class Answer:
    """A reply, and what it took."""

    reply: Reply
    endpoint: str
    attempts: int
    """Requests that were made for it, at least 1."""
    latency: float
    """Seconds that the successful request took; those of the whole batch, if it was one of several."""


@dataclass
class Health:
    """How an endpoint is doing."""

    name: str
    running: int = 0
    """Requests in flight."""
    failures: int = 0
    """Failures in a row."""
    busy: int = 0
    """Refusals in a row because it is busy."""
    rests_until: float = 0.0
    """Time of the event loop before which nothing is asked."""

    @property
    def sick(self) -> bool:
        """Whether it has to prove itself with a single request."""
        return self.failures >= SICK_AFTER

    def is_able(self, now: float) -> bool:
        """Whether it can take a request."""
        return self.rests_until <= now and not (self.sick and self.running)


class Dispatcher:
    """Asks a model, as often and wherever it takes.

    Args:
        model: who answers.
        patience: how failures are met.
    """

    def __init__(self, model: Model, patience: Patience | None = None) -> None:
        self._model = model
        self._patience = patience or Patience()
        self._health = [Health(name) for name in model.endpoints]
        self._random = random.Random(0)  # noqa: S311 (spreads requests in time; no secret)
        self._answered = self._rejected = 0
        self._waiting: list[tuple[Request, asyncio.Future[Answer]]] = []
        self._batches: asyncio.Task[None] | None = None

    async def ask(self, request: Request) -> Answer:
        """The answer to a request.

        Raises:
            ModelError: if there is none; with the fault `"fatal"` if asking on is pointless.
        """
        if self._model.batch_size == 1:
            return (await self._attempts([request]))[0]
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if self._batches is None:
            self._batches = asyncio.create_task(self._run_batches())
        return await future

    async def close(self) -> None:
        """Stop, and let go of the model."""
        if self._batches is not None:
            self._batches.cancel()
        await self._model.close()

    # -- batches -------------------------------------------------------------------------------

    async def _run_batches(self) -> None:
        while self._waiting:
            if len(self._waiting) < self._model.batch_size:
                await asyncio.sleep(GATHER)
            batch = self._waiting[: self._model.batch_size]
            del self._waiting[: len(batch)]
            await self._settle(batch)
        self._batches = None

    async def _settle(self, batch: list[tuple[Request, asyncio.Future[Answer]]]) -> None:
        """Answer a batch; one that is rejected is halved, so that a bad request fails alone."""
        try:
            answers = await self._attempts([request for request, _ in batch])
        except ModelError as error:
            if error.fault == "rejected" and len(batch) > 1:
                middle = len(batch) // 2
                await self._settle(batch[:middle])
                await self._settle(batch[middle:])
                return
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(batch, answers):
            if not future.done():
                future.set_result(answer)

    # -- attempts ------------------------------------------------------------------------------

    async def _attempts(self, requests: Sequence[Request]) -> list[Answer]:
        attempt = 0
        avoid: Health | None = None
        while True:
            health = await self._choose(avoid)
            attempt += 1
            loop = asyncio.get_running_loop()
            began = loop.time()
            health.running += 1
            try:
                replies = await self._model.reply(requests, self._health.index(health))
            except ModelError as error:
                self._note_failure(health, error, loop.time())
                if error.fault in ("rejected", "fatal"):
                    raise ModelError(f"{health.name}: {error}", error.fault) from error
                if attempt > self._patience.retries or (error.retry_after or 0.0) > LONGEST_WAIT:
                    times = "" if attempt == 1 else f" (attempt {attempt})"
                    raise ModelError(f"{health.name}: {error}{times}", error.fault) from error
                avoid = health
            else:
                health.failures = health.busy = 0
                self._answered += 1
                latency = loop.time() - began
                return [Answer(reply, health.name, attempt, latency) for reply in replies]
            finally:
                health.running -= 1
            if not any(other is not health and other.is_able(loop.time()) for other in self._health):
                await asyncio.sleep(self._pause(attempt))

    def _pause(self, attempt: int) -> float:
        return self._patience.pause(attempt, self._random.random())

    def _note_failure(self, health: Health, error: ModelError, now: float) -> None:
        """Learn from a failure; what fails while an endpoint rests was asked before and says nothing new."""
        if error.fault == "rejected":
            self._rejected += 1
            if self._rejected >= REJECTIONS and not self._answered:
                raise ModelError(f"{REJECTIONS} requests were rejected and none answered: {error}", "fatal")
        if error.fault == "busy":
            health.busy += 1
            wait = error.retry_after
            if wait is None:
                wait = self._pause(health.busy)
            health.rests_until = max(health.rests_until, now + min(wait, LONGEST_WAIT))
        if error.fault == "failed" and now >= health.rests_until:
            health.failures += 1
            if error.retry_after is not None:
                health.rests_until = now + min(error.retry_after, LONGEST_WAIT)
            if health.sick:
                rest = self._pause(health.failures - SICK_AFTER + 1)
                health.rests_until = max(health.rests_until, now + rest)
            if all(other.failures >= GIVE_UP_AFTER for other in self._health):
                raise ModelError(
                    f"{_all_of(self._health)} failed {GIVE_UP_AFTER} times in a row: {error}", "fatal"
                )

    async def _choose(self, avoid: Health | None) -> Health:
        """The endpoint with the fewest requests in flight; another than `avoid`, if one is well."""
        while True:
            now = asyncio.get_running_loop().time()
            able = [health for health in self._health if health.is_able(now)]
            if able:
                return min(able, key=lambda health: (health is avoid, health.running))
            wake = min(health.rests_until for health in self._health)
            await asyncio.sleep(max(POLL, wake - now))


def _all_of(healths: Sequence[Health]) -> str:
    names = [health.name for health in healths]
    return names[0] if len(names) == 1 else f"all of {', '.join(names)}"
