"""`python -m vsp_gym` is `vsp-gym`, also where scripts are not on the path."""

from __future__ import annotations

from vsp_gym.cli import main

if __name__ == "__main__":
    main(prog_name="python -m vsp_gym")
