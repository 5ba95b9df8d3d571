"""Worker processes on this machine."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from vsp_gym.errors import VSPGymError
from vsp_gym.generation.plan import Unit
from vsp_gym.generation.registered import pack_registered, unpack_registered
from vsp_gym.generation.request import Request
from vsp_gym.generation.units import write_unit

TICK = 32
"""Boards between two reports of a worker."""

PAUSE = 0.2
"""Seconds between two reports of progress."""


class _StoppedError(Exception):
    """Raised in a worker when the run is over."""


def run_units(
    request: Request, units: Sequence[Unit], folder: Path, workers: int, report: Callable[[int], None]
) -> None:
    """Make units, each into its files in `folder`.

    Args:
        request: what the set is made from.
        units: what to make, in any order.
        folder: where the files go.
        workers: number of processes; with 1 the work is done in this one.
        report: called now and then with the number of boards made.

    Raises:
        VSPGymError: if a worker process died, or cannot load a task that was registered here.
    """
    if workers == 1 or len(units) <= 1:
        _run_here(request, units, folder, report)
    else:
        _run_pool(request, units, folder, min(workers, len(units)), report)


def _run_here(request: Request, units: Sequence[Unit], folder: Path, report: Callable[[int], None]) -> None:
    made = 0

    def tick() -> None:
        nonlocal made
        made += 1
        if made % TICK == 0:
            report(made)

    for unit in units:
        write_unit(request, unit, folder, tick)
    report(made)


def _run_pool(
    request: Request, units: Sequence[Unit], folder: Path, workers: int, report: Callable[[int], None]
) -> None:
    context = multiprocessing.get_context("spawn")  # threads of the caller's process do not matter
    made, stop = context.Value("Q", 0), context.Event()
    given = (made, stop, request, folder, pack_registered(request))
    pool = ProcessPoolExecutor(workers, context, _begin, given)
    try:
        with _deaf_to_interrupts():
            futures = {pool.submit(_work, unit) for unit in sorted(units, key=lambda unit: -unit.boards)}
        while futures:
            done, futures = wait(futures, PAUSE, FIRST_EXCEPTION)
            for future in done:
                future.result()
            report(made.value)
    except BrokenProcessPool:
        raise VSPGymError(
            "a worker process died, perhaps for want of memory, or because your program is no file that "
            "Python can import; what is finished is kept, and the same command goes on from there"
        ) from None
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Ignore Ctrl-C for a moment: processes begun in it ignore it from their first instruction."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


_state: dict[str, Any] = {}
"""What a worker process was given when it began."""


def _begin(made: Any, stop: Any, request: Request, folder: Path, registered: bytes) -> None:
    """Prepare a worker: Ctrl-C is the parent's business, and a worker does not outlive its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _state.update(made=made, stop=stop, request=request, folder=folder, registered=registered)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _work(unit: Unit) -> None:
    if "registered" in _state:  # not in `_begin`, whose errors would not reach the caller
        unpack_registered(_state["registered"])
        del _state["registered"]
    with contextlib.suppress(_StoppedError):
        write_unit(
            _state["request"], unit, _state["folder"], _ticker(_state["made"], _state["stop"]).__next__
        )


def _ticker(made: Any, stop: Any) -> Iterator[None]:
    """Counts boards; reports them together, and notices when the run is over."""
    while True:
        for _ in range(TICK):
            yield
        with made.get_lock():
            made.value += TICK
        if stop.is_set():
            raise _StoppedError
