"""For authors of tasks and of tools: the conformance suite, and Hypothesis strategies.

`check_task` checks that everything derived from a task's rules agrees: oracle, scores, tables,
environments, text, pictures, keys, questions, statements and prompts. The strategies draw layouts, states,
plans, replies, statements and answers of any task for property-based tests of your own; they need
Hypothesis, `check_task` does not.

```python
from hypothesis import given
from vsp_gym import TASKS, score_plan
from vsp_gym.testing import check_task, layouts, plans

check_task(TASKS["maze"])

@given(layouts("maze"), plans("maze"))
def test_progress_is_a_share(layout, plan):
    assert 0.0 <= score_plan(TASKS["maze"], layout, plan).progress <= 1.0
```
"""

from __future__ import annotations

import importlib
import itertools
import json
import re
import sys
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from vsp_gym.core import MOVES, Action, Cell, Layout, Plan, Transition, check_int
from vsp_gym.envs import get_task
from vsp_gym.envs._statements import size_line
from vsp_gym.envs.base import DIFFICULTIES, AnswerKind, PlanningTask, Statement
from vsp_gym.envs.env import PlanningEnv
from vsp_gym.envs.vector import VectorPlanningEnv
from vsp_gym.errors import FormatError, LayoutError, UnknownNameError, VSPGymError
from vsp_gym.perception import Question, asks, parse_statement, questions, read_answer, score_answer
from vsp_gym.planning import VIOLATION_CODES, Solution, tabulate
from vsp_gym.plans import format_plan, parse_plan
from vsp_gym.prompts import (
    TASK_TEMPLATES,
    ReplyForm,
    Role,
    build_messages,
    check_student,
    example_solution,
    message_texts,
    missing_templates,
    write_reply,
)
from vsp_gym.render import THEMES, render_rgb
from vsp_gym.scoring import CONVENTIONS, rollout, score_plan
from vsp_gym.symmetry import Board, board_key, images, orbit_key

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

AnyPlanningTask = PlanningTask[Any, Any]

PICTURE_SIZE = 96
"""Longer side in pixels of the pictures that `check_task` compares."""

MAX_PICTURES = 200
"""How many states of a board `check_task` draws under each theme."""

MAX_SPOKEN = 40
"""About how many states of a board `check_task` asks every question about, and states in several ways."""

SEQUENCES = 8
"""How many random action sequences `check_task` plays on each board."""

OTHERS = 6
"""How many further boards `check_task` compares the outlooks of each board with."""

REPORTED = 5
"""How many problems of one check the error lists in full."""


class ConformanceError(AssertionError):
    """A task whose parts disagree."""

    def __init__(self, title: str, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        """One line for each disagreement."""
        lines = "".join(f"\n- {problem}" for problem in problems)
        super().__init__(f"{title} does not conform:{lines}")


def check_task(
    task: str | AnyPlanningTask,
    *,
    sizes: Sequence[int] | None = None,
    boards: int = 3,
    seed: int = 0,
    parts: Literal["present", "all"] = "present",
) -> None:
    """Check that all parts of a task agree with its rules and with each other.

    - Declarations: actions are numbered `0..A-1`, names and sizes are consistent.
    - Generator: the same seed gives the same board; boards are solvable, of the size and difficulty
      asked for, and their solution is that of a fresh search.
    - Layout: `from_dict` reads `to_dict` back through JSON, and refuses anything else with `LayoutError`.
    - Rules: deterministic; a violation changes nothing; whether a state is final depends on the state.
    - Outlook: states with equal outlooks have equal outcomes on all boards.
    - Oracle: distances satisfy the rules, and the shortest plan succeeds under every convention.
    - Environments: rollout, table, `PlanningEnv` and `VectorPlanningEnv` agree step by step.
    - Text: a description is read back exactly, from every reachable state.
    - Pictures: different states give different tiles, encodings and pictures under every theme.
    - Board form: boards are read back from their bytes; mirror images are boards as hard and share the
      orbit key; different boards have different keys.
    - Questions: in every state the true answers are of their kind, score as right, and others as wrong.
    - Statements: a statement is read back exactly, from every reachable state and inside prose; without
      one of its lines it states no other board.
    - Prompts: they can be built for every role, form of reply and theme; what a student reads is the same
      for every board, who reads words sees no picture, and replies as prompts want them are read back.

    A task may lack the parts that only models need: `statement.py`, and the folder `prompts` with it. Then
    statements or prompts are not checked, and questions are those that every task has. With `parts="all"`,
    as for the tasks of the suite, a part that is missing is a problem.

    Args:
        task: a task or its name.
        sizes: sides of the boards; the smallest, the default one and one more by default.
        boards: boards of each size.
        seed: seed of the boards and of the action sequences.
        parts: whether the task may lack the parts that only models need (`"present"`) or not (`"all"`).

    Raises:
        ConformanceError: listing what disagreed.
        UnknownNameError: for another value of `parts`.
        VSPGymError: for a size that the task does not allow.
    """
    task = get_task(task)
    if parts not in ("present", "all"):
        raise UnknownNameError("parts", parts, ("present", "all"))
    boards = check_int(boards, "boards", 1, 1 << 20, VSPGymError)
    seed = check_int(seed, "seed", 0, (1 << 63) - 1, VSPGymError)
    if sizes is None:
        largest = min(task.max_size, task.default_size + 1)
        sizes = sorted({task.min_size, task.default_size, largest})
    sizes = [task.check_size(size) for size in sizes]
    problems = _problems("declarations", _check_declarations, task)
    problems += _problems("questions", _check_asks, task)
    if parts == "all":
        problems += [f"parts: there is no {part}" for part in _missing_parts(task)]
    checks = _board_checks(task)
    for size in sizes:
        where = f"size {size}"
        problems += _problems(f"generator, {where}", _check_generator, task, size, seed)
        for number in range(boards):
            try:
                board = _Board(task, size, [seed, size, number])
            except Exception as error:  # noqa: BLE001 (whatever a task raises is a finding)
                problems.append(f"rules, {where}, board {number}: {_raised(error)}")
                continue
            for name, check in checks.items():
                problems += _problems(f"{name}, {where}, board {number}", check, board)
    if problems:
        raise ConformanceError(task.title, problems)


def _problems(where: str, check: Callable[..., Iterator[str]], *arguments: object) -> list[str]:
    """What a check found, each with its place; an exception is a finding too."""
    found: list[str] = []
    try:
        for problem in check(*arguments):
            if len(found) == REPORTED:
                return [*found, f"{where}: and more"]
            found.append(f"{where}: {problem}")
    except Exception as error:  # noqa: BLE001 (whatever a task raises is a finding)
        found.append(f"{where}: {_raised(error)}")
    return found


def _raised(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = "" if trace is None else f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})"
    return f"raised {type(error).__name__}: {error}{place}"


def _missing_parts(task: AnyPlanningTask) -> list[str]:
    """The parts that only models need and that a task does not have."""
    found = [f"prompts/{name}" for name in missing_templates(task)]
    if not _has_statement(task):
        found.insert(0, "statement")
    if not task.questions.asks:
        found.insert(0, "questions")
    return found


def _has_statement(task: AnyPlanningTask) -> bool:
    return type(task.statement) is not Statement


class _Board:
    """A generated board with all its reachable states, explored without the oracle."""

    def __init__(self, task: AnyPlanningTask, size: int, seed: list[int]) -> None:
        self.task = task
        self.layout: Layout = task.generator.sample(np.random.default_rng(seed), size)
        self.rng = np.random.default_rng([*seed, 1])
        self.outcomes: dict[Any, list[Transition]] = {}
        """The transitions of every state that does not end the episode, by action."""
        self.rewards: dict[Any, float] = {}
        """The reward with which each final state was first reached."""
        self.states: list[Any] = [task.initial(self.layout)]
        known = set(self.states)
        for state in self.states:  # grows while it is read
            if state in self.rewards:
                continue
            self.outcomes[state] = [task.transition(self.layout, state, action) for action in task.actions]
            for outcome in self.outcomes[state]:
                if outcome.state not in known:
                    known.add(outcome.state)
                    self.states.append(outcome.state)
                    if outcome.terminated:
                        self.rewards[outcome.state] = outcome.reward

    @property
    def some_states(self) -> list[Any]:
        """The first state and others at equal distances, about `MAX_SPOKEN`."""
        return self.states[:: -(-len(self.states) // MAX_SPOKEN)]

    def others(self, count: int) -> list[Layout]:
        """Further boards of the same size."""
        return [self.task.generator.sample(self.rng, self.layout.rows) for _ in range(count)]

    def sequences(self) -> list[Plan]:
        """Random plans; every other action is an optimal one, so that many of them reach the end."""
        length = 2 * (self.layout.rows + self.layout.cols) + 8
        return [self._sequence(length, share) for share in np.linspace(0.0, 1.0, SEQUENCES)]

    def _sequence(self, length: int, share: float) -> Plan:
        solution, state, plan = Solution(self.task, self.layout), self.task.initial(self.layout), []
        for _ in range(length):
            best = solution.optimal_actions(state)
            wanted = best if best and self.rng.random() < share else self.task.actions
            action = wanted[int(self.rng.random() * len(wanted))]
            plan.append(action)
            if state in self.outcomes:
                state = self.outcomes[state][action].state
        return tuple(plan)

    @cached_property
    def solution(self) -> Solution[Any, Any]:
        """The oracle's answers about the board."""
        return Solution(self.task, self.layout)


# ---------------------------------------------------------------------------------------------
# The checks of `check_task`: each yields one line for each problem.


def _check_declarations(task: AnyPlanningTask) -> Iterator[str]:
    if tuple(task.actions) != tuple(Action(number) for number in range(len(task.actions))):
        yield f"actions are {task.actions}, not numbered from 0 without gaps"
    if not task.actions:
        yield "there are no actions"
    if not (task.name.isidentifier() and task.name == task.name.lower()):
        yield f"name {task.name!r} is not snake case"
    if task.name.replace("_", "") != task.title.lower():
        yield f"name {task.name!r} and title {task.title!r} differ in more than case"
    if not 1 <= task.min_size <= task.default_size <= task.max_size <= 64:
        yield f"sizes are not ordered: {task.min_size}, {task.default_size}, {task.max_size}"
    for size in task.paper_sizes:
        if not task.min_size <= size <= task.max_size:
            yield f"paper size {size} is not {task.min_size} to {task.max_size}"


def _check_generator(task: AnyPlanningTask, size: int, seed: int) -> Iterator[str]:
    drawn = 0
    for difficulty in (None, *DIFFICULTIES):
        key = [seed, size, 0 if difficulty is None else DIFFICULTIES.index(difficulty) + 1]
        try:
            solution = task.generator.draw(np.random.default_rng(key), size, difficulty)
        except VSPGymError:  # small boards have no hard ones
            continue
        drawn += 1
        layout, asked = solution.layout, f"difficulty {difficulty}"
        if task.generator.sample(np.random.default_rng(key), size, difficulty) != layout:
            yield f"{asked}: the same seed gave two boards"
        if (layout.rows, layout.cols) != (size, size):
            yield f"{asked}: a board of {layout.rows}x{layout.cols}"
        distance, fresh = solution.distance(), Solution(task, layout).distance()
        if distance is None or distance < 1:
            yield f"{asked}: a board with distance {distance}"
        elif distance != fresh:
            yield f"{asked}: the generator's solution needs {distance} steps, a fresh one {fresh}"
        elif difficulty not in (None, task.generator.difficulty(size, distance)):
            yield f"{asked}: {distance} steps are {task.generator.difficulty(size, distance)}"
        straight = task.generator.straight_length(layout)
        if distance is not None and not 1 <= straight <= distance:
            yield f"{asked}: {distance} steps suffice, but {straight} were nothing in the way"
    if not drawn:
        yield "no board of any difficulty"


def _check_layout(board: _Board) -> Iterator[str]:
    layout, read = board.layout, board.task.layout_type.from_dict
    data = layout.to_dict()
    again = read(json.loads(json.dumps(data)))
    if again != layout or hash(again) != hash(layout):
        yield f"to_dict and from_dict turn {layout} into {again}"
    incomplete = [{key: value for key, value in data.items() if key != field} for field in data]
    no_layouts: list[Any] = [None, [], {}, "board", 7, {**data, "surprise": 1}, *incomplete]
    for wrong in no_layouts:
        yield from _reading(read, wrong, accepts=False)
    for field in data:
        for value in _ODD_VALUES:
            yield from _reading(read, {**data, field: value}, accepts=True)


_ODD_VALUES: tuple[Any, ...] = (None, "x", -1, 65, 1.5, True, [[]], {"a": 1})
"""Values that few fields can have."""


def _reading(read: Callable[[Any], Layout], data: Any, accepts: bool) -> Iterator[str]:
    """Problems with reading hostile data: `LayoutError` is right, and a layout that says the same."""
    try:
        layout = read(data)
    except LayoutError:
        return
    except Exception as error:  # noqa: BLE001 (a finding)
        yield f"from_dict({data!r:.80}) raised {type(error).__name__}, not LayoutError"
    else:
        if not accepts or layout.to_dict() != data:
            yield f"from_dict({data!r:.80}) gave {layout}, not LayoutError"


def _check_rules(board: _Board) -> Iterator[str]:
    task, layout = board.task, board.layout
    twin = task.layout_type.from_dict(layout.to_dict())
    for state, outcomes in board.outcomes.items():
        for action, outcome in zip(task.actions, outcomes):
            after, reward, terminated, violation = outcome
            step = f"{action.name} in {state}"
            again = task.transition(layout, state, action), task.transition(twin, state, action)
            if again != (outcome, outcome):
                yield f"{step} has different outcomes: {[outcome, *again]}"
            if violation is not None and (after != state or reward or terminated):
                yield f"{step} is the violation {violation}, but has the outcome {outcome}"
            if reward not in (0.0, 1.0) or (reward and not terminated):
                yield f"{step} has reward {reward} and terminated {terminated}"
            if violation is None and terminated != (after in board.rewards):
                yield f"{after} is final by one way and not by {step}"
            if terminated and board.rewards.get(after, reward) != reward:
                yield f"{after} gives reward {board.rewards[after]} by one way and {reward} by {step}"


def _check_outlook(board: _Board) -> Iterator[str]:
    task = board.task
    known: dict[tuple[Any, Hashable], list[Transition]] = {}
    for layout in (board.layout, *board.others(OTHERS)):
        for state in Solution(task, layout).states:
            seen = task.outlook(layout, state)
            outcomes = [task.transition(layout, state, action) for action in task.actions]
            if seen is not None and known.setdefault((state, seen), outcomes) != outcomes:
                yield f"{state} has one outlook, {seen}, and different outcomes on two boards"


def _check_oracle(board: _Board) -> Iterator[str]:
    task, layout, solution = board.task, board.layout, board.solution
    if set(solution.states) != set(board.states):
        yield "the oracle's states are not the reachable ones"
    for state in board.states:
        if state in board.rewards:
            expected = 0 if board.rewards[state] else None
        else:
            onward = [solution.distance(o.state) for o in board.outcomes[state] if o.violation is None]
            expected = min((1 + distance for distance in onward if distance is not None), default=None)
        if solution.distance(state) != expected:
            yield f"{state} is at distance {solution.distance(state)}; its neighbours say {expected}"
    plan = solution.plan()
    if plan is None:
        yield "the board has no solution"
        return
    for convention in CONVENTIONS:
        score = score_plan(task, layout, plan, convention)
        if not (score.success and score.optimal and score.progress == 1.0):
            yield f"the oracle's plan scores {score}"


_Step = tuple[Any, float, bool, "str | None"]
"""State, reward, terminated, violation."""


def _check_environments(board: _Board) -> Iterator[str]:
    plans = board.sequences()
    expected = [_by_rollout(board, plan) for plan in plans]
    for name, play in {"the table": _by_table, "PlanningEnv": _by_env}.items():
        for plan, steps in zip(plans, expected):
            yield from _difference(name, plan, steps, play(board, plan))
    for plan, steps, other in zip(plans, expected, _by_vector_env(board, plans)):
        yield from _difference("VectorPlanningEnv", plan, steps, other)


def _difference(name: str, plan: Plan, expected: list[_Step], got: list[_Step]) -> Iterator[str]:
    if got != expected:
        at = next((i for i, (a, b) in enumerate(zip(expected, got)) if a != b), min(len(expected), len(got)))
        actions = ",".join(action.name for action in plan[: at + 1])
        yield f"after {actions}: {name} gives {got[at : at + 1]}, the rules give {expected[at : at + 1]}"


def _by_rollout(board: _Board, plan: Plan) -> list[_Step]:
    steps = rollout(board.task, board.layout, plan, "gym")
    return [
        (s.state, s.reward, s.terminated, None if s.violation is None else s.violation.value) for s in steps
    ]


def _by_table(board: _Board, plan: Plan) -> list[_Step]:
    table, at, steps = tabulate(board.task, board.layout), 0, []
    for action in plan:
        violation = VIOLATION_CODES[table.violation[at, action]]
        reward, terminated = float(table.reward[at, action]), bool(table.terminated[at, action])
        at = int(table.next[at, action])
        steps.append((table.states[at], reward, terminated, None if violation is None else violation.value))
        if terminated:
            break
    return steps


def _by_env(board: _Board, plan: Plan) -> list[_Step]:
    env: PlanningEnv[Any, Any] = PlanningEnv(
        board.task, layout=board.layout, observation="state", max_steps=len(plan) + 1
    )
    env.reset(seed=0)
    steps = []
    for action in plan:
        _, reward, terminated, _, info = env.step(int(action))
        steps.append((env.state, float(reward), terminated, info["violation"]))
        if terminated:
            break
    return steps


def _by_vector_env(board: _Board, plans: list[Plan]) -> list[list[_Step]]:
    """Play one plan on each board of a vector environment; states are known by their encoding."""
    env: VectorPlanningEnv[Any, Any] = VectorPlanningEnv(
        len(plans), board.task, layout=board.layout, observation="state", max_steps=len(plans[0]) + 1
    )
    single: PlanningEnv[Any, Any] = PlanningEnv(board.task, layout=board.layout, observation="state")
    state_of = {single._spec.encode(board.layout, state).tobytes(): state for state in board.states}
    env.reset(seed=0)
    played: list[list[_Step]] = [[] for _ in plans]
    for actions in np.array(plans, np.int64).T:
        observations, rewards, terminated, _, infos = env.step(actions)
        for i, steps in enumerate(played):
            if steps and steps[-1][2]:
                continue
            state = state_of.get(observations[i].tobytes())
            steps.append((state, float(rewards[i]), bool(terminated[i]), infos["violation"][i]))
    return played


def _check_text(board: _Board) -> Iterator[str]:
    view, layout = board.task.text, board.layout
    for state in board.states:
        text = view.describe(layout, state)
        if view.describe(layout, state) != text:
            yield f"two descriptions of {state}"
        if not text.isascii() or not text.strip():
            yield f"the description of {state} is empty or not ASCII"
        if view.parse(text) != (layout, state):
            yield f"the description of {state} is read as {view.parse(text)}"
    for wrong in ("", "board", *_damaged(view.describe(layout, board.states[-1]))):
        try:
            got = view.parse(wrong)
        except FormatError:
            continue
        except Exception as error:  # noqa: BLE001 (a finding)
            yield f"reading {wrong!r:.60} raised {type(error).__name__}, not FormatError"
        else:
            if view.describe(*got).split() != wrong.split():
                yield f"a damaged description was read as {got}"


def _damaged(text: str) -> Iterator[str]:
    lines = text.split("\n")
    for number in range(len(lines)):
        yield "\n".join(lines[:number])
        yield "\n".join(lines[:number] + lines[number + 1 :])
        yield "\n".join([*lines[:number], lines[number][1:], *lines[number + 1 :]])


def _check_pictures(board: _Board) -> Iterator[str]:
    task, layout, view = board.task, board.layout, board.task.picture
    shape = layout.rows, layout.cols
    planes = view.encode_layout(layout)
    wanted = (len(view.planes), *shape)
    if planes.shape != wanted or planes.dtype != np.uint8 or (planes > 1).any():
        yield f"encode_layout gives {planes.dtype}{list(planes.shape)}, not 0 and 1 in uint8{list(wanted)}"
    for state in board.states:
        tiles, agent = view.tiles(layout, state), view.agent(layout, state)
        if tiles.shape != shape or tiles.dtype != np.uint16:
            yield f"tiles of {state} are {tiles.dtype}{list(tiles.shape)}"
        if not isinstance(agent, Cell) or not (0 <= agent.row < shape[0] and 0 <= agent.col < shape[1]):
            yield f"the agent of {state} is at {agent!r}"
        if len(view.encode_flags(state)) != len(view.flags):
            yield f"{state} has flags {view.encode_flags(state)} for {view.flags}"
    yield from _doubles("tiles", board.states, lambda state: view.tiles(layout, state).tobytes())
    yield from _doubles(
        "encodings", board.states, lambda state: (view.agent(layout, state), view.encode_flags(state))
    )
    for theme in THEMES:
        yield from _doubles(
            f"pictures under the theme {theme}",
            board.states[:MAX_PICTURES],
            partial(_pixels, task, layout, theme),
        )


def _pixels(task: AnyPlanningTask, layout: Layout, theme: str, state: Any) -> bytes:
    return render_rgb(task, layout, state, size=PICTURE_SIZE, theme=theme).tobytes()


def _doubles(what: str, states: list[Any], key: Callable[[Any], Hashable]) -> Iterator[str]:
    seen: dict[Hashable, Any] = {}
    for state in states:
        other = seen.setdefault(key(state), state)
        if other is not state:
            yield f"{other} and {state} have the same {what}"


def _check_form(board: _Board) -> Iterator[str]:
    task, layout, form = board.task, board.layout, board.task.generator.form
    encoded = form.encode(layout)
    rows, cols, ground, *marks = encoded
    cells = rows * cols
    if form.encode(layout) != encoded or form.decode(encoded) != layout:
        yield f"the bytes of {layout} are read as {form.decode(encoded)}"
    if (rows, cols) != (layout.rows, layout.cols) or len(ground) != cells or not max(marks) < cells:
        yield f"{layout} has the bytes {encoded}, which do not fit its size"
        return
    turned, orbit = images(form, encoded), orbit_key(task.name, form, encoded)
    for image in turned:
        if orbit_key(task.name, form, image) != orbit:
            yield f"{encoded} and its mirror image {image} have different orbit keys"
    for image in turned[:_FLIPS]:
        mirrored = task.layout_type.from_dict(form.decode(image).to_dict())
        distance, expected = Solution(task, mirrored).distance(), board.solution.distance()
        if form.encode(mirrored) != image or distance != expected:
            yield f"a mirror image of {layout} is {mirrored}, with {distance} steps instead of {expected}"
    starts = [cell for cell in task.generator.sites(ground) if cell != encoded.target]
    others = [Board(rows, cols, ground, encoded.target, start) for start in starts]
    for other in (*others, *map(form.encode, board.others(4))):
        if (board_key(task.name, other) == board_key(task.name, encoded)) is not (other == encoded):
            yield f"{encoded} and {other} are different boards with one key, or one board with two"
        if (orbit_key(task.name, form, other) == orbit) is not (other in turned):
            yield f"{encoded} and {other} are different boards with one orbit key, or mirrored with two"


_FLIPS = 4
"""How many of the mirror images, the first ones, every task has: some turn things that cannot be turned."""


def _check_asks(task: AnyPlanningTask) -> Iterator[str]:
    names = [ask.name for ask in asks(task)]
    for ask in asks(task):
        if not (ask.name.isidentifier() and ask.name == ask.name.lower()) or names.count(ask.name) > 1:
            yield f"the name {ask.name!r} is not snake case, or not unique"
        if ask.kind not in get_args(AnswerKind):
            yield f"{ask.name} has the kind {ask.kind!r}; allowed: {', '.join(get_args(AnswerKind))}"
        if not ask.prompt.strip():
            yield f"{ask.name} asks nothing"


def _check_questions(board: _Board) -> Iterator[str]:
    task, layout = board.task, board.layout
    for state in board.some_states:
        for question, again in zip(questions(task, layout, state), questions(task, layout, state)):
            for problem in _answer_problems(question, again, layout):
                yield f"{question.name} in {state}: {problem}"


def _answer_problems(question: Question, again: Question, layout: Layout) -> Iterator[str]:
    gold = question.gold
    if again.gold != gold:
        yield f"two answers, {gold} and {again.gold}"
    for reply in (question.answer, question.reply, f"I look closely.\n{question.reply}"):
        score = score_answer(question, reply)
        if not score.correct or score.answer != question.answer:
            yield f"the true answer {gold} in {reply!r:.80} is read as {score.answer or score.reason}"
            return
    read = read_answer(question, question.reply)
    if type(read) is not type(gold):
        yield f"the answer {gold} is of type {type(gold).__name__}, not {type(read).__name__}"
    for cell in re.findall(r"\((\d+), (\d+)\)", question.answer):
        if not (int(cell[0]) < layout.rows and int(cell[1]) < layout.cols):
            yield f"the answer {gold} has the cell ({cell[0]}, {cell[1]}), which is not on the board"
    for value in _ANSWERS[question.kind](min(question.actions)):
        other = replace(question, gold=value)
        score = score_answer(question, other.reply)
        if score.answer != other.answer or score.correct is not (value == gold):
            yield f"the answer {other.reply} is judged as {score}; the true one is {gold}"


_ANSWERS: dict[AnswerKind, Callable[[Action], tuple[Any, ...]]] = {
    "int": lambda action: (0, 1),
    "size": lambda action: ((1, 2), (2, 1)),
    "cell": lambda action: (None, Cell(0, 0), Cell(0, 1)),
    "cells": lambda action: (frozenset(), frozenset({Cell(0, 0)})),
    "actions": lambda action: (frozenset(), frozenset({action})),
    "directions": lambda action: ({Cell(0, 0): frozenset()}, {Cell(0, 0): frozenset({action})}),
    "yes_no": lambda action: (True, False),
}
"""Some answers of each kind, of which at most one is true; the argument is an action of the task."""


def _check_statements(board: _Board) -> Iterator[str]:
    task, layout, view = board.task, board.layout, board.task.statement
    for state in board.states:
        text = view.state(layout, state)
        if view.state(layout, state) != text:
            yield f"two statements of {state}"
        if not text.startswith(f"{size_line(layout.rows, layout.cols)}\n") or text != text.strip():
            yield f"the statement of {state} does not begin with the size, or has white space at its end"
        if view.parse(text) != (layout, state):
            yield f"the statement of {state} is read as {view.parse(text)}"
    for state in board.some_states:
        text, plan = view.state(layout, state), board.solution.plan(state) or task.actions
        for how, frame in _SETTINGS.items():
            found = parse_statement(task, frame(text, _spoken(task, layout, state, plan)))
            if (found.layout, found.state) != (layout, state):
                yield f"the statement of {state} {how} is read as {found}"
    lines = view.state(layout, board.states[-1]).split("\n")
    partial_texts = ["\n".join(lines[:number]) for number in range(len(lines))]
    partial_texts += ["\n".join(lines[:number] + lines[number + 1 :]) for number in range(len(lines))]
    for text in ("\n", "board", "?" * 99, *partial_texts):
        found = parse_statement(task, text)
        if found.layout is not None and view.state(found.layout, found.state) != text:
            yield f"{text!r:.120}, from which a line is missing, is read as {found}"


def _spoken(task: AnyPlanningTask, layout: Layout, state: Any, plan: Plan) -> str:
    """A plan as replies give it after a statement."""
    reply = write_reply(task, layout, state, plan=plan)
    return reply.removeprefix(f"{task.statement.state(layout, state)}\n")


_SETTINGS: dict[str, Callable[[str, str], str]] = {
    "before a plan": lambda text, plan: f"{text}\n{plan}",
    "between sentences": lambda text, plan: f"I look at it.\n\n{text}\n\nSo I go around.\n{plan}",
    "after thoughts": lambda text, plan: f"<think>Size: 1 x 1</think>\n{text}\n{plan}",
    "in a code block": lambda text, plan: f"```\n{text}\n```\n{plan}",
    "with CRLF": lambda text, plan: text.replace("\n", "\r\n"),
}
"""What stands around a statement in a reply; the arguments are the statement and a plan in words."""


def _check_prompts(board: _Board) -> Iterator[str]:
    task, layout = board.task, board.layout
    (other,) = board.others(1)
    build = partial(build_messages, task, image_size=PICTURE_SIZE, form="hf-template")
    for role, reply in itertools.product(get_args(Role), get_args(ReplyForm)):
        messages = build(layout, role=role, reply=reply)
        pictures = sum(part["type"] == "image" for message in messages for part in message["content"])
        if pictures != (role not in _WORD_READERS):
            yield f"the {role} gets {pictures} pictures"
    build(layout, role="teacher", reference_plan=board.solution.plan())
    for theme in THEMES:
        student = build(layout, theme=theme)
        check_student(task, layout, student, theme=theme)
        same_example = example_solution(task, layout).layout == example_solution(task, other).layout
        if same_example and message_texts(build(other, theme=theme)) != message_texts(student):
            yield f"under the theme {theme}, a student's text is not the same for two boards"
    for mine, theirs in zip(questions(task, layout), questions(task, other)):
        texts = [message_texts(build(layout, role="perception", question=mine))]
        texts.append(message_texts(build(other, role="perception", question=theirs)))
        if texts[0] != texts[1]:
            yield f"the text of the question {mine.name} is not the same for two boards"
    asked = "\n".join(message_texts(build(layout, role="perception")))
    labels = {line.partition(":")[0] for text in _statements_of(board) for line in text if ":" in line}
    for label in sorted(labels):
        if f"\n{label}:" not in asked:
            yield f"statements have a line {label!r}, which prompts do not ask for"
    yield from _check_targets(board)


_WORD_READERS = ("text-student", "teacher")
"""The roles that must not see a picture."""


def _statements_of(board: _Board) -> list[list[str]]:
    """The lines of statements of the board."""
    return [board.task.statement.state(board.layout, state).split("\n") for state in board.some_states]


def _check_targets(board: _Board) -> Iterator[str]:
    """Whether the replies that models are to give are read back."""
    task = board.task
    for solution in (board.solution, example_solution(task)):
        plan = solution.plan() or ()
        reply = write_reply(task, solution.layout, plan=plan)
        parsed, found = parse_plan(reply, task), parse_statement(task, reply)
        if parsed.actions != plan:
            yield f"the plan {format_plan(plan, task)} of the reply {reply!r} is read as {parsed}"
        if found.layout != solution.layout:
            yield f"the board of the reply {reply!r} is read as {found}"


def _board_checks(task: AnyPlanningTask) -> dict[str, Callable[[_Board], Iterator[str]]]:
    """The checks of each board, for the parts that the task has."""
    checks: dict[str, Callable[[_Board], Iterator[str]]] = {
        "layout": _check_layout,
        "rules": _check_rules,
        "outlook": _check_outlook,
        "oracle": _check_oracle,
        "environments": _check_environments,
        "text": _check_text,
        "pictures": _check_pictures,
        "form": _check_form,
        "questions": _check_questions,
    }
    if _has_statement(task):
        checks["statements"] = _check_statements
    if len(missing_templates(task)) < len(TASK_TEMPLATES):
        checks["prompts"] = _check_prompts
    return checks


# ---------------------------------------------------------------------------------------------
# Hypothesis strategies.


def layouts(
    task: str | AnyPlanningTask,
    min_size: int | None = None,
    max_size: int | None = None,
    solvable: bool | None = None,
) -> SearchStrategy[Any]:
    """Layouts of a task: any valid board, not only those that its generator draws.

    They come from `layouts(min_size, max_size)` in the module `strategies` of the task's package, and
    from its generator if there is no such module.

    Args:
        task: a task or its name.
        min_size: smallest number of rows or columns, the task's `min_size` by default; smaller values
            give boards that environments do not draw but rules, oracle and views accept.
        max_size: largest number of rows or columns, `min_size + 3` by default.
        solvable: only boards that can (True) or cannot (False) be solved.

    Raises:
        VSPGymError: for sizes out of range, or for unsolvable boards from a generator.
    """
    _need_hypothesis()
    task = get_task(task)
    low = check_int(
        task.min_size if min_size is None else min_size, "min_size", 1, task.max_size, VSPGymError
    )
    default = min(low + 3, task.max_size)
    high = check_int(default if max_size is None else max_size, "max_size", low, task.max_size, VSPGymError)
    drawn = _own_layouts(task, low, high)
    if drawn is None:
        if solvable is False:
            raise VSPGymError(
                f"{task.title} has no strategies module, and its generator's boards are solvable"
            )
        return _generated_layouts(task, max(low, task.min_size), max(high, task.min_size))
    if solvable is None:
        return drawn
    return drawn.filter(lambda layout: (Solution(task, layout).distance() is not None) is solvable)


def states(
    task: str | AnyPlanningTask,
    min_size: int | None = None,
    max_size: int | None = None,
    solvable: bool | None = None,
) -> SearchStrategy[tuple[Any, Any]]:
    """Pairs `(layout, state)` with any reachable state, final ones included; arguments as for `layouts`."""
    _need_hypothesis()
    from hypothesis import strategies as st

    task = get_task(task)
    return layouts(task, min_size, max_size, solvable).flatmap(
        lambda layout: st.tuples(st.just(layout), st.sampled_from(Solution(task, layout).states))
    )


def plans(task: str | AnyPlanningTask, max_length: int = 32) -> SearchStrategy[Plan]:
    """Plans of up to `max_length` actions of the task, legal or not."""
    _need_hypothesis()
    from hypothesis import strategies as st

    return st.lists(st.sampled_from(get_task(task).actions), max_size=max_length).map(tuple)


def replies(task: str | AnyPlanningTask) -> SearchStrategy[tuple[str, Plan | None]]:
    """Pairs of a model's reply and the plan that `parse_plan` must find in it; None if there is none.

    The replies with a plan write it in the ways that models do; the others are empty, refuse, name
    things that are no actions, or are noise.
    """
    _need_hypothesis()
    from hypothesis import strategies as st

    task = get_task(task)
    written = st.tuples(plans(task, 12).filter(bool), st.sampled_from(_NOTATIONS)).map(
        lambda drawn: (drawn[1](task, drawn[0]), drawn[0])
    )
    return st.one_of(
        st.tuples(written, written, st.sampled_from(_FRAMES)).map(
            lambda drawn: (drawn[2](drawn[0][0], drawn[1][0]), drawn[0][1])
        ),
        st.tuples(st.sampled_from(_hostile(task)), st.none()),
        st.tuples(st.text(st.characters(categories=["Lo", "So"], exclude_characters=_ARROWS)), st.none()),
    )


def statements(task: str | AnyPlanningTask) -> SearchStrategy[tuple[str, tuple[Any, Any] | None]]:
    """Pairs of a model's reply and the `(layout, state)` that `parse_statement` must find; None if none.

    The replies with a board state it as `state_statement` does, with prose around; the others are empty,
    refuse, or leave out everything but the size.
    """
    _need_hypothesis()
    from hypothesis import strategies as st

    task = get_task(task)
    stated = st.tuples(states(task), plans(task, 9).filter(bool), st.sampled_from(list(_SETTINGS.values())))
    return st.one_of(
        stated.map(
            lambda drawn: (
                drawn[2](task.statement.state(*drawn[0]), _spoken(task, drawn[0][0], drawn[0][1], drawn[1])),
                drawn[0],
            )
        ),
        st.tuples(st.sampled_from(["", "Size: 4 x 4", *_hostile(task)]), st.none()),
    )


def answers(task: str | AnyPlanningTask) -> SearchStrategy[tuple[Question, str, bool | None]]:
    """Triples of a question, a reply, and whether `score_answer` must find it correct; None if unreadable.

    Wrong replies give the true answer of another board or state.
    """
    _need_hypothesis()
    from hypothesis import strategies as st

    task = get_task(task)
    number = st.integers(0, len(asks(task)) - 1)
    pairs = st.tuples(states(task), states(task), number).map(
        lambda drawn: tuple(questions(task, *board)[drawn[2]] for board in drawn[:2])
    )
    frames = st.sampled_from(_ANSWER_FRAMES)
    return pairs.flatmap(
        lambda pair: st.one_of(
            st.tuples(st.just(pair[0]), frames.map(lambda frame: frame(pair[0].answer)), st.just(True)),
            st.tuples(
                st.just(pair[0]),
                frames.map(lambda frame: frame(pair[1].answer)),
                st.just(bool(pair[1].gold == pair[0].gold)),
            ),
            st.tuples(st.just(pair[0]), st.sampled_from(_NO_ANSWERS), st.none()),
        )
    )


_ANSWER_FRAMES: tuple[Callable[[str], str], ...] = (
    lambda answer: answer,
    lambda answer: f"<answer>{answer}</answer>",
    lambda answer: f"I look at it.\n<answer>\n{answer}\n</answer>\n",
    lambda answer: f"<think>none</think><answer>(7, 7)</answer> No: <answer>{answer}</answer>",
)
"""What a reply puts around an answer."""

_NO_ANSWERS = ("", " \n", "<answer></answer>", "I cannot see it.", "\x00\ud800", "<think>none", "?" * 99)
"""Replies that answer no question."""

_ARROWS = "←↓→↑"
"""The moves in the order of their numbers."""


def _only_moves(plan: Plan) -> bool:
    """Whether words can follow each other without a comma: "pick up" may be one action or two."""
    return all(action in MOVES for action in plan)


_NOTATIONS: tuple[Callable[[AnyPlanningTask, Plan], str], ...] = (
    lambda task, plan: format_plan(plan, task),
    lambda task, plan: ", ".join(action.name.lower() for action in plan),
    lambda task, plan: (" " if _only_moves(plan) else ", ").join(action.name for action in plan),
    lambda task, plan: "\n".join(f"{i}. {action.name.capitalize()}" for i, action in enumerate(plan, 1)),
    lambda task, plan: " ".join(f"{i}. {action.name.capitalize()}" for i, action in enumerate(plan, 1)),
    lambda task, plan: json.dumps([action.name for action in plan]),
    lambda task, plan: " ".join(_ARROWS[a] for a in plan) if _only_moves(plan) else format_plan(plan, task),
)
"""How a plan is written; the arguments are the task and the plan."""

_FRAMES: tuple[Callable[[str, str], str], ...] = (
    lambda plan, other: plan,
    lambda plan, other: f"  {plan}\r\n",
    lambda plan, other: f"<answer>{plan}</answer>",
    lambda plan, other: f"I go round the obstacle.\n<answer>\n{plan}\n</answer>\n",
    lambda plan, other: f"<answer>{other}</answer> No, better:\n<answer>{plan}</answer>",
    lambda plan, other: f"```\n{plan}\n```",
)
"""What a reply puts around the plan; the second argument is another plan that must not be taken."""


def _hostile(task: AnyPlanningTask) -> list[str]:
    """Replies of any task that hold no plan."""
    foreign = [f"<answer>{action.name}</answer>" for action in Action if action not in task.actions]
    return [
        "",
        " \n\t",
        "<answer></answer>",
        "<answer> </answer>",
        "<answer>",
        "I cannot solve this.",
        "<answer>JUMP</answer>",
        f"<answer>{task.actions[0].name}, JUMP, {task.actions[0].name}</answer>",
        "<answer>None</answer>",
        "\x00\ud800\u202e",
        "?" * 1000,
        "<answer>" * 1000,
        *foreign,
    ]


def _need_hypothesis() -> None:
    try:
        import hypothesis  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "the strategies of vsp_gym.testing need Hypothesis: pip install hypothesis", name=error.name
        ) from error


def _own_layouts(task: AnyPlanningTask, min_size: int, max_size: int) -> SearchStrategy[Any] | None:
    """The layouts of the module `strategies` in the package that defines the task, if there is one."""
    package = getattr(sys.modules.get(type(task).__module__), "__package__", None)
    if not package:
        return None
    name = f"{package}.strategies"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return None
    strategy: SearchStrategy[Any] = module.layouts(min_size, max_size)
    return strategy


def _generated_layouts(task: AnyPlanningTask, min_size: int, max_size: int) -> SearchStrategy[Any]:
    from hypothesis import strategies as st

    return st.tuples(st.integers(0, (1 << 32) - 1), st.integers(min_size, max_size)).map(
        lambda drawn: task.generator.sample(np.random.default_rng([drawn[0]]), drawn[1])
    )
