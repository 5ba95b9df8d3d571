"""The exceptions that `vsp_gym` raises for input it cannot accept."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class VSPGymError(ValueError):
    """Base class of every error that `vsp_gym` raises on purpose."""


class LayoutError(VSPGymError):
    """A board that breaks its task's rules; the message names the cell or field."""


class FormatError(VSPGymError):
    """Text or data that cannot be read; the message names the line or field and its value."""


class UnknownNameError(VSPGymError):
    """A name that is not one of those allowed; the message lists them and the nearest match."""

    def __init__(self, kind: str, value: object, allowed: Iterable[str]) -> None:
        self.allowed = tuple(allowed)
        self._given = kind, value, self.allowed
        message = f"unknown {kind} {value!r:.80}; allowed: {', '.join(self.allowed) or 'none'}"
        nearest = difflib.get_close_matches(str(value)[:80], self.allowed, n=1)
        super().__init__(f"{message}. Did you mean {nearest[0]!r}?" if nearest else message)

    def __reduce__(self) -> tuple[type[UnknownNameError], tuple[str, object, tuple[str, ...]]]:
        """How another process gets this error from a worker."""
        return type(self), self._given
