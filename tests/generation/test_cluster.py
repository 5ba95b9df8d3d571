"""Data sets made on a Ray cluster of two nodes, one of which is lost on the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vsp_gym import VSPGymError
from vsp_gym.generation import Part, Request, generate

REQUEST = Request((Part("maze", (5, 6)), Part("mini_behaviour", (5,))), 3000, image_size=64)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_ray_is_named_when_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(VSPGymError, match=r"pip install 'vsp-gym\[ray\]'"):
        generate(REQUEST, tmp_path / "new", ray="auto")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def cluster() -> Iterator[Any]:
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    made.add_node(num_cpus=1)
    try:
        yield made
    finally:
        made.shutdown()


@pytest.mark.filterwarnings("default")
def test_a_cluster_makes_the_same_set_also_when_it_loses_a_node(cluster: Any, tmp_path: Path) -> None:
    lost = threading.Event()

    def progress(done: int, total: int) -> None:
        if 0 < done < total and not lost.is_set():
            lost.set()
            cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)

    began = time.monotonic()
    generate(REQUEST, tmp_path / "ray", ray=cluster.address, progress=progress)
    assert lost.is_set()
    assert time.monotonic() - began < 300
    generate(REQUEST, tmp_path / "here")
    assert tree(tmp_path / "ray") == tree(tmp_path / "here")
