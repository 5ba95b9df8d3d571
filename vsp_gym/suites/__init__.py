"""Readers of published benchmarks, and the check of what they publish against the rules.

Nothing of a benchmark is shipped: users point a reader at their own copy.

>>> from vsp_gym.suites import SuiteItem, read_suite
>>> found = read_suite("ucsb-vsp", "Visual-Spatial-Planning")  # doctest: +SKIP
>>> boards = [item.layout for item in found if isinstance(item, SuiteItem)]  # doctest: +SKIP
"""

from __future__ import annotations

from vsp_gym.suites.base import Claim, Suite, SuiteError, SuiteItem, Verdict
from vsp_gym.suites.registry import SUITES, get_suite, read_suite
from vsp_gym.suites.verify import Disagreement, LevelReport, VerifyReport, verify_suite

__all__ = [
    "SUITES",
    "Claim",
    "Disagreement",
    "LevelReport",
    "Suite",
    "SuiteError",
    "SuiteItem",
    "Verdict",
    "VerifyReport",
    "get_suite",
    "read_suite",
    "verify_suite",
]
