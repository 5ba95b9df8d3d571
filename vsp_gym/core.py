"""The vocabulary of the whole package: cells, actions, transitions and what a task is.

A task's rules are one function, `Task.transition`. The Gymnasium environment, the vector
environment, the oracle, the scorer, the data generator and the adapters all call it, so they
cannot disagree.

Conventions used everywhere: boards are `rows x cols`; coordinates are 0-based `(row, col)` with
row 0 at the top; a *layout* is the board that never changes and a *state* is what moves on it.
"""

from __future__ import annotations

import enum
import operator
from collections.abc import Hashable, Iterable, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

from typing_extensions import Self

from vsp_gym.errors import LayoutError, UnknownNameError, VSPGymError


class Cell(NamedTuple):
    """A square of the board, 0-based, `(0, 0)` at the top left."""

    row: int
    col: int

    def __str__(self) -> str:
        return f"({self.row}, {self.col})"


class Action(enum.IntEnum):
    """What an agent can do; the four moves have Gymnasium FrozenLake's numbers."""

    LEFT = 0
    DOWN = 1
    RIGHT = 2
    UP = 3
    PICK = 4
    DROP = 5


MOVES = (Action.LEFT, Action.DOWN, Action.RIGHT, Action.UP)
"""The actions that step to a neighbouring cell."""

DELTAS = ((0, -1), (1, 0), (0, 1), (-1, 0))
"""`(row, col)` offset of each action in `MOVES`, indexed by the action."""


class Violation(str, enum.Enum):
    """Why a move is illegal. An illegal move leaves the state as it was."""

    OUT_OF_BOUNDS = "out_of_bounds"
    """The step leads off the board."""
    WALL = "wall"
    """The step leads through a wall."""
    OCCUPIED = "occupied"
    """The step leads into a cell that an object fills."""
    NOT_ADJACENT = "not_adjacent"
    """The object acted on is not in an orthogonally neighbouring cell."""
    HANDS = "hands"
    """PICK with full hands or nothing left to pick, or DROP with empty hands."""

    __hash__ = str.__hash__

    def __str__(self) -> str:
        return self.value

    @property
    def phrase(self) -> str:
        """What the move does wrong, to follow "the move": `"leads off the board"`."""
        return _PHRASES[self]


_PHRASES = {
    Violation.OUT_OF_BOUNDS: "leads off the board",
    Violation.WALL: "leads through a wall",
    Violation.OCCUPIED: "leads into an occupied cell",
    Violation.NOT_ADJACENT: "acts on an object that is not in a neighbouring cell",
    Violation.HANDS: "does not fit what the agent holds",
}


class Transition(NamedTuple):
    """The outcome of one action."""

    state: Any
    """The state after the action (the same state if the action was a violation)."""
    reward: float = 0.0
    """1.0 when this action completes the task, else 0.0."""
    terminated: bool = False
    """Whether the state reached is final: the goal (reward 1.0) or a failure (reward 0.0)."""
    violation: Violation | None = None
    """Why the action was illegal, or None."""


@lru_cache(maxsize=1 << 14)
def step_to(row: int, col: int) -> Transition:
    """The outcome of a step to a cell that changes nothing else, for tasks whose state is a `Cell`.

    Cached, as `refuse` is: making named tuples would take more than half of an oracle's time.
    """
    return Transition(Cell(row, col))


@lru_cache(maxsize=1 << 15)
def refuse(state: Any, violation: Violation) -> Transition:
    """The outcome of an illegal move: the state stays as it was."""
    return Transition(state, 0.0, False, violation)


Plan = tuple[Action, ...]
"""A sequence of actions."""


class Layout(Protocol):
    """The part of a board that no action changes: a frozen, hashable, validated dataclass."""

    @property
    def rows(self) -> int: ...

    @property
    def cols(self) -> int: ...

    def to_dict(self) -> dict[str, Any]:
        """The layout as JSON types; `from_dict` reads it back."""
        ...

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """Build and validate a layout; raises `LayoutError` naming the field."""
        ...


LayoutT = TypeVar("LayoutT", bound=Layout)
StateT = TypeVar("StateT", bound=Hashable)
T = TypeVar("T")


class Task(Generic[LayoutT, StateT]):
    """The rules of one task. Everything else in the package is derived from these methods.

    Rules are deterministic and pure. Moves cost 1 each; a plan succeeds when a transition
    terminates with reward 1.0.
    """

    name: ClassVar[str]
    """Key in `vsp_gym.TASKS`, snake case: `"frozen_lake"`."""
    title: ClassVar[str]
    """Name for people and for the environment id, camel case: `"FrozenLake"`."""
    actions: ClassVar[tuple[Action, ...]]
    """The task's actions: always `range(len(actions))` as numbers."""
    layout_type: type[LayoutT]
    """The class of the task's layouts."""
    min_size: ClassVar[int] = 3
    """Smallest side of a square board."""
    max_size: ClassVar[int] = 64
    """Largest side of a board."""
    default_size: ClassVar[int] = 4
    """Side that the environment uses when none is asked for."""
    paper_sizes: ClassVar[tuple[int, ...]] = ()
    """Sides that published work trains and evaluates on."""
    failure: ClassVar[str] = "failed"
    """What happened when a transition terminates without reward: `"fell into a hole"`."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "transition" in cls.__dict__ and "outlook" not in cls.__dict__:
            cls.outlook = Task.outlook  # type: ignore[method-assign]  # the parent's is about other rules

    def initial(self, layout: LayoutT) -> StateT:
        """The state in which the board starts."""
        raise NotImplementedError

    def transition(self, layout: LayoutT, state: StateT, action: Action) -> Transition:
        """What `action` does in `state`. `action` must be one of `self.actions`."""
        raise NotImplementedError

    def outlook(self, layout: LayoutT, state: StateT) -> Hashable:
        """What of a board the outcomes of all actions in `state` depend on; None if that is not known.

        A task may say so to make the oracle faster: on boards of one shape, a state has the same
        outcomes wherever its outlook is the same, so `transition` is asked only once.
        """
        return None

    def __repr__(self) -> str:
        return f"<{self.title} task>"


AnyTask = Task[Any, Any]


def require_task(task: object) -> None:
    """Raise `VSPGymError` if `task` is no task, as where a name is given for one."""
    if not isinstance(task, Task):
        hint = "; vsp_gym.get_task finds a task by its name" if isinstance(task, str) else ""
        raise VSPGymError(f"a task is needed, not {task!r:.80}{hint}")


def require_layout(task: AnyTask, layout: object) -> None:
    """Raise `LayoutError` if `layout` is no board of `task`."""
    require_task(task)
    if not isinstance(layout, task.layout_type):
        raise LayoutError(f"{task.title} needs a {task.layout_type.__name__}, not {layout!r:.80}")


def check_action(task: AnyTask, action: object) -> Action:
    """`action` as an `Action` of `task`.

    Accepts an `Action`, an integer (NumPy's too) or an action's name in any case.

    Raises:
        UnknownNameError: for a name that is no action of the task.
        VSPGymError: for a number out of range or another type.
    """
    if type(action) is Action and action in task.actions:
        return action
    if isinstance(action, str):
        for candidate in task.actions:
            if candidate.name == action.upper():
                return candidate
        raise UnknownNameError(f"{task.title} action", action, [a.name for a in task.actions])
    try:
        number = operator.index(action)  # type: ignore[arg-type]
    except TypeError:
        raise VSPGymError(f"an action is an integer or a name, not {action!r}") from None
    if not 0 <= number < len(task.actions):
        allowed = ", ".join(f"{a.value} {a.name}" for a in task.actions)
        name = f" ({Action(number).name})" if 0 <= number < len(Action) else ""
        raise VSPGymError(f"{number}{name} is no action of {task.title}; allowed: {allowed}")
    return task.actions[number]


def check_plan(task: AnyTask, plan: Iterable[object]) -> Plan:
    """`plan` as a tuple of `Action`; errors name the position (0-based) of the bad action."""
    require_task(task)
    if not isinstance(plan, Iterable):
        raise VSPGymError(f"a plan is a sequence of actions, not {plan!r:.80}")
    if isinstance(plan, str):
        raise VSPGymError(
            f"a plan is a sequence of actions, not the text {plan!r:.80}; read text with vsp_gym.parse_plan"
        )
    actions = []
    for position, action in enumerate(plan):
        try:
            actions.append(check_action(task, action))
        except VSPGymError as error:
            raise VSPGymError(f"plan[{position}]: {error}") from None
    return tuple(actions)


# ---------------------------------------------------------------------------------------------
# Validation shared by the layouts of all tasks.


def check_int(value: object, name: str, low: int, high: int, error: type[VSPGymError]) -> int:
    """`value` as an int within `low..high` (inclusive); booleans and floats are refused."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise error(f"{name} must be an integer, not {value!r:.80}") from None
    if not low <= number <= high:
        raise error(f"{name} must be {low} to {high}, not {number}")
    return number


def check_cell(value: object, name: str, rows: int, cols: int) -> Cell:
    """`value` as a `Cell` of a `rows x cols` board; raises `LayoutError` naming `name`."""
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise LayoutError(f"{name} must be a pair [row, col], not {value!r:.80}")
    return Cell(
        check_int(value[0], f"{name} row", 0, rows - 1, LayoutError),
        check_int(value[1], f"{name} column", 0, cols - 1, LayoutError),
    )


def check_fields(data: object, kind: str, fields: Sequence[str]) -> dict[str, Any]:
    """`data` as a dict with exactly `fields`; raises `LayoutError` naming what differs."""
    if not isinstance(data, dict):
        raise LayoutError(f"{kind} must be an object with {', '.join(fields)}, not {data!r:.80}")
    missing = [field for field in fields if field not in data]
    unknown = [str(field) for field in data if field not in fields]
    if missing:
        raise LayoutError(f"{kind} lacks {', '.join(missing)}")
    if unknown:
        raise LayoutError(f"{kind} has unknown fields {', '.join(unknown)}; allowed: {', '.join(fields)}")
    return data


def set_fields(layout: object, **values: object) -> None:
    """Store normalised values in a frozen dataclass from its `__post_init__`."""
    for name, value in values.items():
        object.__setattr__(layout, name, value)


def trusted(kind: type[T], **values: object) -> T:
    """A frozen dataclass with normalised values that are known to be valid, made without checking them again.

    For generators, which make thousands of boards a second; everyone else calls `kind`.
    """
    made = object.__new__(kind)
    made.__dict__.update(values)
    return made
