"""Boards as arrays: pictures as tiles, prompts and replies as tokens, made by the core in many processes.

Whatever is said or drawn comes from the core: boards and plans from its generators and its oracle, words from
`vsp_gym.prompts` and the tasks' statements, tiles from `vsp_gym.render`. Here they only become numbers, once,
so that a training step can pick its rows by index on the device.
"""

from __future__ import annotations

import bisect
import itertools
import multiprocessing
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vsp_gym.core import Action, Layout, Plan
from vsp_gym.envs import get_task
from vsp_gym.envs.base import PlanningTask
from vsp_gym.errors import VSPGymError
from vsp_gym.generation.request import split_range
from vsp_gym.perception import state_statement
from vsp_gym.plan_reader import SHORT
from vsp_gym.planning import Solution
from vsp_gym.plans import format_plan
from vsp_gym.prompts import Role, build_messages, trace_route, write_reply
from vsp_gym.render import get_theme, perturb
from vsp_gym.render.atlas import get_sheet
from vsp_gym.scoring import score_plan
from vsp_gym.symmetry import Orbits, board_key
from vsp_gym.text import describe
from vsp_gym_trl.data import CELL

AnyPlanningTask = PlanningTask[Any, Any]

Mode = Literal["state", "direct", "full"]
"""What a reply has: the statement alone, the plan alone, or the statement and then the plan."""

_MODES: tuple[Mode, ...] = ("state", "direct", "full")

PlanMode = Literal["direct", "full"]
"""The forms of replies that have a plan."""

WALKS = 1
"""Walks over each training board, at every step of which the actions that would be right are known."""

WANDER = 0.2
"""How likely a walk leaves the shortest way at each step."""

MOST_ASTRAY = 4
"""Legal steps at random before it takes the shortest way from where it is; none goes straight back."""

LONGEST_WALK = 2
"""Steps of a walk, for each cell of a side."""

PLAIN = 0.25
"""Share of the training boards without an obstacle in the way that is kept; see `is_plain`."""

NO_TILE = 0
"""What fills the canvas beside a board; a tile of the task is its code plus one."""

GREY = 128

_SHEET = 8
"""Cells on each side of the pictures that tiles are taken from."""

_JOB = 500
_SAMPLE = 48


class Ragged(NamedTuple):
    """Rows of tokens of different lengths."""

    ids: Tensor
    """`int16[..., longest]`, 0 beyond a row's end; a token that is given and not learned is `~token`."""
    lengths: Tensor
    """`int64[...]`, kept on the CPU, where batches are put together."""

    def pick(self, *index: Tensor) -> Ragged:
        """Rows by index (on the CPU), cut to the longest of them."""
        lengths = self.lengths[index]
        longest = int(lengths.max())
        on_device = tuple(i.to(self.ids.device, non_blocking=True) for i in index)
        return Ragged(self.ids[..., :longest][on_device], lengths)


def concatenate(parts: Sequence[Ragged], length: int = 0) -> Ragged:
    """Rows put one after the other, without gaps, padded to at least some length."""
    lengths = torch.stack([part.lengths for part in parts])
    total = lengths.sum(0)
    longest, device = max(int(total.max()), length), parts[0].ids.device
    rows = torch.zeros(len(total), longest + 1, dtype=parts[-1].ids.dtype, device=device)
    starts = (lengths.cumsum(0) - lengths).to(device, non_blocking=True)
    counts = lengths.to(device, non_blocking=True)
    for part, start, count in zip(parts, starts, counts):
        place = torch.arange(part.ids.shape[1], device=device)
        target = torch.where(place < count[:, None], start[:, None] + place, longest)
        rows.scatter_(1, target, part.ids.to(rows.dtype))
    return Ragged(rows[:, :longest], total)


class Prompt(NamedTuple):
    """A prompt about a board: tokens that never change around those that tell of the board."""

    head: tuple[int, ...]
    tail: tuple[int, ...] = ()
    shows_plan: bool = False
    picture: int | None = None
    """The token that stands for each cell of a picture, for prompts with one; these have no description."""

    def with_picture(self, cells: int) -> tuple[int, ...]:
        """The whole prompt about a picture of so many cells."""
        assert self.picture is not None  # noqa: S101  for the type checker
        return (*self.head, *[self.picture] * cells, *self.tail)


@dataclass(frozen=True)
class TaskBoards:
    """Boards of one task and size as arrays. Rows of all arrays belong together.

    Batches are made of boards of one size, so that no row of them is much longer than others.
    """

    task: AnyPlanningTask
    size: int
    """Cells on each side."""
    tiles: Tensor
    """`int16[boards, side * side]`: codes of the cells' tiles plus one, `NO_TILE` beside the board."""
    descriptions: Ragged
    references: Ragged
    """`[boards]`: what tells a teacher the first of the plans."""
    replies: Mapping[Mode, Ragged]
    """`[boards, plans]`: replies with the token that ends them. The first plan is a shortest one, the others
    are walks."""
    choices: Mapping[PlanMode, Tensor]
    """`int32[boards, plans, longest]`: for each token of these replies the row of `sets` that holds all that
    would be as right in its place; 0 where only the token itself is."""
    sets: Tensor
    """`int64[sets, most]`: tokens, and -1 behind them; the first row is empty."""
    stated: Tensor
    """`int64[boards]`: with how many tokens a reply in full states the board before it plans, on the CPU."""
    layouts: tuple[Layout, ...]
    """For boards that replies are judged on; empty for others."""

    def __len__(self) -> int:
        return len(self.tiles)

    @property
    def plans(self) -> int:
        """How many plans there are of each board."""
        return self.replies["direct"].lengths.shape[1]

    def longest(self, mode: Mode, *, taught: bool = False) -> int:
        """Tokens of the longest reply; of all that are there to learn from, if asked for `taught` ones."""
        lengths = self.replies[mode].lengths
        return int((lengths if taught else lengths[:, :1]).max())

    def statements(self, rows: Tensor) -> Ragged:
        """What replies in full begin with, for some boards; all in one width."""
        full = self.replies["full"]
        return Ragged(full.ids[rows.to(full.ids.device), 0, : int(self.stated.max())], self.stated[rows])

    @property
    def longest_plan(self) -> int:
        """Tokens that the longest reply in full has after its statement."""
        return int((self.replies["full"].lengths[:, 0] - self.stated).max())

    def to(self, device: torch.device | str) -> TaskBoards:
        """These boards, with the arrays on a device."""
        moved = {mode: Ragged(ragged.ids.to(device), ragged.lengths) for mode, ragged in self.replies.items()}
        return replace(
            self,
            tiles=self.tiles.to(device),
            descriptions=Ragged(self.descriptions.ids.to(device), self.descriptions.lengths),
            references=Ragged(self.references.ids.to(device), self.references.lengths),
            replies=moved,
            choices={mode: rows.to(device) for mode, rows in self.choices.items()},
            sets=self.sets.to(device),
        )

    def tensors(self) -> dict[str, Tensor]:
        """All that is in the arrays, to be kept in a file; layouts are not."""
        ragged: dict[str, Ragged] = {"descriptions": self.descriptions, "references": self.references}
        ragged.update({mode: self.replies[mode] for mode in _MODES})
        found = {f"{name}.{part}": x for name, rows in ragged.items() for part, x in rows._asdict().items()}
        found.update({f"choices.{mode}": rows for mode, rows in self.choices.items()})
        return {"tiles": self.tiles, "stated": self.stated, "sets": self.sets, **found}

    @classmethod
    def from_tensors(cls, task: AnyPlanningTask, size: int, tensors: Mapping[str, Tensor]) -> TaskBoards:
        """The boards that `tensors` was called for."""

        def ragged(name: str) -> Ragged:
            return Ragged(tensors[f"{name}.ids"], tensors[f"{name}.lengths"])

        return cls(
            task=task,
            size=size,
            tiles=tensors["tiles"],
            descriptions=ragged("descriptions"),
            references=ragged("references"),
            replies={mode: ragged(mode) for mode in _MODES},
            choices={mode: tensors[f"choices.{mode}"] for mode in _FORMS},
            sets=tensors["sets"],
            stated=tensors["stated"],
            layouts=(),
        )

    def take(self, rows: Tensor) -> TaskBoards:
        """Some of the boards, each with its first plan alone."""
        some = rows.to(self.tiles.device)

        def first(ragged: Ragged) -> Ragged:
            return Ragged(ragged.ids[some][:, :1], ragged.lengths[rows][:, :1])

        return replace(
            self,
            tiles=self.tiles[some],
            descriptions=Ragged(self.descriptions.ids[some], self.descriptions.lengths[rows]),
            references=Ragged(self.references.ids[some], self.references.lengths[rows]),
            replies={mode: first(ragged) for mode, ragged in self.replies.items()},
            choices={mode: found[some][:, :1] for mode, found in self.choices.items()},
            stated=self.stated[rows],
            layouts=tuple(self.layouts[row] for row in rows.tolist()) if self.layouts else (),
        )


# ---- prompts --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PromptBook:
    """All prompts of a task as tokens."""

    task: AnyPlanningTask
    picture: Mapping[Mode, Prompt]
    text: Mapping[tuple[Role, Mode, bool], Prompt]
    """By role, form of the reply, and whether a reference plan is shown."""
    templates: tuple[tuple[str, ...], tuple[str, ...]]
    """A text prompt without and one with a reference plan, in the parts around what tells of the board."""


def make_prompts(task: str | AnyPlanningTask, tokenizer: Any) -> PromptBook:
    """Find the tokens of a task's prompts that are the same for every board.

    Args:
        task: a task or its name.
        tokenizer: the model's.

    Raises:
        VSPGymError: if the tokenizer joins what never changes with what does.
    """
    task = get_task(task)
    boards = [
        task.generator.draw(np.random.default_rng([_SAMPLE, size, index]), size)
        for size in task.paper_sizes
        for index in range(_SAMPLE // len(task.paper_sizes))
    ]
    texts = {kind: [_text_prompt(task, board, tokenizer, *kind) for board in boards] for kind in _TEXT_KINDS}
    rows: dict[tuple[Role, Mode, bool], list[list[int]]] = {
        kind: tokenizer(found, add_special_tokens=False).input_ids for kind, found in texts.items()
    }
    text: dict[tuple[Role, Mode, bool], Prompt] = {
        kind: Prompt(_shared(found), _shared([row[::-1] for row in found])[::-1], shows_plan=kind[2])
        for kind, found in rows.items()
    }
    for shown in (False, True):
        _check_parts(task, text, rows, shown)
    templates = tuple(
        _template(task, texts["teacher", "direct", shown][0], boards[0], shown=shown)
        for shown in (False, True)
    )
    picture = {mode: _picture_prompt(task, boards[0], tokenizer, mode) for mode in _MODES}
    return PromptBook(task, picture, text, (templates[0], templates[1]))


_TEXT_KINDS: tuple[tuple[Role, PlanMode, bool], ...] = (
    ("text-student", "direct", False),
    ("text-student", "full", False),
    ("teacher", "direct", False),
    ("teacher", "full", False),
    ("teacher", "direct", True),
    ("teacher", "full", True),
)


def _template(task: AnyPlanningTask, text: str, board: Solution[Any, Any], *, shown: bool) -> tuple[str, ...]:
    """A prompt's text without the board's description and plan."""
    before, _, after = text.partition(describe(task, board.layout).rstrip("\n"))
    if not shown:
        return before, after
    plan = format_plan(board.plan() or (), task)
    told = re.search(rf"(?<= ){re.escape(plan)}(?=\n)", after)
    if told is None:
        raise VSPGymError(f"the teacher's prompt does not show the plan {plan} in a place of its own")
    return before, after[: told.start()], after[told.end() :]


def _text_prompt(
    task: AnyPlanningTask, board: Solution[Any, Any], tokenizer: Any, role: Role, mode: PlanMode, shown: bool
) -> str:
    messages = build_messages(
        task,
        board.layout,
        role=role,
        reply=mode,
        reference_plan=board.plan() if shown else None,
        form="hf-template",
    )
    rendered: str = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return rendered


def _picture_prompt(task: AnyPlanningTask, board: Solution[Any, Any], tokenizer: Any, mode: Mode) -> Prompt:
    if mode == "state":
        messages = build_messages(task, board.layout, role="perception", form="hf-template")
    else:
        messages = build_messages(task, board.layout, role="student", reply=mode, form="hf-template")
    rendered = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    ids = tokenizer(rendered, add_special_tokens=False).input_ids
    picture = tokenizer.convert_tokens_to_ids("<|image_pad|>")
    at = ids.index(picture)
    return Prompt(tuple(ids[:at]), tuple(ids[at + 1 :]), picture=picture)


def _check_parts(
    task: AnyPlanningTask,
    prompts: Mapping[tuple[Role, Mode, bool], Prompt],
    rows: Mapping[tuple[Role, Mode, bool], list[list[int]]],
    shown: bool,
) -> None:
    """Check that what tells of a board is the same tokens in all prompts."""
    kinds = [kind for kind in prompts if kind[2] == shown]
    parts = [[_told(row, prompts[kind]) for row in rows[kind]] for kind in kinds]
    if any(part != parts[0] for part in parts):
        raise VSPGymError(f"the tokenizer joins what prompts of {task.title} share with what they do not")


def _told(row: Sequence[int], prompt: Prompt) -> list[int]:
    """The part of a prompt's tokens that tells of the board."""
    return list(row[len(prompt.head) : len(row) - len(prompt.tail)])


def _shared(rows: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """What all rows begin with."""
    return tuple(
        column[0] for column in itertools.takewhile(lambda column: len(set(column)) == 1, zip(*rows))
    )


# ---- making boards --------------------------------------------------------------------------------------


class _Job(NamedTuple):
    """What one process makes at a time."""

    task: str
    size: int
    boards: int
    split: str
    seed: int
    number: int
    natural: bool
    """Whether boards are as they come, and not chosen by what is in the way."""
    walks: int
    templates: tuple[tuple[str, ...], tuple[str, ...]]
    prompts: tuple[Prompt, Prompt]
    """The prompts of these templates."""
    tokenizer: str
    """The tokenizer as JSON."""
    end: int
    """The token that ends a reply."""


class _Made(NamedTuple):
    """What a process returns: rows of tokens as lists would be, but packed."""

    layouts: list[Layout]
    tiles: npt.NDArray[np.uint16]
    stated: list[int]
    texts: dict[str, tuple[npt.NDArray[np.int16], npt.NDArray[np.int64]]]
    choices: dict[PlanMode, npt.NDArray[np.int32]]
    sets: list[tuple[int, ...]]
    """What the numbers in `choices` stand for, from 1 on."""


def boards_of_split(
    task: AnyPlanningTask, size: int, split: str, rng: np.random.Generator
) -> Iterator[Solution[Any, Any]]:
    """Random solved boards of a split, without end.

    Splits are those of `vsp_gym.generation`: no board of one is a mirror image of a board of another. Each
    board has a ground of its own: of boards that share theirs, a model soon learns little more.
    """
    low, high = split_range(split)
    generator, form = task.generator, task.generator.form

    def among(ground: bytes) -> list[int]:
        positions = Orbits(task.name, form, size, size, ground).positions()
        return [cell for cell in generator.sites(ground) if low <= positions[cell] < high]

    while True:
        yield generator.draw(rng, size, among=among)


def is_plain(solution: Solution[Any, Any]) -> bool:
    """Whether one who saw no obstacle would find a shortest plan: whichever way first, and then the other.

    A model learns to go towards the goal long before it learns to see what is in the way, so boards that tell
    the one from the other are worth more.
    """
    plan = solution.plan() or ()
    return len(set(plan)) <= 2 and all(
        score_plan(solution.task, solution.layout, sorted(plan, reverse=backwards)).success
        for backwards in (False, True)
    )


def straight_plan(solution: Solution[Any, Any]) -> Plan:
    """A shortest plan that turns only where going straight on would be a detour.

    Of all shortest plans it has few stretches to name, and a model can be certain of it.
    """
    plan: list[Action] = []
    state = solution.start
    while options := solution.optimal_actions(state):
        plan.append(plan[-1] if plan and plan[-1] in options else options[0])
        state = solution.task.transition(solution.layout, state, plan[-1]).state
    return tuple(plan)


_ROUTE, _ANSWER = "\nRoute: ", "<answer>"


def _plan_at(reply: str, form: PlanMode) -> int:
    """Where a reply begins to name actions one by one; where it repeats them, it only copies."""
    mark = _ROUTE if form == "full" else _ANSWER
    return reply.rindex(mark) + len(mark)


def _names(task: AnyPlanningTask, layout: Layout, plan: Plan, form: PlanMode) -> list[str]:
    """How the actions of a plan are named there."""
    if form == "full":
        return trace_route(task, layout, plan=plan)
    return [SHORT[action] for action in plan]


def walk(solution: Solution[Any, Any], rng: np.random.Generator, longest: int) -> Plan:
    """Legal actions from the start: some of a shortest way, some at random; to the goal, or so many.

    What would be right at each of its steps tells a learner far more of a board than one plan does, and how
    to go on from where a student of its own may stray.
    """
    task, layout = solution.task, solution.layout
    plan: list[Action] = []
    states = [solution.start]
    astray = 0
    while len(plan) < longest and (options := solution.optimal_actions(states[-1])):
        if not astray and rng.random() < WANDER:
            astray = 1 + int(rng.random() * MOST_ASTRAY)
        if astray:
            astray -= 1
            steps = [(action, task.transition(layout, states[-1], action)) for action in task.actions]
            open_ways = [
                action
                for action, (after, _, terminated, violation) in steps
                if violation is None and not terminated and after not in states[-2:]
            ]
            options = tuple(open_ways) or options
        plan.append(options[int(rng.random() * len(options))])
        states.append(task.transition(layout, states[-1], plan[-1]).state)
    return tuple(plan)


class _Words:
    """The tokens that name actions in plans of a task, and what is right where such a token is due.

    Args:
        task: the task.
        tokenizer: the model's.
    """

    def __init__(self, task: AnyPlanningTask, tokenizer: Any) -> None:
        self._task, self._tokenizer = task, tokenizer
        one, *_, other = task.actions
        pair = format_plan((one, other), task)
        self._between = {"direct": pair[len(SHORT[one]) : -len(SHORT[other])], "full": ", "}
        self._known: dict[str, int] = {}
        self.sets: dict[tuple[int, ...], int] = {}
        """The sets of tokens that were asked for, and their numbers, from 1 on."""

    def _token(self, form: PlanMode, name: str, *, first: bool) -> int:
        text = name if first else self._between[form] + name
        if text not in self._known:
            (self._known[text],) = self._tokenizer.encode(text, add_special_tokens=False).ids
        return self._known[text]

    def choices(
        self, solution: Solution[Any, Any], plan: Plan, form: PlanMode, reply: str, encoding: Any
    ) -> tuple[list[int], list[int]]:
        """What is right for each token of a reply with a plan, be that plan itself right or not.

        Args:
            solution: of the board.
            plan: the plan.
            form: of the reply.
            reply: the text.
            encoding: its tokens.

        Returns:
            Numbers of sets, 0 where there is nothing but the token; and the tokens at which nothing is right,
            counting the one that ends the reply.
        """
        task, layout = self._task, solution.layout
        states = [solution.start]
        for action in plan:
            states.append(task.transition(layout, states[-1], action).state)
        at = _plan_at(reply, form)
        starts = [start for start, _ in encoding.offsets]
        numbers, nothing = [0] * len(starts), list[int]()
        for step, name in enumerate([*_names(task, layout, plan, form), ""]):
            state, token = states[step], bisect.bisect_right(starts, at) - 1
            if options := solution.optimal_actions(state):
                found = tuple(
                    sorted(
                        self._token(form, self._name(layout, state, action, form), first=step == 0)
                        for action in options
                    )
                )
                numbers[token] = self.sets.setdefault(found, len(self.sets) + 1)
                if not name and form == "direct":  # it ends too early, and then there is nothing right
                    nothing.extend(range(token + 1, len(starts) + 1))
            elif solution.distance(state) != 0:
                nothing.append(token)
            at = reply.index(name, at) + len(name)
        return numbers, nothing

    def _name(self, layout: Layout, state: Any, action: Action, form: PlanMode) -> str:
        if form == "direct":
            return SHORT[action]
        (name,) = trace_route(self._task, layout, state, plan=(action,))
        return name


def _make(job: _Job) -> _Made:
    from tokenizers import Tokenizer

    task, rng = get_task(job.task), np.random.default_rng([job.seed, job.size, job.number])
    tokenizer = Tokenizer.from_str(job.tokenizer)

    def encode(texts: list[str]) -> list[list[int]]:
        return [found.ids for found in tokenizer.encode_batch(texts, add_special_tokens=False)]

    source = boards_of_split(task, job.size, job.split, rng)
    chosen = (one for one in source if job.natural or not is_plain(one) or rng.random() < PLAIN)
    solutions = list(itertools.islice(chosen, job.boards))
    layouts = [solution.layout for solution in solutions]
    plans = [
        [straight_plan(one), *(walk(one, rng, LONGEST_WALK * job.size) for _ in range(job.walks))]
        for one in solutions
    ]
    described = [describe(task, layout).rstrip("\n") for layout in layouts]
    (before, after), (ahead, between, behind) = job.templates
    plain = encode([f"{before}{text}{after}" for text in described])
    shown = encode(
        [
            f"{ahead}{text}{between}{format_plan(some[0], task)}{behind}"
            for text, some in zip(described, plans)
        ]
    )
    descriptions = [_told(row, job.prompts[0]) for row in plain]
    references = [_told(row, job.prompts[1])[len(told) :] for row, told in zip(shown, descriptions)]
    statements = [state_statement(task, layout) for layout in layouts]
    words = _Words(task, tokenizer)
    replies: dict[PlanMode, list[list[int]]] = {form: [] for form in _FORMS}
    choices: dict[PlanMode, list[list[int]]] = {form: [] for form in _FORMS}
    stated = []
    for solution, some, statement in zip(solutions, plans, statements):
        for form in _FORMS:
            for plan in some:
                text = write_reply(task, solution.layout, plan=plan, reply=form)
                reply = tokenizer.encode(text, add_special_tokens=False)
                ids = [*reply.ids, job.end]
                right, nothing = words.choices(solution, plan, form, text, reply)
                for token in nothing:
                    ids[token] = ~ids[token]
                replies[form].append(ids)
                choices[form].append([*right, 0])
        stated.append(sum(start < len(statement) for start, _ in reply.offsets))
    tiles = task.picture.batch_tiles(layouts, [task.initial(layout) for layout in layouts])
    texts = {
        "descriptions": _pack(descriptions),
        "references": _pack(references),
        "state": _pack([[*ids, job.end] for ids in encode(statements)]),
        "direct": _pack(replies["direct"]),
        "full": _pack(replies["full"]),
    }
    packed = {form: _pack(rows)[0].astype(np.int32) for form, rows in choices.items()}
    return _Made(layouts, tiles, stated, texts, packed, list(words.sets))


_FORMS: tuple[PlanMode, PlanMode] = ("direct", "full")


def _pack(rows: Sequence[Sequence[int]]) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int64]]:
    lengths = np.array([len(row) for row in rows], np.int64)
    packed = np.zeros((len(rows), int(lengths.max())), np.int16)
    packed[np.arange(packed.shape[1]) < lengths[:, None]] = np.fromiter(itertools.chain(*rows), np.int16)
    return packed, lengths


def make_boards(
    book: PromptBook,
    tokenizer: Any,
    size: int,
    count: int,
    split: str,
    *,
    seed: int = 0,
    distinct: bool = False,
    side: int | None = None,
    walks: int = WALKS,
    map_jobs: Callable[..., Iterable[_Made]] = map,
) -> TaskBoards:
    """Boards of a task and size as arrays; the same for any number of processes.

    Args:
        book: the task's prompts.
        tokenizer: the model's.
        size: cells on each side.
        count: how many boards.
        split: whose boards, of `vsp_gym.generation`'s splits.
        seed: which of them.
        distinct: as for evaluation: no board comes twice, layouts are kept, and boards are as they are drawn.
            Else boards with something in the way come more often (`is_plain`).
        side: cells on each side of the canvas, in whose top left corner a board is; as many as the board has
            if None. What a model learns to see on a canvas, it sees on boards of all sizes.
        walks: how many walks each board gets besides its shortest plan.
        map_jobs: maps a function over jobs; that of an executor uses its processes.
    """
    task = book.task
    prompts = (book.text["teacher", "direct", False], book.text["teacher", "direct", True])
    words = tokenizer.backend_tokenizer.to_str()
    jobs = [
        _Job(
            task=task.name,
            size=size,
            boards=min(_JOB, count - start),
            split=split,
            seed=seed,
            number=start,
            natural=distinct,
            walks=walks,
            templates=book.templates,
            prompts=prompts,
            tokenizer=words,
            end=tokenizer.eos_token_id,
        )
        for start in range(0, count, _JOB)
    ]
    made = list(map_jobs(_make, jobs))
    boards = _joined(task, size, side or size, made, 1 + walks, keep_layouts=distinct)
    if not distinct:
        return boards
    keys = [board_key(task.name, task.generator.form.encode(layout)) for layout in boards.layouts]
    first = {key: row for row, key in reversed(list(enumerate(keys)))}
    return boards.take(torch.tensor(sorted(first.values())))


def _joined(
    task: AnyPlanningTask,
    size: int,
    side: int,
    made: Sequence[_Made],
    plans: int,
    *,
    keep_layouts: bool,
) -> TaskBoards:
    count = sum(len(part.layouts) for part in made)
    tiles = np.full((count, side, side), NO_TILE, np.int16)
    tiles[:, :size, :size] = np.concatenate([part.tiles for part in made]) + 1
    ragged = {}
    for name in made[0].texts:
        packed = [part.texts[name] for part in made]
        longest = max(ids.shape[1] for ids, _ in packed)
        ids = np.concatenate([np.pad(ids, ((0, 0), (0, longest - ids.shape[1]))) for ids, _ in packed])
        lengths = torch.from_numpy(np.concatenate([lengths for _, lengths in packed]))
        each = {"descriptions": (), "references": (), "state": (1,)}.get(name, (plans,))
        ragged[name] = Ragged(
            torch.from_numpy(ids.reshape(count, *each, longest)), lengths.reshape(count, *each)
        )
    sets: dict[tuple[int, ...], int] = {(): 0}
    choices: dict[PlanMode, Tensor] = {}
    for form in _FORMS:
        longest = ragged[form].ids.shape[-1]
        rows = np.zeros((count, plans, longest), np.int32)
        first = 0
        for part in made:
            known = np.array([0, *(sets.setdefault(found, len(sets)) for found in part.sets)], np.int32)
            found = known[part.choices[form]].reshape(len(part.layouts), plans, -1)
            rows[first : first + len(found), :, : found.shape[-1]] = found
            first += len(found)
        choices[form] = torch.from_numpy(rows)
    most = max(1, *map(len, sets))
    return TaskBoards(
        task=task,
        size=size,
        tiles=torch.from_numpy(tiles).flatten(1),
        descriptions=ragged["descriptions"],
        references=ragged["references"],
        replies={mode: ragged[mode] for mode in _MODES},
        choices=choices,
        sets=torch.tensor([[*found, *[-1] * (most - len(found))] for found in sets]),
        stated=torch.tensor([count for part in made for count in part.stated]),
        layouts=tuple(layout for part in made for layout in part.layouts) if keep_layouts else (),
    )


def executor(workers: int) -> Executor:
    """Processes that make boards and judge replies; none of them touches the device."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_use_one_core)


def _use_one_core() -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


# ---- pictures -------------------------------------------------------------------------------------------


def tile_patches(
    task: AnyPlanningTask,
    codes: Sequence[int],
    *,
    theme: str = "classic",
    perturbations: Sequence[tuple[str, int, int]] = (),
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """The patches of tiles as the model's image processor gives them, `[looks, tiles, 4, 3 * 16 * 16]`.

    Args:
        task: the task.
        codes: the values of `TaskBoards.tiles` that are needed; others are left black.
        theme: the look.
        perturbations: kind, severity and seed (see `vsp_gym.render.perturb`) of looks besides the clean one.
        device, dtype: of the result.
    """
    sheet = get_sheet(task, get_theme(theme), (CELL * _SHEET, CELL * _SHEET), (_SHEET, _SHEET)).rgb
    tiles = np.zeros((max(codes) + 1, CELL, CELL, 3), np.uint8)
    for code in codes:
        tiles[code] = GREY if code == NO_TILE else sheet.get(code - 1, CELL, CELL)
    looks = [tiles, *(_perturbed(tiles, *one) for one in perturbations)]
    pixels = torch.from_numpy(np.stack(looks)).to(device, torch.float32) / 127.5 - 1
    half = CELL // 2
    parts = pixels.view(len(looks), len(tiles), 2, half, 2, half, 3).permute(0, 1, 2, 4, 6, 3, 5)
    return parts.reshape(len(looks), len(tiles), 4, 3 * half * half).to(dtype)


def _perturbed(tiles: npt.NDArray[np.uint8], kind: str, severity: int, seed: int) -> npt.NDArray[np.uint8]:
    """Tiles cut from perturbed canvases on which they stand in random order."""
    cells = _SHEET * _SHEET
    order = np.random.default_rng([seed, severity]).permutation(-(-len(tiles) // cells) * cells) % len(tiles)
    found = np.empty_like(tiles)
    for chosen in order.reshape(-1, cells):
        grid = tiles[chosen].reshape(_SHEET, _SHEET, CELL, CELL, 3).transpose(0, 2, 1, 3, 4)
        canvas = perturb(
            np.ascontiguousarray(grid.reshape(_SHEET * CELL, _SHEET * CELL, 3)), kind, severity, seed
        )
        parts = canvas.reshape(_SHEET, CELL, _SHEET, CELL, 3).transpose(0, 2, 1, 3, 4)
        found[chosen] = parts.reshape(cells, CELL, CELL, 3)
    return found
