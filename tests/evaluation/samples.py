"""Results to report on, hostile ones among them."""

from __future__ import annotations

from vsp_gym import FrozenLakeLayout, MazeLayout, get_task
from vsp_gym.core import Layout
from vsp_gym.evaluation.results import Result, Run
from vsp_gym.perception import state_statement
from vsp_gym.scoring import score_reply

LAKE = FrozenLakeLayout.from_rows(["SFF", "FHF", "FFG"])
MAZE = MazeLayout(((7, 9), (7, 10)), (0, 0), (1, 1))

HOSTILE = (
    "</script><script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\">"
    "{{script}} <!-- \u2028 & \ud800 \U0001f600"
)


def result(
    task: str, layout: Layout, reply: str, *, agent: str = "model", modality: str = "text", board: str = "b"
) -> Result:
    """A result with the score that its reply gets."""
    return Result(
        board=board,
        task=task,
        size=layout.rows,
        difficulty="easy",
        modality=modality,
        agent=agent,
        layout=layout,
        reply=reply,
        score=score_reply(get_task(task), layout, reply),
    )


RESULTS = [
    result("frozen_lake", LAKE, "So <answer>DDRR</answer>", agent="good"),
    result("frozen_lake", LAKE, "\U0001f600 <answer>DDRL</answer>", agent="bad"),
    result("frozen_lake", LAKE, "1. Right 2. Down", agent="falls"),
    result("frozen_lake", LAKE, "<answer>RLLL</answer>", agent="off"),
    result("frozen_lake", LAKE, "", agent="mute"),
    result("frozen_lake", LAKE, HOSTILE, agent=f"evil {HOSTILE[:40]}", board="<b>bold</b>"),
    result("maze", MAZE, "right, down", agent="good"),
    result("maze", MAZE, "<answer>DR</answer>", agent="off"),
]


def run_of(results: list[Result], label: str = "run") -> Run:
    """A run that holds these results."""
    return Run(label, rows=[result.to_dict() for result in results])


def stated(layout: Layout, task: str, plan: str) -> str:
    """A reply that says it saw a board, and what it would do."""
    return f"{state_statement(task, layout)}\n<answer>{plan}</answer>"
