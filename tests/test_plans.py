"""`parse_plan` and `format_plan`, against the table `data/replies.jsonl` and against random replies.

Every line of the table is an object with a `task`, a `mode`, a `reply` and either the `plan` (letters,
or a list with commas) or a part of the `reason` why there is none. A reply that is read wrongly becomes
a test by adding a line.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vsp_gym.core import MOVES, Action
from vsp_gym.envs import TASKS, get_task
from vsp_gym.errors import UnknownNameError, VSPGymError
from vsp_gym.plans import format_plan, parse_plan

TABLE = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "replies.jsonl").read_text(encoding="utf-8").splitlines()
]
SHORT = {"L": Action.LEFT, "D": Action.DOWN, "R": Action.RIGHT, "U": Action.UP}
SHORT |= {"PICK": Action.PICK, "DROP": Action.DROP}
LETTER = {action: short for short, action in SHORT.items()}
ARROW = {Action.LEFT: "←", Action.DOWN: "↓", Action.RIGHT: "→", Action.UP: "↑"}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row['task']}-{row['mode']}-{row['reply'][:40]!a}")
def test_table(row: dict[str, str]) -> None:
    parsed = parse_plan(row["reply"], get_task(row["task"]), mode=row["mode"])  # type: ignore[arg-type]
    if "plan" in row:
        names = row["plan"].split(",") if row["task"] == "mini_behaviour" else list(row["plan"])
        assert parsed.reason is None
        assert parsed.actions == tuple(SHORT[name] for name in names)
        assert parsed.span is not None
        assert 0 <= parsed.span[0] < parsed.span[1] <= len(row["reply"])
    else:
        assert parsed.actions is None
        assert parsed.span is None
        assert parsed.reason is not None
        assert row["reason"] in parsed.reason
        assert not parsed.reason.endswith(".")


def test_table_rows_are_whole_and_unique() -> None:
    assert all(len({"plan", "reason"} & row.keys()) == 1 for row in TABLE)
    keys = [(row["task"], row["mode"], row["reply"]) for row in TABLE]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("reply", "part"),
    [
        ("So: <answer> **RRD** </answer> done", "RRD"),
        ("<think>LL</think>\nAnswer: R, D.\n", "R, D."),
        ("Plan:\n1. Right\n2. Down\n\nThis avoids all of the holes.", "1. Right\n2. Down"),
        ("```text\nRRD\n```", "RRD"),
        ('{"answer": "RD"}', "RD"),
    ],
)
def test_span_is_the_plan_in_the_original_reply(reply: str, part: str) -> None:
    span = parse_plan(reply, get_task("maze")).span
    assert span is not None
    assert reply[slice(*span)] == part


# ---------------------------------------------------------------------------------------------
# Arguments.


@pytest.mark.parametrize("reply", [None, b"RRD", 3, ["R"], np.str_])
def test_a_reply_that_is_no_string_is_an_error(reply: Any) -> None:
    with pytest.raises(VSPGymError, match="a reply is text, not"):
        parse_plan(reply, get_task("maze"))


def test_an_unknown_mode_is_an_error() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'lenient'"):
        parse_plan("RRD", get_task("maze"), mode="leniant")  # type: ignore[arg-type]


def test_format_plan() -> None:
    assert format_plan([1, 1, 2, 3, 2], get_task("maze")) == "DDRUR"
    assert (
        format_plan(["left", "left", "pick", "down", "drop"], get_task("mini_behaviour")) == "L,L,PICK,D,DROP"
    )
    assert format_plan([], get_task("maze")) == ""
    with pytest.raises(VSPGymError, match=r"plan\[1\].*PICK"):
        format_plan([0, 4], get_task("maze"))


# ---------------------------------------------------------------------------------------------
# Any plan in any style.


def plans(task_name: str) -> st.SearchStrategy[tuple[Action, ...]]:
    return st.lists(st.sampled_from(get_task(task_name).actions), min_size=1, max_size=12).map(tuple)


def words(plan: tuple[Action, ...]) -> list[str]:
    return [action.name.capitalize() for action in plan]


def phrases(plan: tuple[Action, ...]) -> list[str]:
    spoken = {Action.PICK: "pick up", Action.DROP: "put down"}
    return [spoken.get(action, f"move {action.name.lower()}") for action in plan]


def arrows(plan: tuple[Action, ...]) -> list[str]:
    return [ARROW.get(action, action.name) for action in plan]


def counted(plan: tuple[Action, ...], form: str) -> str:
    runs: list[list[Any]] = []
    for action in plan:
        if runs and runs[-1][0] is action:
            runs[-1][1] += 1
        else:
            runs.append([action, 1])
    return ", ".join(form.format(action.name.capitalize(), count) for action, count in runs)


STYLES: dict[str, Callable[[tuple[Action, ...]], str]] = {
    "letters": lambda plan: ",".join(LETTER[action] for action in plan),
    "lower case": lambda plan: " ".join(LETTER[action] for action in plan).lower(),
    "words": lambda plan: ", ".join(words(plan)),
    "words on lines": lambda plan: "\n".join(words(plan)),
    "phrases": lambda plan: ", then ".join(phrases(plan)),
    "arrows": lambda plan: ", ".join(arrows(plan)),
    "arrows between words": lambda plan: " -> ".join(words(plan)),
    "numbered": lambda plan: " ".join(f"{i}. {word}," for i, word in enumerate(words(plan), 1)),
    "numbered lines": lambda plan: "\n".join(f"{i}) {word}" for i, word in enumerate(words(plan), 1)),
    "steps": lambda plan: "\n".join(f"**Step {i}:** {word}" for i, word in enumerate(words(plan), 1)),
    "bullets": lambda plan: "\n".join(f"- {word}" for word in words(plan)),
    "JSON": lambda plan: json.dumps([LETTER[action] for action in plan]),
    "Python": lambda plan: str(words(plan)),
    "counts": lambda plan: counted(plan, "{} x {}"),
    "counts in parentheses": lambda plan: counted(plan, "{} (x{})"),
    "counts in front": lambda plan: counted(plan, "{1}x {0}"),
}
WRAPPERS = {
    "bare": "{}",
    "answer": "The goal is below, so I go there.\n<answer>{}</answer>",
    "answer after thoughts": "<think>Answer: U</think>Not <answer>L</answer> but <answer>\n{}\n</answer>",
    "fence": "Here you are:\n```\n{}\n```\n",
    "label": "The hole at (1,2) must be avoided.\n\n**Final answer:** {}",
    "label and prose": "Final answer: {}\n\nThis plan avoids all of the holes.",
    "box": "The plan is safe.\n\\boxed{{{}}}",
    "bold": "<answer>**{}**</answer>",
}


@pytest.mark.parametrize("task_name", TASKS)
@given(data=st.data())
def test_a_plan_in_any_style_reads_back(task_name: str, data: st.DataObject) -> None:
    plan = data.draw(plans(task_name))
    style = data.draw(st.sampled_from(sorted(STYLES)))
    wrapper = data.draw(st.sampled_from(sorted(WRAPPERS)))
    reply = WRAPPERS[wrapper].format(STYLES[style](plan))
    parsed = parse_plan(reply, get_task(task_name))
    assert parsed.actions == plan, (reply, parsed.reason)
    assert parsed.span is not None
    again = parse_plan(f"<answer>{reply[slice(*parsed.span)]}</answer>", get_task(task_name), mode="strict")
    assert again.actions == plan


@pytest.mark.parametrize("task_name", TASKS)
@given(data=st.data())
def test_formatted_plans_read_back(task_name: str, data: st.DataObject) -> None:
    task = get_task(task_name)
    plan = data.draw(plans(task_name))
    assert parse_plan(format_plan(plan, task), task).actions == plan
    assert parse_plan(f"<answer>{format_plan(plan, task)}</answer>", task, mode="strict").actions == plan


@given(data=st.data())
def test_a_strange_word_anywhere_is_named(data: st.DataObject) -> None:
    items = words(data.draw(plans("maze")))
    word = data.draw(st.sampled_from(["jump", "stay", "maybe", "P", "northwest", "RIGHTDOWN", "PICK"]))
    items.insert(data.draw(st.integers(0, len(items))), word)
    numbered = "\n".join(f"{i}. {item}" for i, item in enumerate(items, 1))
    text = data.draw(st.sampled_from([", ".join(items), " ".join(items), json.dumps(items), numbered]))
    for mode, reply in (("strict", f"<answer>{text}</answer>"), ("lenient", f"Answer: {text}")):
        parsed = parse_plan(reply, get_task("maze"), mode=mode)  # type: ignore[arg-type]
        assert parsed.actions is None
        assert parsed.reason is not None
        assert re.match(rf"'{word}( up| down)?' in .* is no action of Maze", parsed.reason, re.IGNORECASE)


# ---------------------------------------------------------------------------------------------
# Any text at all.

FRAGMENTS = [
    *(
        "<answer>",
        "</answer>",
        "<think>",
        "</think>",
        "<action>",
        "\\boxed{",
        "}",
        "{",
        "```",
        "~~~",
        "`",
        "*",
    ),
    *(
        "Answer:",
        "Plan:",
        "## Answer\n",
        '"answer": "',
        "[",
        "]",
        "(",
        ")",
        "\n",
        "\n\n",
        " ",
        "\t",
        ",",
        ".",
        "..",
    ),
    *("1.", "2.", "3)", "x2", "x 99999", "2x", "*2", "twice", "steps", "-", "->", ">", "=>", "→", "↓", "➡️"),
    *(
        "R",
        "D",
        "RRD",
        "right",
        "up",
        "pick",
        "PICK UP",
        "put down",
        "drop",
        "move",
        "then",
        "jump",
        "Step 1:",
    ),
    *(
        "\\text{",
        "\\to",
        "\\frac",
        "٣",
        "ſ",
        "\ufeff",
        "\ud800",
        "\x00",
        "…",
        "</s>",
        "<|im_end|>",
        "：",
        "，",
    ),
]


@pytest.mark.parametrize("task_name", TASKS)
@given(text=st.text() | st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join))
@example(text="\ud800")
@example(text="`" * 7)
def test_any_text_gives_a_plan_or_a_reason(task_name: str, text: str) -> None:
    task = get_task(task_name)
    for mode in ("lenient", "strict"):
        parsed = parse_plan(text, task, mode=mode)  # type: ignore[arg-type]
        if parsed.actions is None:
            assert parsed.span is None
            assert parsed.reason
            assert len(parsed.reason) < 300
        else:
            assert parsed.reason is None
            assert parsed.actions
            assert set(parsed.actions) <= set(task.actions)
            assert parsed.span is not None
            assert 0 <= parsed.span[0] < parsed.span[1] <= len(text)


@given(moves=st.lists(st.sampled_from(MOVES), min_size=1, max_size=8), thought=st.sampled_from(FRAGMENTS))
def test_thoughts_never_count(moves: list[Action], thought: str) -> None:
    if "think" in thought:
        return
    plan = "".join(LETTER[move] for move in moves)
    for reply in (f"<think>{thought}</think>{plan}", f"{thought}</think>{plan}", f"{plan}<think>{thought}"):
        assert parse_plan(reply, get_task("maze")).actions == tuple(moves)


# ---------------------------------------------------------------------------------------------
# Long replies.

ADVERSARIAL = [
    *(
        "<answer>",
        "</answer>",
        "<answer></answer>",
        "<think>",
        "</think>",
        "<think></think>",
        "<",
        "<answer ",
    ),
    *(
        "(",
        ")",
        "[",
        "{",
        "\\boxed{",
        "\\boxed{R}",
        "\\boxed{\\boxed{R}}",
        "```",
        "```\n",
        "```R\n",
        "`",
        "~",
        "*",
    ),
    *(
        "0",
        "1.",
        "1. R ",
        "9" * 50 + " ",
        " ",
        "\t",
        "\n",
        "\r\n",
        "\n\n",
        "R",
        "R,",
        "R ",
        "R\n",
        "R, ",
        "R x ",
        "R*",
    ),
    *(
        "R x 2,",
        "R*64,",
        "R (",
        "R (R)",
        "R (R) ",
        "Answer:",
        "Answer: ",
        "Answer\n",
        "# Answer\n",
        "Plan: R\n",
    ),
    *(
        "the ",
        "the answer ",
        '"answer": "',
        "final answer is ",
        "→",
        "→ R ",
        "R → ",
        "->",
        "R -> ",
        "> ",
        ".",
        "…",
        "-",
    ),
    *(
        "jump ",
        "jump\n",
        "a b c.\n",
        "a b c.\nR\n",
        "R\n\na b c d\n\n",
        "['R'] ",
        "[R",
        "move ",
        "then ",
        "move R ",
    ),
    *(
        "PICK UP ",
        "pick ",
        "2x ",
        "2 steps ",
        "\\text{",
        "\\",
        "\\R",
        "é",
        "右",
        "ſ",
        "\u200b",
        "\ufe0f",
        "🙂",
        "\x00",
    ),
]


def seconds(reply: str) -> float:
    started = time.process_time()
    for mode in ("lenient", "strict"):
        parse_plan(reply, get_task("mini_behaviour"), mode=mode)  # type: ignore[arg-type]
    return time.process_time() - started


@pytest.mark.parametrize("shape", ADVERSARIAL, ids=ascii)
def test_time_grows_in_proportion_to_length(shape: str) -> None:
    """Sixteen times the text may take sixty times as long; a quadratic parser would take 256 times."""
    short, long = 1_000, 16_000
    for form in ("{}", "<answer>R{}</answer>"):
        texts = [form.format(shape * (size // len(shape))) for size in (short, long)]
        once = max(seconds(texts[0]), 1e-3)
        assert min(seconds(texts[1]), seconds(texts[1])) < 60 * once, form


@pytest.mark.parametrize("shape", ["<answer>", "[", "RRD", "\\boxed{", "```\n", "Answer: ", " "])
def test_a_megabyte_is_no_problem(shape: str) -> None:
    parsed = parse_plan(shape * (1_000_000 // len(shape)), get_task("maze"))
    assert (parsed.actions is None) == (parsed.reason is not None)


@pytest.mark.parametrize("task_name", TASKS)
def test_long_plans_read_back(task_name: str) -> None:
    task = get_task(task_name)
    plan = task.actions * (150_000 // len(task.actions))
    assert parse_plan(format_plan(plan, task), task).actions == plan
