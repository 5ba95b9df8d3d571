"""UCSB VSP: the `maze` scenario of UCSB-NLP-Chang/Visual-Spatial-Planning (arXiv 2407.01863).

Below `maze/` (or `VSP-main/maze/`), each `task*/maps/level*/` holds folders of `{id}.txt`, one for each
notation of the board (`table`, `pure_text`, ...), and, where the task asks something, `question` and
`answer`. `task2` repeats the boards of `task-main` and publishes no answers, so it is not read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

from vsp_gym.core import Layout, LayoutT
from vsp_gym.envs.frozen_lake import FrozenLakeLayout
from vsp_gym.errors import FormatError, VSPGymError
from vsp_gym.suites.base import Claim, Suite, SuiteError, SuiteItem, not_empty
from vsp_gym.suites.claims import ChoiceAnswer, Fact, SafetyAnswer, SameBoard, YesNoAnswer, parse_letters
from vsp_gym.suites.files import list_names, natural_key, read_text
from vsp_gym.suites.lakes import parse_position, parse_rows, parse_sentences, parse_symbols, parse_table

NOTATIONS: dict[str, Callable[[str], FrozenLakeLayout]] = {
    "table": parse_table,
    "pure_text": parse_sentences,
    "text": parse_rows,
    "special_text": parse_symbols,
}
"""Folder to the reader of its files, in the order in which a board's layout is taken from them."""

_LEVEL = re.compile(r"level_?((?:step)?([0-9]{1,9}))")
_OPTION = re.compile(r"^\(([A-Z])\)[ \t]*$", re.MULTILINE)
_NAME = re.compile(r"([0-9]{1,9})-([0-9]{1,9})")


def level_folders(maps: Path) -> list[tuple[str, int, Path]]:
    """The level as it is called, the number in it, and the folder, for each `level*` folder in `maps`."""
    found = []
    for name in list_names(maps):
        match = _LEVEL.fullmatch(name)
        if match is not None and (maps / name).is_dir():
            found.append((match[1], int(match[2]), maps / name))
    return found


@dataclass(frozen=True)
class Board(Generic[LayoutT]):
    """A board of a level folder."""

    id: str
    source: Path
    layout: LayoutT
    claims: tuple[Claim, ...] = ()
    """That its other files state the same board."""


Lake = Board[FrozenLakeLayout]


def read_boards(folder: Path, part: str, level: str) -> Iterator[Lake | SuiteError]:
    """The lakes of a level folder. A board of which only some files are broken is still read."""
    names = {notation: list_names(folder / notation, ".txt") for notation in NOTATIONS}
    present = [notation for notation in NOTATIONS if (folder / notation).is_dir()]
    if not present:
        yield SuiteError(part, level, folder, f"there is none of the folders {', '.join(NOTATIONS)}")
    for name in sorted(set().union(*names.values()), key=natural_key):
        first: tuple[Path, FrozenLakeLayout] | None = None
        claims: list[Claim] = []
        for notation in present:
            path = folder / notation / name
            try:
                layout = NOTATIONS[notation](read_text(path))
            except VSPGymError as error:
                yield SuiteError(part, level, path, str(error))
                continue
            if first is None:
                first = path, layout
            else:
                claims.append(SameBoard(path, layout, notation))
        if first is not None:
            yield Board(name[: -len(".txt")], *first, tuple(claims))


def size_claim(source: Path, name: str, size: int, layout: Layout) -> Fact:
    """That the board is a square of side `size`."""
    return Fact(source, name, f"{size}x{size}", f"{layout.rows}x{layout.cols}")


class UCSBVSP(Suite):
    """The lakes of UCSB VSP; see the module for their files."""

    name = "ucsb-vsp"
    title = "UCSB VSP checkout (Visual-Spatial-Planning, maze scenario)"
    roots = ("", "maze", "VSP-main/maze")
    parts = ("task-main/maps", "task1/maps", "task3/maps", "task4/maps")

    def read(self, root: Path) -> Iterator[SuiteItem | SuiteError]:
        for part, reader in (
            ("task-main", self._read_main),
            ("task1", self._read_holes),
            ("task3", self._read_choices),
            ("task4", self._read_plans),
        ):
            for level, number, folder in level_folders(root / part / "maps"):
                yield from not_empty(reader(part, level, number, folder), part, level, folder)

    def _item(
        self, part: str, level: str, board: Lake, folder: Path, pictures: set[str], *claims: Claim
    ) -> SuiteItem:
        picture = f"{board.id}.png"
        return SuiteItem(
            suite=self.name,
            part=part,
            level=level,
            id=board.id,
            task="frozen_lake",
            layout=board.layout,
            source=board.source,
            image=folder / "img" / picture if picture in pictures else None,
            claims=claims + board.claims,
        )

    def _read_main(
        self, part: str, level: str, number: int, folder: Path
    ) -> Iterator[SuiteItem | SuiteError]:
        pictures = set(list_names(folder / "img"))
        for board in read_boards(folder, part, level):
            if isinstance(board, SuiteError):
                yield board
                continue
            yield self._item(
                part,
                level,
                board,
                folder,
                pictures,
                size_claim(board.source, "the size", number, board.layout),
            )

    def _read_holes(
        self, part: str, level: str, number: int, folder: Path
    ) -> Iterator[SuiteItem | SuiteError]:
        def size(path: Path, question: str, board: Lake) -> Fact:
            return size_claim(board.source, "the size", number, board.layout)

        return self._read_asked(part, level, folder, _ask_hole, size)

    def _read_plans(
        self, part: str, level: str, number: int, folder: Path
    ) -> Iterator[SuiteItem | SuiteError]:
        def length(path: Path, question: str, board: Lake) -> Fact:
            return Fact(path, "the number of actions", number, len(question))

        return self._read_asked(part, level, folder, _ask_safety, length)

    def _read_asked(
        self, part: str, level: str, folder: Path, ask: _Ask, level_fact: Callable[[Path, str, Lake], Fact]
    ) -> Iterator[SuiteItem | SuiteError]:
        """Boards with a file in `question`, and Y or N in a file in `answer`."""
        pictures = set(list_names(folder / "img"))
        asked = set(list_names(folder / "question", ".txt")) | set(list_names(folder / "answer", ".txt"))
        for board in read_boards(folder, part, level):
            if isinstance(board, SuiteError):
                yield board
                continue
            file = f"{board.id}.txt"
            asked.discard(file)
            path = folder / "question" / file
            claims: list[Claim] = []
            try:
                question = read_text(path).strip()
                answered = ask(question, board)
                claims.append(level_fact(path, question, board))
                path = folder / "answer" / file
                claims.append(answered(path, yes_or_no(read_text(path).strip())))
            except VSPGymError as error:
                yield SuiteError(part, level, path, str(error))
            yield self._item(part, level, board, folder, pictures, *claims)
        for file in sorted(asked, key=natural_key):
            yield SuiteError(part, level, folder / "question" / file, "there is no readable board for it")

    def _read_choices(
        self, part: str, level: str, number: int, folder: Path
    ) -> Iterator[SuiteItem | SuiteError]:
        """The picture's board is not published as text: it is the option that the answer names."""
        pictures = set(list_names(folder / "img"))
        files = set(list_names(folder / "question", ".txt")) | set(list_names(folder / "answer", ".txt"))
        boards = folder.parents[2] / "task-main" / "maps"
        for file in sorted(files, key=natural_key):
            path = folder / "question" / file
            name = file[: -len(".txt")]
            try:
                question = read_text(path)
                options = _parse_options(question)
                path = folder / "answer" / file
                names, answer = _parse_choice(read_text(path), len(options))
            except VSPGymError as error:
                yield SuiteError(part, level, path, str(error))
                continue
            choice = ChoiceAnswer(
                source=path,
                question=question,
                options=options,
                answer=answer,
                names=names,
                shown=f"{number}-{name}",
                boards=tuple(_named_board(boards, option) for option in names),
            )
            sizes = (
                size_claim(path, f"the size of option {chr(65 + i)}", int(_split(option)[0]), layout)
                for i, (option, layout) in enumerate(zip(names, options))
            )
            board = Board(name, folder / "question" / file, options[answer])
            yield self._item(part, level, board, folder, pictures, choice, *sizes)


_Ask = Callable[[str, Lake], Callable[[Path, bool], Claim]]
"""Reads a question about a board; what it returns makes the claim of the answer's file and the answer."""


def _ask_hole(question: str, board: Lake) -> Callable[[Path, bool], Claim]:
    cell = parse_position(question)
    if cell.row >= board.layout.rows or cell.col >= board.layout.cols:
        raise FormatError(f"{question!r:.80} asks about a cell off the board")
    return lambda source, answer: YesNoAnswer(source, question, answer, cell in board.layout.holes)


def _ask_safety(question: str, board: Lake) -> Callable[[Path, bool], Claim]:
    plan = parse_letters(question)
    return lambda source, answer: SafetyAnswer(source, question, plan, answer, "ucsb-task4")


def yes_or_no(text: str) -> bool:
    """True for `Y`, False for `N`; raises `FormatError` for anything else."""
    if text not in ("Y", "N"):
        raise FormatError(f"the answer must be Y or N, not {text!r:.80}")
    return text == "Y"


def _parse_options(question: str) -> tuple[FrozenLakeLayout, ...]:
    """The boards under the headings (A), (B), (C), (D)."""
    _, *pieces = _OPTION.split(question)
    letters, tables = pieces[::2], pieces[1::2]
    if letters != ["A", "B", "C", "D"]:
        raise FormatError(f"a question has the options A, B, C, D, not {', '.join(letters) or 'none'}"[:200])
    options = []
    for letter, table in zip(letters, tables):
        try:
            options.append(parse_table(table))
        except VSPGymError as error:
            raise FormatError(f"option {letter}: {error}") from None
    return tuple(options)


def _parse_choice(text: str, options: int) -> tuple[tuple[str, ...], int]:
    """The name `level-id` of each option, and the index (from 0) of the right one."""
    lines = [line.strip() for line in text.strip().splitlines()]
    if len(lines) != options + 1:
        raise FormatError(f"an answer has {options} names and the index of one, not {len(lines)} lines")
    for name in lines[:-1]:
        _split(name)
    if lines[-1] not in map(str, range(options)):
        raise FormatError(f"the index of the answer must be 0 to {options - 1}, not {lines[-1]!r:.80}")
    return tuple(lines[:-1]), int(lines[-1])


def _split(name: str) -> tuple[str, str]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise FormatError(f"a board is named level-number, not {name!r:.80}")
    return match[1], match[2]


def _named_board(maps: Path, name: str) -> FrozenLakeLayout | None:
    """The board of task-main with that name, or None if it is not there (its own reader reports why)."""
    level, number = _split(name)
    try:
        return parse_table(read_text(maps / f"level{level}" / "table" / f"{number}.txt"))
    except VSPGymError:
        return None
