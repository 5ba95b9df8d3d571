"""Units as tasks on a Ray cluster. Lost machines and processes are Ray's business: units are made again."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from vsp_gym.errors import VSPGymError
from vsp_gym.generation.plan import Unit
from vsp_gym.generation.registered import pack_registered, unpack_registered
from vsp_gym.generation.request import Request
from vsp_gym.generation.units import lane_path, write_unit
from vsp_gym.records.writing import write_whole

RETRIES = 20
"""How often a unit is made again after its process or machine was lost."""

WAITING = 2
"""Units under way or finished and not yet fetched, for each CPU of the cluster."""


def run_on_ray(
    address: str, request: Request, units: Sequence[Unit], folder: Path, report: Callable[[int], None]
) -> None:
    """Make units on a cluster, and collect their files in `folder`.

    Args:
        address: of an existing cluster, as for `ray.init`; `auto` for the one that this machine is in.
        request: what the set is made from.
        units: what to make.
        folder: where the files go, on this machine.
        report: called now and then with the number of boards made.

    Raises:
        VSPGymError: if Ray is not installed, the cluster cannot be reached, or a unit was lost too often.
    """
    ray = import_ray()
    was_connected = ray.is_initialized()
    if not was_connected:
        try:
            ray.init(address=address, log_to_driver=False, logging_level="error")
        except Exception as error:  # noqa: BLE001 (Ray raises many kinds, also bare ones)
            raise VSPGymError(f"no Ray cluster at {address!r:.200}: {error!s:.300}") from None
    try:
        _collect(ray, request, units, folder, report)
    except ray.exceptions.RayTaskError as error:
        cause = error.as_instanceof_cause()
        if isinstance(cause, VSPGymError):
            raise VSPGymError(str(error.cause or cause)) from None
        raise VSPGymError(f"a worker failed: {error.cause or error!s:.300}") from None
    except ray.exceptions.RayError as error:
        raise VSPGymError(
            f"the cluster gave up: {error!s:.300}; what is finished is kept, "
            "and the same command goes on from there"
        ) from None
    finally:
        if not was_connected:
            ray.shutdown()


def _collect(
    ray: Any, request: Request, units: Sequence[Unit], folder: Path, report: Callable[[int], None]
) -> None:
    make = ray.remote(num_cpus=1, max_retries=RETRIES)(make_files)
    common, registered = ray.put(request), pack_registered(request)
    limit = max(4, WAITING * int(ray.cluster_resources().get("CPU", 1)))
    waiting = sorted(units, key=lambda unit: unit.boards)  # the largest are begun first
    running: dict[Any, Unit] = {}
    made = 0
    while waiting or running:
        while waiting and len(running) < limit:
            unit = waiting.pop()
            running[make.remote(common, unit, registered)] = unit
        done, _ = ray.wait(list(running), num_returns=1)
        for future in done:
            unit = running.pop(future)
            for lane, data in zip(unit.lanes, ray.get(future)):
                write_whole(lane_path(folder, lane), data)
            made += unit.boards
            report(made)


def make_files(request: Request, unit: Unit, registered: bytes) -> list[bytes]:
    """The contents of the files of a unit's lanes; `registered` is what `pack_registered` gave."""
    unpack_registered(registered)
    with tempfile.TemporaryDirectory(prefix="vsp-gym-") as name:
        write_unit(request, unit, Path(name))
        return [lane_path(Path(name), lane).read_bytes() for lane in unit.lanes]


def import_ray() -> Any:
    """The module `ray`; raises `VSPGymError` saying how to install it."""
    try:
        import ray
    except ImportError:
        raise VSPGymError("--ray needs Ray: pip install 'vsp-gym[ray]'") from None
    return ray
