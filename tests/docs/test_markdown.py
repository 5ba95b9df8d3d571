"""Executes README.md and CONTRIBUTING.md.

| block | what happens to it |
|---|---|
| `python` | all of a file run in one namespace, in order |
| `console` | lines that begin with `$ ` run in one folder; what they print must be what stands below |
| `bash` | must follow `<!-- ci: NAME -->`; `.ci/run` executes it word for word |
| `pycon` | doctest, in the namespace of the `python` blocks |
| `yaml` | must describe a data set, for `vsp-gym generate --config` (where PyYAML is installed) |

In printed output `...` stands for any text.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from vsp_gym.generation import read_config

ROOT = Path(__file__).parents[2]
FILES = ("README.md", "CONTRIBUTING.md")
NOT_EXECUTED = ("bibtex", "text")


@dataclass(frozen=True)
class Block:
    """A fenced block of a Markdown file."""

    file: str
    line: int
    language: str
    text: str
    marker: str | None
    """NAME of `<!-- ci: NAME -->` on the line before the block."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def blocks(file: str) -> list[Block]:
    text = (ROOT / file).read_text(encoding="utf-8")
    fence = re.compile(r"(?:^<!-- ci: (\w+) -->\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [
        Block(file, text.count("\n", 0, match.start(2)) + 1, match[2], match[3], match[1])
        for match in fence.finditer(text)
    ]


@pytest.mark.parametrize("file", FILES)
def test_python_blocks(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"__name__": file}
    for block in blocks(file):
        where = str(ROOT / file)
        if block.language == "python":
            exec(compile("\n" * block.line + block.text, where, "exec"), namespace)
        elif block.language == "pycon":
            example = doctest.DocTestParser().get_doctest(
                block.text, namespace, str(block), where, block.line
            )
            runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
            assert runner.run(example, clear_globs=False).failed == 0
            namespace.update(example.globs)


def transcripts(block: Block) -> list[tuple[str, str]]:
    """Commands of a console block with what each prints."""
    parts = re.split(r"^\$ (.*\n(?:> .*\n)*)", block.text, flags=re.MULTILINE)
    assert not parts[0].strip(), f"{block} does not begin with a command"
    commands = [command.replace("\n> ", "\n").strip() for command in parts[1::2]]
    return list(zip(commands, parts[2::2]))


def normal(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


@pytest.mark.parametrize("file", FILES)
def test_console_blocks(file: str, tmp_path: Path) -> None:
    scripts = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "COLUMNS": "110",
        "NO_COLOR": "1",
        "TERM": "dumb",
        "PYTHONIOENCODING": "utf-8",
    }
    environment["PATH"] = scripts + os.pathsep + environment["PATH"]
    for block in blocks(file):
        if block.language != "console":
            continue
        for command, expected in transcripts(block):
            finished = subprocess.run(
                ["bash", "-c", command],
                cwd=tmp_path,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=120,
                check=False,
            )
            printed, wanted = normal(finished.stdout.decode()), normal(expected)
            assert doctest.OutputChecker().check_output(wanted, printed, doctest.ELLIPSIS), (
                f"{block}: `{command}` prints\n{printed}\n\nnot\n{wanted}"
            )


@pytest.mark.parametrize("file", FILES)
def test_yaml_blocks(file: str, tmp_path: Path) -> None:
    described = [block for block in blocks(file) if block.language == "yaml"]
    if described:
        pytest.importorskip("yaml")
    for block in described:
        path = tmp_path / "data.yaml"
        path.write_text(block.text, encoding="utf-8")
        assert read_config(path).requests, block


@pytest.mark.parametrize("file", FILES)
def test_every_block_is_checked(file: str) -> None:
    continuous_integration = (ROOT / ".ci/run").read_text(encoding="utf-8")
    for block in blocks(file):
        if block.language == "bash":
            assert block.marker, (
                f"{block} is executed nowhere: make it a console block or mark it for .ci/run"
            )
            assert f"commands_of {file} {block.marker})" in continuous_integration, (
                f".ci/run does not run {block}"
            )
        else:
            assert block.language in ("python", "pycon", "console", "yaml", *NOT_EXECUTED), (
                f"{block}: {block.language!r}"
            )


@pytest.mark.parametrize("file", FILES)
def test_links_and_pictures_exist(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) + re.findall(r'src="([^"]+)"', text)
    missing = [t for t in targets if not t.startswith(("http:", "https:")) and not (ROOT / t).exists()]
    assert not missing
