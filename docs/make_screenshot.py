"""Photographs the demo's report in headless Chromium: `python docs/make_screenshot.py`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from vsp_gym.cli import main as vsp_gym

WIDTH, HEIGHT, COLORS = 1180, 1130, 128


def photograph(page: Path, picture: Path, profile: Path) -> None:
    """The top of the page in the light scheme, once its scripts have drawn it."""
    subprocess.run(
        [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--blink-settings=preferredColorScheme=1",
            "--virtual-time-budget=20000",
            f"--user-data-dir={profile}",
            f"--window-size={WIDTH},{HEIGHT}",
            f"--screenshot={picture}",
            page.as_uri(),
        ],
        check=True,
        capture_output=True,
    )


def main(target: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        vsp_gym(["demo", "--out", str(folder / "demo")], standalone_mode=False)
        photograph(folder / "demo/report.html", folder / "report.png", folder / "profile")
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(folder / "report.png") as picture:
            picture.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE).save(target, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "screenshots/report.png")
