"""`vsp-gym play`: a person plays, in the terminal or in a window."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from vsp_gym.cli.options import board_options, boards_of, examples, use_color
from vsp_gym.core import Action, Layout
from vsp_gym.envs.base import Difficulty, PlanningTask
from vsp_gym.errors import VSPGymError
from vsp_gym.planning import Solution, solve
from vsp_gym.render import THEMES, render_ansi, render_rgb

if TYPE_CHECKING:
    import pygame

KEYS = {
    "left": Action.LEFT, "a": Action.LEFT,
    "down": Action.DOWN, "s": Action.DOWN,
    "right": Action.RIGHT, "d": Action.RIGHT,
    "up": Action.UP, "w": Action.UP,
    "p": Action.PICK, "pick": Action.PICK,
    "o": Action.DROP, "drop": Action.DROP,
}  # fmt: skip
"""Key or word to the action it stands for."""

HANDS_HELP = ", p pick, o drop, space either"


class Game:
    """One person's game on one board: what was done, what can be undone.

    Args:
        task: the rules.
        layout: the board.
    """

    def __init__(self, task: PlanningTask[Any, Any], layout: Layout) -> None:
        self.task = task
        self.layout = layout
        self.solution: Solution[Any, Any] = solve(task, layout)
        self.message = ""
        """What happened last."""
        self.facing: Action | None = None
        """The last move."""
        self.over = False
        """Whether the board is solved or lost."""
        self._past: list[Any] = [task.initial(layout)]

    @property
    def state(self) -> Any:
        """Where things stand."""
        return self._past[-1]

    @property
    def steps(self) -> int:
        """Actions carried out and not undone; illegal ones do not count."""
        return len(self._past) - 1

    def act(self, action: Action) -> None:
        """Carry out an action and say how it went; after the end nothing moves."""
        if self.over:
            self.message = "This board is over."
            return
        if action not in self.task.actions:
            self.message = f"{self.task.title} has no {action.name}."
            return
        step = self.task.transition(self.layout, self.state, action)
        self.facing = action
        if step.violation is not None:
            self.message = f"{action.name} {step.violation.phrase}."
            return
        self._past.append(step.state)
        self.over = step.terminated
        self.message = self._ending(step.reward > 0) if step.terminated else ""

    def _ending(self, success: bool) -> str:
        if not success:
            return f"You {self.task.failure} at step {self.steps}."
        optimum = self.solution.distance()
        verdict = "the fewest possible" if self.steps == optimum else f"{optimum} would do"
        return f"Solved in {_steps(self.steps)}; {verdict}."

    def undo(self) -> None:
        """Take back the last action."""
        if self.steps == 0:
            self.message = "Nothing to undo."
            return
        self._past.pop()
        self.over, self.facing, self.message = False, None, "Took back a step."

    def restart(self) -> None:
        """Go back to the start of the board."""
        del self._past[1:]
        self.over, self.facing, self.message = False, None, "Back at the start."

    def hint(self) -> None:
        """Say what the oracle would do."""
        if self.over:
            self.message = "This board is over."
            return
        actions = self.solution.optimal_actions(self.state)
        if actions:
            left = _steps(self.solution.distance(self.state) or 0)
            self.message = f"Hint: {' or '.join(action.name for action in actions)}, {left} to go."
        else:
            self.message = "Hint: from here success cannot be reached; u undo or r restart."

    @property
    def status(self) -> str:
        """One line: the board, the steps taken, the fewest needed."""
        optimum = self.solution.distance()
        best = "no solution" if optimum is None else f"best {optimum}"
        return f"{self.task.title} {self.layout.rows}x{self.layout.cols}   {_steps(self.steps)}   {best}"

    @property
    def help(self) -> tuple[str, str]:
        """The keys: for actions, and for the rest."""
        hands = HANDS_HELP if Action.PICK in self.task.actions else ""
        return f"arrows or WASD move{hands}", "h hint, u undo, r restart, n next board, q quit"

    def use_hands(self) -> None:
        """PICK or DROP, whichever is legal (PICK if neither is)."""
        for action in (Action.DROP, Action.PICK):
            legal = action in self.task.actions and (
                self.task.transition(self.layout, self.state, action).violation is None
            )
            if legal:
                break
        self.act(action)


def _steps(count: int) -> str:
    return f"{count} step" if count == 1 else f"{count} steps"


class Session:
    """A series of boards, played by keys.

    Args:
        task: the rules.
        boards: where the boards come from; the first one is drawn at once.
    """

    def __init__(self, task: PlanningTask[Any, Any], boards: Iterator[Layout]) -> None:
        self._task, self._boards = task, boards
        self.game = Game(task, next(boards))
        self.done = False
        """Whether the player wants to leave."""

    def press(self, key: str) -> None:
        """Do what a key (`"a"`, `"left"`, `" "`) or a word (`"undo"`) stands for."""
        key = key if key == " " else key.strip().lower()
        commands: dict[str, Callable[[], None]] = {
            "u": self.game.undo,
            "r": self.game.restart,
            "h": self.game.hint,
            "n": self._next,
            "q": self._quit,
            " ": self.game.use_hands,
        }
        words = {"undo": "u", "restart": "r", "hint": "h", "next": "n", "quit": "q", "space": " "}
        key = words.get(key, key)
        if key in commands:
            commands[key]()
        elif key in KEYS:
            self.game.act(KEYS[key])
        else:
            self.game.message = f"{key!r:.40} is no key here."

    def _next(self) -> None:
        self.game = Game(self._task, next(self._boards))

    def _quit(self) -> None:
        self.done = True


@click.command(
    epilog=examples(
        "vsp-gym play --task frozen-lake",
        "vsp-gym play --task maze --size 8 --difficulty hard --window",
        "echo 'right right hint quit' | vsp-gym play --task maze",
    )
)
@board_options
@click.option("--seed", type=click.IntRange(min=0), default=None, help="Which boards.  [default: any]")
@click.option(
    "--window", is_flag=True, help="Play in a window (needs the extra: pip install 'vsp-gym[human]')."
)
@click.option(
    "--theme",
    type=click.Choice(list(THEMES)),
    default="classic",
    show_default=True,
    help="Look of the window.",
)
def command(
    task: PlanningTask[Any, Any] | None,
    size: int | None,
    seed: int | None,
    difficulty: Difficulty | None,
    layout: str | None,
    window: bool,
    theme: str,
) -> None:
    """Play a board yourself, in the terminal or a window.

    Arrow keys or WASD move; p picks up, o puts down, space does whichever is possible; h asks the
    oracle for a hint, u takes a step back, r restarts, n draws the next board, q quits. An illegal move
    does nothing and says why.

    Without a terminal, keys are read from stdin: words (left, undo, hint) or single keys, separated by
    white space; the end of the input quits.
    """
    task, boards = boards_of(task, size, difficulty, layout, seed)
    session = Session(task, boards)
    if window:
        _play_in_window(session, theme)
    elif sys.stdin.isatty() and sys.stdout.isatty():
        _play_in_terminal(session)
    else:
        _play_from_lines(session)


# ---------------------------------------------------------------------------------------------
# Three ways to play a session.


def _play_from_lines(session: Session) -> None:
    """Read keys from stdin as words; print the board after each line."""
    click.echo("; ".join(session.game.help))
    click.echo(f"{_board(session.game)}\n{session.game.status}")
    for line in sys.stdin.buffer:
        for key in line.decode("utf-8", "replace").split():
            session.press(key)
            if session.game.message:
                click.echo(session.game.message)
            if session.done:
                return
        click.echo(f"{_board(session.game)}\n{session.game.status}")


def _play_in_terminal(session: Session) -> None:
    """Redraw the board in place after every key."""
    with _raw_keys() as read_key:
        while not session.done:
            game = session.game
            click.clear()
            click.echo(f"{_board(game)}\n\n{game.status}\n{game.message}\n")
            click.echo("\n".join(game.help))
            session.press(read_key())


def _board(game: Game) -> str:
    return render_ansi(game.task, game.layout, game.state, facing=game.facing, color=use_color())


if sys.platform == "win32":
    import msvcrt

    _WINDOWS_ARROWS = {"H": "up", "P": "down", "K": "left", "M": "right"}

    @contextlib.contextmanager
    def _raw_keys() -> Iterator[Callable[[], str]]:
        def read_key() -> str:
            key = msvcrt.getwch()
            if key in ("\x00", "\xe0"):
                return _WINDOWS_ARROWS.get(msvcrt.getwch(), "")
            if key == "\x03":
                raise KeyboardInterrupt
            return key

        yield read_key

else:
    import select
    import termios
    import tty

    _ARROWS = {b"A": "up", b"B": "down", b"C": "right", b"D": "left"}

    @contextlib.contextmanager
    def _raw_keys() -> Iterator[Callable[[], str]]:
        """Single keys without Enter; the terminal is put back whatever happens."""
        descriptor = sys.stdin.fileno()
        before = termios.tcgetattr(descriptor)

        def read_key() -> str:
            key = os.read(descriptor, 1)
            if key == b"\x1b":
                return _escape_sequence(descriptor)
            return key.decode("utf-8", "replace") if key else "q"

        try:
            tty.setcbreak(descriptor)
            yield read_key
        finally:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)

    def _escape_sequence(descriptor: int) -> str:
        """The key whose code began with ESC; Escape itself when nothing follows."""
        rest = b""
        while select.select([descriptor], [], [], 0.05)[0]:
            rest += os.read(descriptor, 1)
            if rest[-1:].isalpha() and rest != b"O":
                break
        if not rest:
            return "escape"
        return _ARROWS.get(rest[-1:], "unknown key") if rest[:1] in (b"[", b"O") else "unknown key"


def _play_in_window(session: Session, theme: str) -> None:
    """Play in a window of pygame until it is closed or q is pressed."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        import pygame
    except ImportError:
        raise VSPGymError("a window needs pygame: pip install 'vsp-gym[human]'") from None
    pygame.display.init()
    pygame.font.init()
    try:
        screen = _open_window(pygame.display, session.game)
        while not session.done:
            _draw_window(screen, session.game, theme)
            event = pygame.event.wait()
            if event.type == pygame.QUIT:
                return
            if event.type == pygame.KEYDOWN:
                session.press(pygame.key.name(event.key))
    finally:
        pygame.quit()


BOARD_PIXELS, LINE_PIXELS = 640, 26
"""Longer side of the board in the window, and height of a line of text under it."""


def _open_window(display: Any, game: Game) -> pygame.Surface:
    display.set_caption(f"vsp-gym: {game.task.title}")
    surface: pygame.Surface = display.set_mode((BOARD_PIXELS, BOARD_PIXELS + 4 * LINE_PIXELS + 14))
    return surface


def _draw_window(screen: pygame.Surface, game: Game, theme: str) -> None:
    import pygame

    picture = render_rgb(
        game.task, game.layout, game.state, size=BOARD_PIXELS, theme=theme, facing=game.facing
    )
    screen.fill((250, 250, 248))
    screen.blit(pygame.surfarray.make_surface(picture.swapaxes(0, 1)), (0, 0))
    font = pygame.font.Font(None, 24)
    for line, text in enumerate((game.status, game.message, *game.help)):
        drawn = font.render(text, True, (27, 28, 29))
        screen.blit(drawn, (8, BOARD_PIXELS + 8 + line * LINE_PIXELS))
    pygame.display.flip()
