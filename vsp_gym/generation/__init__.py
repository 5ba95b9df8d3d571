"""Data sets of boards: any number, of any difficulty, without duplicates and without leaks between splits.

A data set is a function of its parameters and seed alone: its bytes are the same for any number of
workers, on one machine or many, and after any interruption.

>>> from vsp_gym.generation import Part, Request, generate
>>> request = Request((Part("maze", (4, 5), ("easy", "hard")),), count=1000, split="train")
>>> manifest = generate(request, "data", workers=4)  # doctest: +SKIP
"""

from __future__ import annotations

from vsp_gym.generation.capacity import Capacity, InfeasibleError, capacity
from vsp_gym.generation.leaks import Overlap, find_leaks, suite_orbits
from vsp_gym.generation.request import FRACTIONS, SLICES, Part, Request, read_config
from vsp_gym.generation.run import generate, verify_set

__all__ = [
    "FRACTIONS",
    "SLICES",
    "Capacity",
    "InfeasibleError",
    "Overlap",
    "Part",
    "Request",
    "capacity",
    "find_leaks",
    "generate",
    "read_config",
    "suite_orbits",
    "verify_set",
]
