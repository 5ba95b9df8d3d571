"""Perception SFT and on-policy context distillation with TRL on VSP-Gym's boards.

Nothing heavy is imported here; each module imports what it needs.
"""

from __future__ import annotations

__version__ = "0.1.0"
