"""The list of readers, and reading by name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from vsp_gym.errors import FormatError, UnknownNameError
from vsp_gym.suites.base import Suite, SuiteError, SuiteItem
from vsp_gym.suites.diffthinker import DiffThinker
from vsp_gym.suites.mgsd import MGSD
from vsp_gym.suites.ucsb import UCSBVSP
from vsp_gym.suites.visualplanning import VisualPlanning

SUITES: dict[str, Suite] = {
    suite.name: suite for suite in (UCSBVSP(), VisualPlanning(), DiffThinker(), MGSD())
}
"""Every reader by its name."""


def get_suite(name: object) -> Suite:
    """The reader of that name; raises `UnknownNameError` for any other name."""
    if isinstance(name, str) and name in SUITES:
        return SUITES[name]
    raise UnknownNameError("suite", name, SUITES)


def read_suite(name: str, path: str | os.PathLike[str]) -> Iterator[SuiteItem | SuiteError]:
    """The boards of a published benchmark, one at a time.

    Args:
        name: key in `SUITES`.
        path: the published checkout, or the folder in it that holds the task folders.

    A file that cannot be read comes as a `SuiteError`, and the rest is still read.

    Raises:
        UnknownNameError: for an unknown suite.
        FormatError: at once, if `path` is no folder or holds nothing of that benchmark.
    """
    suite = get_suite(name)
    return suite.read(suite.find_root(check_folder(path)))


def check_folder(path: str | os.PathLike[str]) -> Path:
    """`path` as a `Path`; raises `FormatError` if it is no folder."""
    folder = Path(path)
    try:
        if folder.is_dir():
            return folder
    except ValueError:  # a path with a NUL character
        pass
    raise FormatError(f"{str(path)!r} is no folder")
