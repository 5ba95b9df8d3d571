"""Runs `vsp-gym` in this process or in one of its own."""

from __future__ import annotations

import inspect
import subprocess
import sys

from click.testing import CliRunner, Result

from vsp_gym.cli import main


def invoke(*args: str, data: str | bytes = "", **options) -> Result:
    """`vsp-gym ARGS` with stdin `data`; stdout and stderr apart with every version of click."""
    separate = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}
    result = CliRunner(**separate).invoke(main, args, input=data, **options)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


COMMAND = (sys.executable, "-m", "vsp_gym")


def spawn(*args: str, **options) -> subprocess.CompletedProcess:
    """`vsp-gym ARGS` as a process; its output is captured as text."""
    return subprocess.run(
        (*COMMAND, *args),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
        **options,
    )
