"""Tests against real inference software run where it is installed, see `serve.sh`."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = (
    [] if all(map(find_spec, ("torch", "transformers", "openai", "fastapi"))) else ["test_*.py"]
)
