"""DiffThinker (arXiv 2512.24165): FrozenLake boards of UCSB VSP with plans, larger lakes, and mazes.

    FrozenLake/VSP/maps/level{n}/{table,pure_text}/{id}.txt and metadata.json   {"0.png": "UU"}
    FrozenLake/{n}_test/table/{n}_{min}_{p}_{id}.txt and metadata.json          the same
    Maze/{n}_test/{n}_{min}_{id}.txt and path.json                              {"8_1_001": "DRD"}

A maze file holds its side, `row col` of start and goal (from 0), and the rows of wall masks
(N=1 S=2 W=4 E=8). `min` in a name is a lower bound: of the actions on a lake, of the
cells of the way in a maze.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vsp_gym.core import LayoutT, Plan
from vsp_gym.envs.maze import MazeLayout
from vsp_gym.errors import FormatError, VSPGymError
from vsp_gym.suites.base import Claim, Suite, SuiteError, SuiteItem, not_empty
from vsp_gym.suites.claims import OptimalLength, ReferencePlan, parse_letters
from vsp_gym.suites.files import MAX_JSON_BYTES, list_names, natural_key, parse_json, read_text
from vsp_gym.suites.mazes import parse_maze_file
from vsp_gym.suites.ucsb import Board, level_folders, read_boards, size_claim

_TEST_FOLDER = re.compile(r"([0-9]{1,9})_test")
_BOARD_NAME = re.compile(r"([0-9]{1,9})_([0-9]{1,9})(?:_[0-9.]+)?_[0-9]+")


class DiffThinker(Suite):
    """The lakes and mazes of DiffThinker; see the module for their files."""

    name = "diffthinker"
    title = "DiffThinker checkout"
    parts = (
        "FrozenLake/VSP/maps",
        "FrozenLake/16_test",
        "FrozenLake/32_test",
        "Maze/8_test",
        "Maze/16_test",
        "Maze/32_test",
    )

    def read(self, root: Path) -> Iterator[SuiteItem | SuiteError]:
        for level, number, folder in level_folders(root / "FrozenLake/VSP/maps"):
            yield from self._read_lakes("FrozenLake/VSP", level, number, folder, folder / "img")
        for level, folder in _test_folders(root / "FrozenLake"):
            yield from self._read_lakes("FrozenLake", level, int(level), folder, folder)
        for level, folder in _test_folders(root / "Maze"):
            mazes = _Folder(
                "maze", "Maze", level, int(level), folder / "path.json", "", folder, name_counts_cells=True
            )
            found = self._with_plans(_maze_boards(folder, "Maze", level), mazes)
            yield from not_empty(found, "Maze", level, folder)

    def _read_lakes(
        self, part: str, level: str, size: int, folder: Path, pictures: Path
    ) -> Iterator[SuiteItem | SuiteError]:
        lakes = _Folder("frozen_lake", part, level, size, folder / "metadata.json", ".png", pictures)
        found = self._with_plans(read_boards(folder, part, level), lakes)
        yield from not_empty(found, part, level, folder)

    def _with_plans(
        self, boards: Iterator[Board[LayoutT] | SuiteError], folder: _Folder
    ) -> Iterator[SuiteItem | SuiteError]:
        """Join the boards of a folder with its plans."""
        part, level = folder.part, folder.level
        plans: dict[str, object] | None = None
        try:
            plans = _read_plans(folder.plans)
        except FormatError as error:
            yield SuiteError(part, level, folder.plans, str(error))
        pictures = set(list_names(folder.pictures, ".png"))
        for board in boards:
            if isinstance(board, SuiteError):
                yield board
                continue
            claims = [
                size_claim(board.source, "the size", folder.size, board.layout),
                *_name_claims(board, folder.name_counts_cells),
            ]
            if plans is not None:
                try:
                    claims.append(ReferencePlan(folder.plans, _take_plan(plans, board.id + folder.suffix)))
                except FormatError as error:
                    yield SuiteError(part, level, folder.plans, str(error))
            picture = f"{board.id}.png"
            yield SuiteItem(
                suite=self.name,
                part=part,
                level=level,
                id=board.id,
                task=folder.task,
                layout=board.layout,
                source=board.source,
                image=folder.pictures / picture if picture in pictures else None,
                claims=(*claims, *board.claims),
            )
        for key in sorted(plans or (), key=natural_key):
            yield SuiteError(
                part, level, folder.plans, f"there is no readable board for the plan of {key!r:.80}"
            )


@dataclass(frozen=True)
class _Folder:
    """Boards of one level and where their plans and pictures are."""

    task: str
    part: str
    level: str
    size: int
    plans: Path
    suffix: str
    """What follows a board's id in the keys of the plans."""
    pictures: Path
    name_counts_cells: bool = False
    """Whether the bound in a board's name counts the cells of the way, one more than its actions."""


def _test_folders(folder: Path) -> Iterator[tuple[str, Path]]:
    for name in list_names(folder):
        match = _TEST_FOLDER.fullmatch(name)
        if match is not None and (folder / name).is_dir():
            yield match[1], folder / name


def _read_plans(path: Path) -> dict[str, object]:
    plans = parse_json(read_text(path, MAX_JSON_BYTES))
    if not isinstance(plans, dict):
        raise FormatError(f"the file must hold an object of plans, not {plans!r:.80}")
    return plans


def _maze_boards(folder: Path, part: str, level: str) -> Iterator[Board[MazeLayout] | SuiteError]:
    for name in list_names(folder, ".txt"):
        path = folder / name
        try:
            layout = parse_maze_file(read_text(path))
        except VSPGymError as error:
            yield SuiteError(part, level, path, str(error))
            continue
        yield Board(name[: -len(".txt")], path, layout)


def _take_plan(plans: dict[str, object], key: str) -> Plan:
    if key not in plans:
        raise FormatError(f"there is no plan for {key!r:.80}")
    return parse_letters(plans.pop(key), f"the plan of {key!r:.80}")


def _name_claims(board: Board[LayoutT], counts_cells: bool) -> list[Claim]:
    """What a name such as `16_9_0.8_001` says: the side, and how long the way is at least."""
    match = _BOARD_NAME.fullmatch(board.id)
    if match is None:
        return []
    return [
        size_claim(board.source, "the size in the name", int(match[1]), board.layout),
        OptimalLength(board.source, int(match[2]) - counts_cells, at_least=True),
    ]
