"""What the distribution promises: one version, typed, light to import, nothing of one machine in it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import vsp_gym

ROOT = Path(__file__).parents[1]
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_one_version() -> None:
    declared = re.search(r'^version = "(.+)"$', PYPROJECT, re.MULTILINE)
    changelog = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert declared is not None
    assert changelog is not None
    assert declared[1] == vsp_gym.__version__ == changelog[1]


def test_floor_constraints_are_the_oldest_versions_allowed() -> None:
    block = PYPROJECT.split("\ndependencies = [")[1].split("]")[0]
    declared = dict(re.findall(r'"([\w-]+)>=([\d.]+)"', block))
    tested = dict(
        re.findall(r"^([\w-]+)==([\d.]+)$", (ROOT / "tests/floor-constraints.txt").read_text(), re.MULTILINE)
    )
    assert declared.keys() == tested.keys()
    for name, version in declared.items():
        assert f"{tested[name]}.".startswith(f"{version}."), name


def test_ships_its_types() -> None:
    assert Path(vsp_gym.__file__).with_name("py.typed").is_file()


HEAVY = ("PIL", "click", "hypothesis", "networkx", "openai", "pandas", "pyarrow", "pygame", "rich", "torch")


def _modules_after(statement: str) -> set[str]:
    code = f"import json, sys; {statement}; print(json.dumps([name.split('.')[0] for name in sys.modules]))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return set(json.loads(output))


def test_import_is_light() -> None:
    loaded = _modules_after("import vsp_gym")
    assert not loaded & set(HEAVY)
    by_gymnasium = _modules_after("import gymnasium, typing_extensions")
    foreign = {name for name in loaded - by_gymnasium - sys.stdlib_module_names if not name.startswith("_")}
    assert foreign == {"vsp_gym"}


def _tracked_text() -> list[tuple[str, str]]:
    try:
        listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    files = [(name, ROOT / name) for name in listing.decode().split("\0") if name]
    return [
        (name, data.decode("utf-8", "replace"))
        for name, path in files
        if path.is_file() and b"\0" not in (data := path.read_bytes())
    ]


def test_no_file_names_a_machine() -> None:
    # Each pattern has a character class so that it does not find itself.
    suspicious = re.compile(
        r"/(?:tmp|work|farm|root|home/\w+)[/]|index[-_]url|find[-_]links|[.]pythonhosted[.]|[/]simple/"
    )
    found = [
        f"{name}:{number}: {line.strip():.100}"
        for name, text in _tracked_text()
        for number, line in enumerate(text.splitlines(), 1)
        if suspicious.search(line)
    ]
    assert not found, "\n".join(found)
