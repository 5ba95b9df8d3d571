"""`python -m vsp_gym_trl`, for launchers that start a module."""

from __future__ import annotations

from vsp_gym_trl.cli import main

if __name__ == "__main__":
    main(prog_name="vsp-gym-trl")
