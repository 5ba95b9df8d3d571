"""What is evaluated: boards, the conditions under which each is shown, and the messages of each case.

Boards come one at a time from a data set, a published benchmark or a generator, and the cases of a board
follow each other, so that memory does not grow with the number of boards.

| protocol | what is asked | what is judged |
|---|---|---|
| `plan` | the whole plan in one reply | the plan |
| `interactive` | one action a turn, with the board as it is after the last one | the actions taken |
| `perceive` | every question about the picture, and the whole state | each answer |
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from vsp_gym.core import Action, Layout, check_int
from vsp_gym.envs import get_task
from vsp_gym.envs.base import Difficulty, PlanningTask
from vsp_gym.envs.env import check_difficulty
from vsp_gym.errors import UnknownNameError, VSPGymError
from vsp_gym.perception import Question, asks, questions
from vsp_gym.planning import Solution, solve
from vsp_gym.plans import ParseMode
from vsp_gym.prompts import Message, ReplyForm, Role, build_messages, next_turn, prompt_version
from vsp_gym.records import read_samples
from vsp_gym.render import PERTURBATIONS, encode_png, get_theme, perturb, render_png, render_rgb
from vsp_gym.render.perturbations import SEVERITIES
from vsp_gym.scoring import get_convention
from vsp_gym.suites import SuiteError, read_suite

Protocol = Literal["plan", "interactive", "perceive"]
Modality = Literal["image", "text", "both", "state"]

ROLES: Mapping[str, Role] = {"image": "student", "text": "text-student", "both": "both-student"}
"""Whom the prompts address in each modality; `"state"`, for built-in agents, has no prompt."""

WHOLE_STATE = "state"
"""What the request for the whole statement is called among the questions."""


# ---------------------------------------------------------------------------------------------
# Boards.


@dataclass(frozen=True, eq=False)
class Board:
    """A board to be evaluated."""

    id: str
    """Unique in its source."""
    index: int
    """Position in its source, from 0."""
    task: PlanningTask[Any, Any]
    layout: Layout
    picture: bytes | None = None
    """The picture that the source has of it, as PNG, if its theme is known."""
    theme: str | None = None
    """The theme of `picture`."""
    pictures: dict[Any, bytes] = field(default_factory=dict, repr=False)
    """Pictures of this board that several cases share."""

    @property
    def size(self) -> int:
        """The longer side in cells."""
        return max(self.layout.rows, self.layout.cols)

    @cached_property
    def solution(self) -> Solution[Any, Any]:
        """The oracle's solution."""
        return Solution(self.task, self.layout)

    @cached_property
    def difficulty(self) -> Difficulty | None:
        """Bucket of the optimal length; None for a board without a solution."""
        optimal = self.solution.distance()
        return None if optimal is None else self.task.generator.difficulty(self.size, optimal)


def read_boards(path: Path, *, images: bool = True) -> Iterator[Board]:
    """The boards of a data set, see `vsp_gym.records.read_samples`.

    Args:
        path: the data set's folder or file.
        images: whether its pictures are read.
    """
    for index, sample in enumerate(read_samples(path, images=images, verify=False)):
        picture = sample.image if sample.theme is not None else None
        yield Board(sample.id, index, get_task(sample.task), sample.board(), picture, sample.theme)


def read_suite_boards(
    name: str, path: Path, broken: list[SuiteError], unsolvable: list[str]
) -> Iterator[Board]:
    """The boards of a published benchmark that have a solution.

    Args:
        name: a key of `vsp_gym.suites.SUITES`.
        path: the published folder.
        broken: files that cannot be read are appended to it.
        unsolvable: names of boards without a solution are appended to it: no plan can be right there.
    """
    seen: dict[str, int] = {}
    index = 0
    for item in read_suite(name, path):
        if isinstance(item, SuiteError):
            broken.append(item)
            continue
        board = f"{item.part}/{item.level}/{item.id}"
        seen[board] = repeated = seen.get(board, -1) + 1
        board = f"{board}#{repeated}" if repeated else board
        task = get_task(item.task)
        if solve(task, item.layout).distance() is None:
            unsolvable.append(board)
            continue
        yield Board(board, index, task, item.layout)
        index += 1


def draw_boards(
    tasks: Sequence[PlanningTask[Any, Any]],
    sizes: Sequence[int] | None,
    number: int,
    seed: int,
    difficulty: Difficulty | None = None,
) -> Iterator[Board]:
    """Fresh boards: `number` of each task and size, all kinds in turn.

    Args:
        tasks: the tasks.
        sizes: sides; for None those that published work uses.
        number: boards of each task and size.
        seed: the same seed gives the same boards on every machine.
        difficulty: bucket of the optimal length; None for any.

    Raises:
        VSPGymError: at once for a size that no task allows; while drawing, if there is no such board.
    """
    check_difficulty(difficulty)
    kinds = [(task, size) for task in tasks for size in sizes_of(task, sizes)]
    if not kinds:
        names = " or ".join(task.title for task in tasks)
        raise VSPGymError(f"no size of {list(sizes or ())} is one of {names}")
    return _draw(kinds, number, seed, difficulty)


def sizes_of(task: PlanningTask[Any, Any], sizes: Sequence[int] | None) -> list[int]:
    """Those of `sizes` that a task allows; for None those that published work uses."""
    if sizes is None:
        return list(task.paper_sizes or (task.default_size,))
    return [size for size in sizes if task.min_size <= size <= task.max_size]


def _draw(
    kinds: Sequence[tuple[PlanningTask[Any, Any], int]], number: int, seed: int, difficulty: Difficulty | None
) -> Iterator[Board]:
    index = 0
    for turn in range(number):
        for task, size in kinds:
            rng = np.random.default_rng([seed, zlib.crc32(task.name.encode()), size, turn])
            solution = task.generator.draw(rng, size, difficulty)
            board = Board(f"{task.name}-{size}-{turn}", index, task, solution.layout)
            board.__dict__["solution"] = solution  # drawing found it
            yield board
            index += 1


# ---------------------------------------------------------------------------------------------
# Conditions and cases.


@dataclass(frozen=True)
class Perturbation:
    """Damage to a picture, see `vsp_gym.render.perturb`."""

    name: str
    severity: int

    @classmethod
    def parse(cls, text: str) -> Perturbation | None:
        """Read `"noise:3"` (or `"noise"`, which is severity 3); None for `"none"`.

        Raises:
            UnknownNameError: for an unknown name.
            VSPGymError: for a severity out of range.
        """
        name, _, severity = text.partition(":")
        if name == "none" and not severity:
            return None
        if name not in PERTURBATIONS:
            raise UnknownNameError("perturbation", name, ["none", *PERTURBATIONS])
        try:
            number = int(severity or 3)
        except ValueError:
            raise VSPGymError(f"a perturbation is NAME:SEVERITY like noise:3, not {text!r:.80}") from None
        return cls(name, check_int(number, "severity", SEVERITIES[0], SEVERITIES[-1], VSPGymError))

    def __str__(self) -> str:
        return f"{self.name}:{self.severity}"


@dataclass(frozen=True)
class Condition:
    """How a board is shown."""

    modality: Modality
    theme: str | None = None
    """Look of the picture; None for the source's own picture (drawn in `"classic"` if it has none)."""
    perturbation: Perturbation | None = None

    @property
    def has_picture(self) -> bool:
        """Whether a picture is shown."""
        return self.modality in ("image", "both")


@dataclass(frozen=True, eq=False)
class Case:
    """One thing to be asked about one board: a row of the results."""

    board: Board
    condition: Condition
    question: str | None
    """Name of the question, `WHOLE_STATE`, or None if a plan is asked for."""
    sample: int
    """Number among the replies to the same messages."""
    prompt: str | None
    """Version of the prompt; None where there is none."""

    @property
    def theme(self) -> str | None:
        """Look of the picture that is shown; None if none is."""
        if not self.condition.has_picture:
            return None
        return self.condition.theme or self.board.theme or "classic"

    def identity(self) -> list[Any]:
        """What makes this case different from every other of the same run, as JSON types."""
        damage = self.condition.perturbation
        return [
            self.board.id,
            self.board.task.name,
            self.board.layout.to_dict(),
            self.condition.modality,
            self.theme,
            damage and str(damage),
            self.question,
            self.sample,
            self.prompt,
        ]


@dataclass(frozen=True)
class Evaluation:
    """What is asked about every board, and how it is judged.

    Raises:
        UnknownNameError: for an unknown protocol, modality, theme, convention or parse mode.
        VSPGymError: for values out of range or that do not fit together.
    """

    protocol: Protocol = "plan"
    modalities: tuple[Modality, ...] = ("image",)
    themes: tuple[str | None, ...] = (None,)
    """Looks of pictures; None for the source's own, see `Condition.theme`."""
    perturbations: tuple[Perturbation | None, ...] = (None,)
    image_size: int = 256
    """Longer side in pixels of pictures that are drawn."""
    reply: ReplyForm = "full"
    """What a plan's prompt asks for: statement and plan (`"full"`), or the plan alone (`"direct"`)."""
    samples: int = 1
    """Replies to each case."""
    system: str | None = None
    """A system message in place of the prompt's own."""
    history: int | None = None
    """Past turns that an interactive model sees besides the first message; None for all."""
    max_turns: int | None = None
    """Turns of an interactive attempt at most; None for twice what any board of that size should need."""
    convention: str = "strict"
    mode: ParseMode = "lenient"
    """How plans are read in replies."""

    def __post_init__(self) -> None:
        for kind, value, allowed in (
            ("protocol", self.protocol, get_args(Protocol)),
            ("parse mode", self.mode, get_args(ParseMode)),
            ("form of reply", self.reply, ("full", "direct")),
            *(("modality", modality, get_args(Modality)) for modality in self.modalities),
        ):
            if value not in allowed:
                raise UnknownNameError(kind, value, allowed)
        get_convention(self.convention)
        for theme in self.themes:
            if theme is not None:
                get_theme(theme)
        check_int(self.samples, "samples", 1, 1000, VSPGymError)
        if self.protocol == "perceive" and set(self.modalities) != {"image"}:
            raise VSPGymError("perception questions are about pictures: the modality is image")
        if self.protocol != "plan" and "state" in self.modalities:
            raise VSPGymError(
                f"built-in agents write whole plans, so they cannot be evaluated as {self.protocol}"
            )

    def conditions(self) -> list[Condition]:
        """Every way in which a board is shown; themes and damage make a difference to pictures only."""
        found = []
        for modality in dict.fromkeys(self.modalities):
            if modality in ("image", "both"):
                found += [
                    Condition(modality, theme, damage)
                    for theme in dict.fromkeys(self.themes)
                    for damage in dict.fromkeys(self.perturbations)
                ]
            else:
                found.append(Condition(modality))
        return found

    def cases(self, board: Board) -> Iterator[Case]:
        """Everything that is asked about a board."""
        for condition in self.conditions():
            theme = Case(board, condition, None, 0, None).theme
            prompt = self.prompt_version(board.task, condition.modality, theme)
            for question in self._questions(board.task):
                for sample in range(self.samples):
                    yield Case(board, condition, question, sample, prompt)

    def _questions(self, task: PlanningTask[Any, Any]) -> list[str | None]:
        if self.protocol != "perceive":
            return [None]
        return [*(ask.name for ask in asks(task)), WHOLE_STATE]

    def count_cases(self, task: PlanningTask[Any, Any]) -> int:
        """How many cases each board of a task has."""
        return len(self.conditions()) * len(self._questions(task)) * self.samples

    @property
    def reply_form(self) -> ReplyForm:
        """The form of reply that prompts ask for."""
        return "action" if self.protocol == "interactive" else self.reply

    def prompt_version(
        self, task: PlanningTask[Any, Any], modality: Modality, theme: str | None
    ) -> str | None:
        """Hash of what the messages of all boards share; None where there are no messages."""
        if modality == "state":
            return None
        role = "perception" if self.protocol == "perceive" else ROLES[modality]
        return _version(task, role, theme or "classic", self.reply_form, self.system)

    def to_dict(self) -> dict[str, Any]:
        """The parameters as JSON types; the system message in full."""
        return {
            "protocol": self.protocol,
            "modalities": list(self.modalities),
            "themes": list(self.themes),
            "perturbations": [damage and str(damage) for damage in self.perturbations],
            "image_size": self.image_size,
            "reply": self.reply_form,
            "samples": self.samples,
            "system": self.system,
            "history": self.history,
            "max_turns": self.max_turns,
            "convention": self.convention,
            "mode": self.mode,
        }

    # -- messages ------------------------------------------------------------------------------

    def messages(self, case: Case) -> list[Message]:
        """The messages that begin a case; none where the model is given the board itself."""
        if case.condition.modality == "state":
            return []
        question: Question | None = None
        role = ROLES[case.condition.modality]
        if self.protocol == "perceive":
            role = "perception"
            question = None if case.question == WHOLE_STATE else self.question(case)
        messages = build_messages(
            case.board.task,
            case.board.layout,
            role=role,
            image=self._picture(case, None) if case.condition.has_picture else None,
            theme=case.theme or "classic",
            question=question,
            reply=self.reply_form,
        )
        if self.system is not None:
            messages[0] = {"role": "system", "content": self.system}
        return messages

    def next_message(self, case: Case, state: Any, outcome: str) -> Message:
        """The message that follows an action of an interactive attempt."""
        return next_turn(
            case.board.task,
            case.board.layout,
            state,
            outcome=outcome,
            role=ROLES[case.condition.modality],
            image=self._picture(case, state) if case.condition.has_picture else None,
        )

    def question(self, case: Case) -> Question | None:
        """The question of a case, with its true answer; None if it asks for a plan or the whole state."""
        found = (q for q in questions(case.board.task, case.board.layout) if q.name == case.question)
        return next(found, None)

    def limit(self, board: Board) -> int:
        """Turns of an interactive attempt on a board at most."""
        if self.max_turns is not None:
            return self.max_turns
        return max(4 * board.size, 2 * (board.solution.distance() or 0)) + 4

    def _picture(self, case: Case, state: Any) -> bytes:
        board, condition, theme = case.board, case.condition, case.theme or "classic"
        key = (condition.theme, condition.perturbation, state)
        if key in board.pictures:
            return board.pictures[key]
        given = board.picture if condition.theme is None and state is None else None
        if condition.perturbation is None:
            picture = given or render_png(board.task, board.layout, state, size=self.image_size, theme=theme)
        else:
            shown = board.task.initial(board.layout) if state is None else state
            pixels = (
                _decode(given)
                if given is not None
                else render_rgb(board.task, board.layout, shown, size=self.image_size, theme=theme)
            )
            damage = condition.perturbation
            seed = zlib.crc32(board.id.encode())
            picture = encode_png(perturb(pixels, damage.name, damage.severity, seed))
        if state is None:
            board.pictures[key] = picture
        return picture


def _decode(picture: bytes) -> Any:
    import io

    from PIL import Image

    with Image.open(io.BytesIO(picture)) as opened:
        return np.array(opened.convert("RGB"))


@lru_cache(maxsize=256)
def _version(
    task: PlanningTask[Any, Any], role: Role, theme: str, reply: ReplyForm, system: str | None
) -> str:
    version = prompt_version(task, role, theme=theme, reply=reply)
    if system is None:
        return version
    return hashlib.sha256(json.dumps([version, system]).encode()).hexdigest()[:12]


def tell_outcome(action: Action, violation_phrase: str | None) -> str:
    """What an action did, in a sentence for an interactive model."""
    if violation_phrase is None:
        return f"{action.name} is done."
    return f"{action.name} is illegal: it {violation_phrase}. Nothing changed."


def absolute(path: Path) -> str:
    """A path as runs record it."""
    return os.path.abspath(path)
