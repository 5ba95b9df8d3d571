"""Themes from a folder: pictures of one's own and a `theme.json` that says what they are.

```json
{
  "name": "pirates",
  "base": "default",
  "roles": {
    "agent": {"words": "a pirate", "sprite": "pirate.png", "size": 0.9,
              "facing": {"left": "pirate_left.png", "right": "pirate_right.png"}},
    "floor": {"words": "a blue cell", "shape": "plain", "color": "#2060a0"}
  },
  "tasks": {"frozen_lake": {"hazard": {"words": "a whirlpool", "sprite": "whirlpool.png"}}}
}
```

Roles that the file does not name look as in `base`. A folder may come from anyone: only plain file names
are followed, and sizes are limited.
"""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vsp_gym.core import MOVES, Action
from vsp_gym.errors import FormatError, UnknownNameError, VSPGymError
from vsp_gym.render.canvas import Color
from vsp_gym.render.shapes import SHAPES
from vsp_gym.render.themes import ROLES, Look, Theme, get_theme

if TYPE_CHECKING:
    from vsp_gym.envs.base import PlanningTask

THEME_FILE = "theme.json"

MAX_JSON_BYTES = 1 << 20
"""Largest `theme.json`."""

MAX_SPRITE_BYTES = 4 << 20
"""Largest sprite file."""

MAX_SPRITE_SIDE = 1024
"""Most pixels on a side of a sprite."""

MAX_WORDS = 120
"""Most characters in a look's words: they become part of prompts."""

_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. -]{0,100}\.png", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}", re.ASCII)
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}", re.ASCII)
_COLORS = ("color", "detail", "outline")
Sprite = npt.NDArray[np.uint8]
"""`uint8[height, width, 4]`."""

_MOVE_NAMES = MappingProxyType({move.name.lower(): move for move in MOVES})


def load_theme(folder: str | Path) -> Theme:
    """Read a theme from a folder; make it known by name with `register_theme`.

    Raises:
        FormatError: naming the file and field that cannot be used.
        UnknownNameError: if `base` is no theme.

    A task whose looks the file has must be registered before.
    """
    try:
        root = Path(folder)
    except TypeError:
        raise FormatError(f"a theme's folder is a path, not {folder!r:.80}") from None
    data = _read_json(root / THEME_FILE)
    where = str(root / THEME_FILE)
    _check_keys(data, where, ("name", "base", "roles", "tasks"))
    name = data.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise FormatError(f"{where}: name must be letters, digits, - and _, not {name!r:.80}")
    base = get_theme(data.get("base", "default"))
    looks = _read_looks(root, f"{where}: roles", data.get("roles", {}), ROLES)
    tasks = {
        task.name: _read_looks(root, f"{where}: tasks.{name}", roles, _roles(task))
        for name, roles in _mapping(data.get("tasks", {}), f"{where}: tasks").items()
        for task in [_find_task(name, where)]
    }
    return Theme(name, looks, tasks, base)


def _find_task(name: str, where: str) -> PlanningTask[Any, Any]:
    from vsp_gym.envs import get_task  # which needs the themes

    try:
        return get_task(name)
    except UnknownNameError as error:
        raise FormatError(f"{where}: tasks: {error}") from None


def _roles(task: PlanningTask[Any, Any]) -> tuple[str, ...]:
    """The roles that a task draws."""
    own = (role for looks in task.picture.looks.values() for role in looks)
    return tuple(dict.fromkeys([*ROLES, *task.picture.meanings, *own]))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        _check_file(path, str(path), MAX_JSON_BYTES)
        with path.open("rb") as file:
            data = json.loads(file.read(MAX_JSON_BYTES))
    except VSPGymError:
        raise
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}") from None
    except (RecursionError, UnicodeDecodeError) as error:
        raise FormatError(f"{path} is not JSON: {type(error).__name__}") from None
    except ValueError as error:  # also for a path with a NUL, and for a number of thousands of digits
        raise FormatError(f"{str(path)!r:.200} is not JSON: {error!s:.120}") from None
    return _mapping(data, str(path))


def _check_file(path: Path, name: str, most: int) -> None:
    """Check that a file may be opened: one that is a pipe would be waited for without end."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise FormatError(f"{name} is no regular file")
    if status.st_size > most:
        raise FormatError(f"{name} has more than {most} bytes")


def _mapping(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FormatError(f"{where} must be an object, not {value!r:.80}")
    return value


def _check_keys(data: Mapping[str, Any], where: str, allowed: tuple[str, ...]) -> None:
    unknown = [key for key in data if key not in allowed]
    if unknown:
        raise FormatError(f"{where} has unknown fields {unknown!r:.120}; allowed: {', '.join(allowed)}")


def _read_looks(root: Path, where: str, value: object, known: Iterable[str]) -> dict[str, Look]:
    roles = _mapping(value, where)
    _check_keys(roles, where, tuple(known))
    return {role: _read_look(root, f"{where}.{role:.40}", look) for role, look in roles.items()}


def _read_look(root: Path, where: str, value: object) -> Look:
    data = _mapping(value, where)
    _check_keys(data, where, ("words", "shape", "sprite", "facing", "size", *_COLORS))
    words, size = data.get("words"), data.get("size", 1.0)
    if not isinstance(words, str) or not words.strip() or not words.isprintable() or len(words) > MAX_WORDS:
        raise FormatError(f"{where}.words must be one line of 1 to {MAX_WORDS} characters, not {words!r:.80}")
    if isinstance(size, bool) or not isinstance(size, (int, float)) or not 0.01 <= size <= 1:
        raise FormatError(f"{where}.size must be a number from 0.01 to 1, not {size!r:.80}")
    colors = {key: _read_color(data[key], f"{where}.{key}") for key in _COLORS if key in data}
    sprites = _read_sprites(root, where, data) if "sprite" in data else None
    shape = data.get("shape", "plain" if sprites else None)
    if not isinstance(shape, str) or shape not in SHAPES:
        raise FormatError(f"{where}.shape must be one of {', '.join(SHAPES)}, not {shape!r:.40}")
    if sprites is None and "facing" in data:
        raise FormatError(f"{where}.facing is for sprites; shapes turn by themselves")
    color = _mean_color(sprites[None]) if sprites and "color" not in colors else colors.get("color")
    if color is None:
        raise FormatError(f"{where} lacks color")
    return Look(
        shape,
        color,
        words,
        float(size),
        detail=colors.get("detail"),
        outline=colors.get("outline"),
        sprites=sprites,
    )


def _read_sprites(root: Path, where: str, data: dict[str, Any]) -> dict[Action | None, Sprite]:
    """A look's sprites by facing; None stands for any other."""
    if "shape" in data:
        raise FormatError(f"{where} has both shape and sprite; a look has one of them")
    sprites: dict[Action | None, Sprite] = {None: _read_sprite(root, data["sprite"], f"{where}.sprite")}
    for side, file in _mapping(data.get("facing", {}), f"{where}.facing").items():
        if side not in _MOVE_NAMES:
            raise FormatError(f"{where}.facing is left, down, right or up, not {side!r:.40}")
        sprites[_MOVE_NAMES[side]] = _read_sprite(root, file, f"{where}.facing.{side}")
    return sprites


def _read_color(value: object, where: str) -> Color:
    if not isinstance(value, str) or not _COLOR.fullmatch(value):
        raise FormatError(f'{where} must be a colour like "#ffcc00", not {value!r:.40}')
    return int(value[1:3], 16), int(value[3:5], 16), int(value[5:7], 16)


def _read_sprite(root: Path, value: object, where: str) -> Sprite:
    """A PNG file of the folder as `uint8[height, width, 4]`."""
    from PIL import Image

    if not isinstance(value, str) or not _FILE_NAME.fullmatch(value):
        raise FormatError(f"{where} must be the name of a .png file in the theme's folder, not {value!r:.80}")
    path = root / value
    try:
        if not path.resolve().is_relative_to(root.resolve()):
            raise FormatError(f"{where}: {value} leads out of the theme's folder")
        _check_file(path, f"{where}: {value}", MAX_SPRITE_BYTES)
        with Image.open(path, formats=["PNG"]) as image:
            if max(image.size) > MAX_SPRITE_SIDE:
                width, height = image.size
                raise FormatError(
                    f"{where}: {value} is {width}x{height} pixels; allowed are {MAX_SPRITE_SIDE} a side"
                )
            return np.array(image.convert("RGBA"))
    except VSPGymError:
        raise
    except Exception as error:  # noqa: BLE001 (Pillow raises whatever a broken file leads to)
        raise FormatError(f"{where}: {value} is no readable PNG ({type(error).__name__})") from None


def _mean_color(rgba: Sprite) -> Color:
    """The mean colour of the visible pixels, which stands for a sprite in a terminal."""
    visible = rgba[rgba[..., 3] > 127][:, :3]
    red, green, blue = (visible if len(visible) else rgba.reshape(-1, 4)[:, :3]).mean(0).round().tolist()
    return int(red), int(green), int(blue)
