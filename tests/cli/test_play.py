"""`vsp-gym play`: a person plays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest
from cli.invoke import COMMAND, invoke

from vsp_gym import FrozenLakeLayout, MiniBehaviourLayout, get_task
from vsp_gym.cli.play import Session

LAKE = FrozenLakeLayout.from_rows(["SFF", "FHF", "FFG"])
ROOM = MiniBehaviourLayout(5, 5, (0, 0), (0, 1), (3, 1))


def session(task: str, layout, *keys: str) -> Session:
    played = Session(get_task(task), iter([layout, layout]))
    for key in keys:
        played.press(key)
    return played


def test_arrows_and_letters_move():
    for keys in (("down", "down", "right", "right"), ("s", "s", "d", "D")):
        game = session("frozen_lake", LAKE, *keys).game
        assert game.over
        assert game.message == "Solved in 4 steps; the fewest possible."


def test_a_detour_is_told():
    game = session("frozen_lake", LAKE, "s", "w", "s", "s", "d", "d").game
    assert game.message == "Solved in 6 steps; 4 would do."


def test_an_illegal_move_costs_nothing_and_says_why():
    game = session("frozen_lake", LAKE, "a").game
    assert (game.steps, game.state, game.message) == (0, (0, 0), "LEFT leads off the board.")


def test_failure_can_be_taken_back():
    played = session("frozen_lake", LAKE, "d", "s")
    assert played.game.over
    assert "fell into a hole at step 2" in played.game.message
    played.press("d")
    assert played.game.message.startswith("This board is over")
    played.press("u")
    assert (played.game.over, played.game.state) == (False, (0, 1))
    played.press("r")
    assert (played.game.steps, played.game.state) == (0, (0, 0))
    played.press("u")
    assert played.game.message == "Nothing to undo."


def test_the_oracle_helps():
    assert session("frozen_lake", LAKE, "h").game.message == "Hint: DOWN or RIGHT, 4 steps to go."
    trap = FrozenLakeLayout.from_rows(["SHF", "HHF", "FFG"])
    assert "cannot be reached" in session("frozen_lake", trap, "h").game.message


def test_hands():
    game = session("mini_behaviour", ROOM, "p").game
    assert game.state.carrying
    game = session("mini_behaviour", ROOM, " ", "d", "s", "s", " ").game
    assert game.message == "Solved in 5 steps; the fewest possible."
    assert session("mini_behaviour", ROOM, "o").game.message == "DROP does not fit what the agent holds."
    assert "has no PICK" in session("frozen_lake", LAKE, "p").game.message
    assert "p pick" in game.help[0]
    assert "pick" not in "".join(session("frozen_lake", LAKE).game.help)


def test_other_keys_and_the_next_board():
    other = FrozenLakeLayout.from_rows(["FFS", "FHF", "GFF"])
    played = Session(get_task("frozen_lake"), iter([LAKE, other]))
    played.press("x" * 1000)
    assert len(played.game.message) < 80
    assert "is no key" in played.game.message
    played.press("n")
    assert played.game.layout == other
    played.press("q")
    assert played.done


def play(data: str, *args: str):
    board = json.dumps({"task": "frozen_lake", "layout": LAKE.to_dict()})
    return invoke("play", "--layout", board, *args, data=data)


def test_without_a_terminal_words_come_from_stdin():
    result = play("down hint\nDOWN right\nd\nquit\nleft\n")
    assert result.exit_code == 0
    assert "Hint: DOWN, 3 steps to go." in result.stdout
    assert "Solved in 4 steps; the fewest possible." in result.stdout
    assert "leads off" not in result.stdout
    assert "\x1b" not in result.stdout


def test_the_end_of_the_input_quits():
    assert play("").exit_code == 0
    assert play("down").stdout.count("FrozenLake 3x3") == 2


@pytest.mark.parametrize("args", [[], ["--task", "lake"], ["--task", "maze", "--size", "1"]])
def test_wrong_usage(args):
    assert invoke("play", *args).exit_code == 2


def test_bytes_that_are_no_text_are_no_traceback():
    command = (*COMMAND, "play", "--task", "maze", "--seed", "1")
    done = subprocess.run(
        command, input=b"\xff\xfe left\nquit\n", capture_output=True, timeout=60, check=False
    )
    assert b"Traceback" not in done.stderr
    assert done.returncode in (0, 1)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX terminal")
def test_single_keys_in_a_terminal_which_is_put_back_afterwards():
    import pty
    import select
    import termios

    controller, terminal = pty.openpty()
    before = termios.tcgetattr(terminal)
    board = json.dumps({"task": "frozen_lake", "layout": LAKE.to_dict()})
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1"}
    command = (*COMMAND, "play", "--layout", board)
    with subprocess.Popen(
        command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment, start_new_session=True
    ) as process:

        def read_until(words: str) -> None:
            output, end = "", time.monotonic() + 30
            while words not in output:
                assert time.monotonic() < end, output
                if select.select([controller], [], [], 0.1)[0]:
                    output += os.read(controller, 4096).decode("utf-8", "replace")

        read_until("arrows or WASD")
        for keys, words in (
            (b"\x1b[B", "1 step "),
            (b"s", "2 steps"),
            (b"\x1bOC", "3 steps"),
            (b"\x1b[5~", "is no key"),
            (b"u", "Took back"),
            (b"h", "Hint: RIGHT, 2 steps"),
            (b"dd", "Solved in 4 steps"),
        ):
            os.write(controller, keys)
            read_until(words)
        os.write(controller, b"q")
        assert process.wait(30) == 0
    after = termios.tcgetattr(terminal)
    os.close(controller)
    os.close(terminal)
    assert after == before


def test_a_window_is_played_with_keys(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pygame = pytest.importorskip("pygame")
    keys = [pygame.K_DOWN, pygame.K_s, pygame.K_RIGHT, pygame.K_d, pygame.K_q]
    events = iter([pygame.event.Event(pygame.KEYDOWN, key=key) for key in keys])
    monkeypatch.setattr(pygame.event, "wait", lambda: next(events))
    games = []
    monkeypatch.setattr("vsp_gym.cli.play._draw_window", keep_drawing(games))
    assert play("", "--window").exit_code == 0
    assert games[-1].message == "Solved in 4 steps; the fewest possible."


def keep_drawing(games: list):
    from vsp_gym.cli.play import _draw_window

    def draw(screen, game, theme):
        games.append(game)
        _draw_window(screen, game, theme)
        assert len({tuple(screen.get_at((x, 300))) for x in range(0, 640, 5)}) > 1

    return draw


def test_a_window_without_pygame_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygame", None)
    result = play("", "--window")
    assert result.exit_code == 1
    assert "pip install 'vsp-gym[human]'" in result.stderr
