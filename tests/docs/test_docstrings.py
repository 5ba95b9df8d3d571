"""Every public name is documented, and the examples in docstrings are true."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import pytest

import vsp_gym
from vsp_gym.core import Layout

OPTIONAL = {"testing": "hypothesis", "strategies": "hypothesis", "human": "pygame"}
"""What a module of that name, without its packages, needs to be imported."""

MODULES = ["vsp_gym", *sorted(m.name for m in pkgutil.walk_packages(vsp_gym.__path__, "vsp_gym."))]


def _import(name: str) -> object:
    needed = OPTIONAL.get(name.rpartition(".")[2])
    if needed is not None:
        pytest.importorskip(needed)
    return importlib.import_module(name)


def _public_members(module: object) -> Iterator[tuple[str, object]]:
    """The module's own public functions and classes, and their public methods."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != getattr(module, "__name__", None):
            continue
        if inspect.isclass(value):
            yield name, value
            for attribute in vars(value):
                member = getattr(value, attribute)
                on_protocol = hasattr(Layout, attribute)  # documented once, there
                if callable(member) and not attribute.startswith("_") and not on_protocol:
                    yield f"{name}.{attribute}", member
        elif inspect.isfunction(value):
            yield name, value


@pytest.mark.parametrize("name", MODULES)
def test_documented(name: str) -> None:
    module = _import(name)
    assert inspect.getdoc(module), name
    undocumented = []
    for member, value in _public_members(module):
        text = inspect.getdoc(value)  # looks at the bases too, as `help()` does
        if not text or text.startswith(f"{member}("):  # what a dataclass writes for itself
            undocumented.append(member)
    assert not undocumented


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert doctest.testmod(_import(name), optionflags=doctest.ELLIPSIS).failed == 0
