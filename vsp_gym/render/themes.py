"""Looks: which shape, which colours and which words stand for every role on a board.

A theme is data. It knows nothing of tasks: a task draws *roles* (`floor`, `wall`, `goal`, ...), so a new
task has a look in every theme. Where a task wants a look of its own in some theme, that is data in the
task's folder (`PictureView.looks`).

The words of a look are what prompts say about it; nothing else in the package describes a picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from vsp_gym.core import Action
from vsp_gym.errors import UnknownNameError, VSPGymError
from vsp_gym.render.canvas import Canvas, Color
from vsp_gym.render.shapes import SHAPES, Paint, pointer

ROLES: Mapping[str, str] = MappingProxyType(
    {
        "floor": "a cell that can be entered",
        "grid": "the line between two cells",
        "wall": "a barrier between two cells, or a cell that cannot be entered",
        "hazard": "a cell that ends the attempt",
        "start": "the cell where the agent began",
        "goal": "the cell to reach",
        "agent": "the one who moves",
        "object": "a thing that can be taken",
        "trace": "the cell that a thing was taken from",
        "surface": "furniture that a thing can be put on",
    }
)
"""The roles that every theme has a look for, and what they are for."""


DEFAULT = "default"
"""The theme whose looks in a task stand in for those that other themes do not have."""

LEAST_PIXELS, LEAST_SHARE = 3.2, 0.62
"""In small cells a shape gets this many pixels, up to this share of the cell: it has to stay visible."""


@dataclass(frozen=True, eq=False)
class Look:
    """How one role is drawn."""

    shape: str
    """A name in `vsp_gym.render.shapes.SHAPES`."""
    color: Color
    """Main colour."""
    words: str
    """What is drawn, for a reader who sees it: `"a yellow dot"`."""
    size: float = 1.0
    """Side of the shape as a share of the cell; for walls and grid lines, their thickness."""
    detail: Color | None = None
    """Second colour (the main one if None)."""
    outline: Color | None = None
    """Third colour (the second one if None)."""
    sharp: bool = False
    """Whether edges are hard instead of antialiased."""
    sprites: Mapping[Action | None, npt.NDArray[np.uint8]] | None = None
    """Pictures `uint8[height, width, 4]` drawn instead of the shape: by facing, None for any other."""

    def __post_init__(self) -> None:
        if self.shape not in SHAPES:
            raise UnknownNameError("shape", self.shape, SHAPES)

    def draw(self, canvas: Canvas, facing: Action | None = None) -> None:
        """Draw the role in the middle of `canvas`."""
        size = max(self.size, min(LEAST_SHARE, LEAST_PIXELS / canvas.side))
        canvas = (canvas.sharp() if self.sharp else canvas).scaled(size)
        if self.sprites is None:
            detail = self.color if self.detail is None else self.detail
            paint = Paint(self.color, detail, detail if self.outline is None else self.outline)
            SHAPES[self.shape](canvas, paint, facing)
        else:
            canvas.image(self.sprites.get(facing, self.sprites[None]))
            if facing is not None and facing not in self.sprites:
                pointer(canvas, self.color, facing)


@dataclass(frozen=True, eq=False)
class Theme:
    """A named set of looks.

    Raises:
        VSPGymError: if a role of `ROLES` has no look.
    """

    name: str
    roles: Mapping[str, Look]
    """The look of every role, or of those that differ from `base`."""
    tasks: Mapping[str, Mapping[str, Look]] = field(default_factory=dict)
    """Looks for one task only, by the task's name."""
    base: Theme | None = None
    """The theme that this one varies."""

    def __post_init__(self) -> None:
        missing = [role for role in ROLES if role not in self.roles]
        if self.base is None and missing:
            raise VSPGymError(f"theme {self.name!r} has no look for {', '.join(missing)}")

    def look(self, role: str) -> Look:
        """The look of a role; raises `UnknownNameError` if the theme has none."""
        try:
            return self.roles[role]
        except KeyError:
            if self.base is not None:
                return self.base.look(role)
            raise UnknownNameError(f"role of theme {self.name!r}", role, self.roles) from None

    def draw(self, canvas: Canvas, role: str, facing: Action | None = None) -> None:
        """Draw a role in the middle of `canvas`."""
        self.look(role).draw(canvas, facing)

    def adapted(self, task: str, looks: Mapping[str, Mapping[str, Look]]) -> Theme:
        """The theme as a task sees it.

        A role's look is the first of: this theme's for the task, the task's for this theme, this theme's
        own, and then what the theme that it varies has for the task. For a theme that varies none, the
        task's for the theme `default` comes last.

        Args:
            task: the task's name.
            looks: the task's looks by theme and role (`PictureView.looks`).
        """
        inherited = looks.get(DEFAULT, {}) if self.base is None else self.base.adapted(task, looks).roles
        own = {**self.roles, **looks.get(self.name, {}), **self.tasks.get(task, {})}
        return Theme(self.name, {**inherited, **own})


WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def _classic() -> Theme:
    """The looks of MGSD (arXiv 2606.06076), on which published checkpoints were trained."""
    yellow, blue = (255, 255, 0), (0, 0, 255)
    return Theme(
        "classic",
        {
            "floor": Look("plain", WHITE, "a white cell"),
            "grid": Look("plain", (224, 224, 224), "a thin light grey line", 1 / 16),
            "wall": Look("plain", BLACK, "a black wall", 0.25),
            "hazard": Look("pit", (40, 60, 90), "a dark hole", 0.8),
            "start": Look("ring", yellow, "a yellow ring", 0.36, sharp=True),
            "goal": Look("dot", blue, "a blue dot", 0.39, sharp=True),
            "agent": Look("dot", yellow, "a yellow dot", 0.39, sharp=True),
            "object": Look("printer", WHITE, "a white printer", 0.58, BLACK, sharp=True),
            "trace": Look("corners", (96, 96, 96), "four small grey corners", 0.7, sharp=True),
            "surface": Look("plain", (181, 143, 96), "a tan table"),
        },
    )


def _default() -> Theme:
    """Soft colours, rounded shapes."""
    ink, slate, orange, green = (38, 50, 72), (92, 107, 132), (245, 130, 48), (26, 158, 104)
    return Theme(
        "default",
        {
            "floor": Look("plain", (246, 247, 250), "a near-white cell"),
            "grid": Look("plain", (219, 224, 233), "a thin pale grey line", 0.02),
            "wall": Look("plain", ink, "a dark blue-grey wall", 0.12),
            "hazard": Look("pit", (27, 42, 74), "a dark blue hole", 0.76, (66, 99, 148), (150, 182, 216)),
            "start": Look("ring", (150, 160, 178), "a grey ring", 0.56),
            "goal": Look("flag", green, "a green flag", 0.68, slate, (190, 198, 212)),
            "agent": Look("bot", orange, "an orange robot", 0.56, WHITE, ink),
            "object": Look("device", (93, 135, 214), "a blue printer", 0.7, (255, 214, 92), ink),
            "trace": Look("corners", (186, 194, 208), "four small grey corners", 0.7),
            "surface": Look("plain", (196, 146, 98), "a brown table", outline=(150, 104, 62)),
        },
    )


def _high_contrast() -> Theme:
    """Black, white and the colours of Okabe and Ito, which colour-blind people can tell apart.

    Every role has a shape of its own besides.
    """
    orange, blue, vermilion = (230, 159, 0), (0, 114, 178), (213, 94, 0)
    return Theme(
        "high-contrast",
        {
            "floor": Look("plain", WHITE, "a white cell"),
            "grid": Look("plain", (120, 120, 120), "a thin grey line", 0.03),
            "wall": Look("plain", BLACK, "a thick black wall", 0.2),
            "hazard": Look("hatch", BLACK, "a black frame with diagonal strokes", 0.8),
            "start": Look("ring", BLACK, "a black ring", 0.5),
            "goal": Look("star", blue, "a blue star", 0.72),
            "agent": Look("arrow", orange, "an orange arrowhead with a black outline", 0.62, BLACK),
            "object": Look("printer", vermilion, "a red-orange printer with a black slot", 0.64, BLACK),
            "trace": Look("corners", BLACK, "four small black corners", 0.7),
            "surface": Look("plain", (86, 180, 233), "a sky-blue table with a black edge", outline=BLACK),
        },
    )


def _inverted() -> Theme:
    """The colours of `classic` turned into their opposites."""
    blue, yellow = (0, 0, 255), (255, 255, 0)
    return Theme(
        "inverted",
        {
            "floor": Look("plain", BLACK, "a black cell"),
            "grid": Look("plain", (31, 31, 31), "a thin dark grey line", 1 / 16),
            "wall": Look("plain", WHITE, "a white wall", 0.25),
            "hazard": Look("pit", (215, 195, 165), "a light tan hole", 0.8),
            "start": Look("ring", blue, "a blue ring", 0.36),
            "goal": Look("dot", yellow, "a yellow dot", 0.38),
            "agent": Look("dot", blue, "a blue dot", 0.38),
            "object": Look("printer", BLACK, "a black printer", 0.58, WHITE),
            "trace": Look("corners", (159, 159, 159), "four small grey corners", 0.7),
            "surface": Look("plain", (74, 112, 159), "a steel-blue table"),
        },
    )


def _blueprint() -> Theme:
    """White lines on blue paper: nothing in it is known from the other themes."""
    paper, line, pale = (24, 66, 138), (236, 243, 255), (128, 164, 222)
    return Theme(
        "blueprint",
        {
            "floor": Look("plain", paper, "a blue cell"),
            "grid": Look("plain", (52, 96, 170), "a thin lighter blue line", 0.02),
            "wall": Look("plain", line, "a thin white line", 0.06),
            "hazard": Look("hatch", pale, "a pale blue frame with diagonal strokes", 0.72),
            "start": Look("ring", pale, "a pale blue ring", 0.5),
            "goal": Look("cross", line, "a white cross", 0.5),
            "agent": Look("diamond", line, "a white diamond with a blue middle", 0.5, paper),
            "object": Look("printer", line, "a white printer with a blue slot", 0.62, paper),
            "trace": Look("corners", pale, "four small pale blue corners", 0.7),
            "surface": Look("plain", pale, "a pale blue table with a white edge", outline=line),
        },
    )


THEMES: dict[str, Theme] = {}
"""Every registered theme by its name."""


def register_theme(theme: Theme) -> Theme:
    """Make a theme known by its name, in place of any of the same name."""
    THEMES[theme.name] = theme
    return theme


for _make in (_classic, _default, _high_contrast, _inverted, _blueprint):
    register_theme(_make())


def get_theme(theme: str | Theme) -> Theme:
    """The theme of that name; raises `UnknownNameError` for any other name."""
    if isinstance(theme, Theme):
        return theme
    if isinstance(theme, str) and theme in THEMES:
        return THEMES[theme]
    raise UnknownNameError("theme", theme, THEMES)
