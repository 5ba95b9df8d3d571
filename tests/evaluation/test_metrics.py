"""Sums over rows, checked by hand."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from evaluation.samples import LAKE, RESULTS, result, run_of, stated

from vsp_gym import FormatError, FrozenLakeLayout, MazeLayout, UnknownNameError, VSPGymError, get_task
from vsp_gym.evaluation.findings import findings
from vsp_gym.evaluation.metrics import summarise
from vsp_gym.evaluation.results import Run
from vsp_gym.evaluation.summary import labels_of
from vsp_gym.evaluation.table import Series, read_table

GOOD, BAD = "DDRR", "DD"


def lakes(number: int, size: int = 3) -> list[FrozenLakeLayout]:
    """Different lakes without holes on the way down and then right."""
    spots = [(row, col) for row in range(size - 1) for col in range(1, size)]
    sets = itertools.chain.from_iterable(itertools.combinations(spots, k) for k in range(len(spots)))
    return [
        FrozenLakeLayout(size, size, (0, 0), (size - 1, size - 1), frozenset(holes))
        for holes in itertools.islice(sets, number)
    ]


def good(layout) -> str:
    return "D" * (layout.rows - 1) + "R" * (layout.cols - 1)


def test_summary_of_known_replies():
    replies = ["DDRR", "DUDDRR", "DD", "DR", "L", ""]
    summary = summarise(run_of([result("frozen_lake", LAKE, reply) for reply in replies]))
    (cell,) = summary.overall
    metrics = cell.metrics
    assert (metrics.replies, metrics.boards, metrics.unscored) == (6, 1, 0)
    assert metrics.success.value == pytest.approx(2 / 6)
    assert metrics.optimal.value == pytest.approx(1 / 6)
    assert metrics.parsed.value == pytest.approx(5 / 6)
    assert metrics.illegal.value == pytest.approx(1 / 6)
    assert metrics.progress.value == pytest.approx((1 + 1 + 2 / 4 + 1 / 4 + 0 + 0) / 6)
    assert metrics.regret.value == pytest.approx((0 + 2) / 2)
    assert metrics.outcomes == {"success": 2, "unfinished": 1, "violation": 1, "failure": 1, "no_plan": 1}
    assert metrics.violations == {"out_of_bounds": 1}
    assert metrics.success.low is None  # one board has no spread


def test_rates_are_averaged_over_sizes_and_then_over_tasks():
    maze = MazeLayout(((7, 9), (7, 10)), (0, 0), (1, 1))
    rows = [result("frozen_lake", lake, good(lake)) for lake in lakes(3)]
    rows += [result("frozen_lake", lake, BAD) for lake in lakes(1, 4)]
    rows += [result("maze", maze, "RD")] * 5 + [result("maze", maze, "D")] * 5
    summary = summarise(run_of(rows))
    by_task = {cell.task: cell.metrics.success.value for cell in summary.by_task}
    assert by_task == {"frozen_lake": 0.5, "maze": 0.5}
    assert {(c.task, c.size): c.metrics.success.value for c in summary.by_size}[("frozen_lake", 4)] == 0.0
    assert summary.overall[0].metrics.success.value == 0.5
    assert sum(cell.metrics.replies for cell in summary.by_size) == len(rows)


def test_rows_without_a_reply_are_counted_apart_and_never_wrong():
    scored = [result("frozen_lake", lake, good(lake)).to_dict() for lake in lakes(2)]
    missing = [{**scored[0], "score": None, "error": f"reason {n % 30}"} for n in range(60)]
    summary = summarise(Run("r", rows=[*scored, *missing]))
    metrics = summary.overall[0].metrics
    assert (metrics.replies, metrics.unscored, metrics.success.value) == (2, 60, 1.0)
    assert summary.unscored == 60
    assert sum(summary.errors.values()) == 60
    assert len(summary.errors) == 21  # twenty reasons, and "others"
    alone = summarise(Run("r", rows=missing))
    assert alone.overall[0].metrics.replies == 0
    assert math.isnan(alone.overall[0].metrics.success.value)
    json.dumps(alone.to_dict(), allow_nan=False)


def test_causes_add_up_with_success():
    seen = FrozenLakeLayout(3, 3, (0, 0), (2, 2), frozenset({(1, 1)}))
    true = FrozenLakeLayout(3, 3, (0, 0), (2, 2), frozenset({(1, 0)}))
    replies = [
        stated(board, "frozen_lake", plan) for board, plan in ((seen, "DDRR"), (true, "DDRR"), (true, "RRDD"))
    ]
    replies.append("")
    summary = summarise(run_of([result("frozen_lake", true, reply) for reply in replies]))
    metrics = summary.overall[0].metrics
    assert metrics.causes == {"perception": 1, "reasoning": 1, "no_plan": 1}
    assert metrics.saw == {"right": 2, "wrong": 1, "unclear": 1}
    assert metrics.success.value + sum(rate.value for rate in metrics.cause_rates.values()) == pytest.approx(
        1
    )


def test_the_gap_is_paired_by_board_and_tested():
    rows = []
    for number, lake in enumerate(lakes(12)):
        rows.append(result("frozen_lake", lake, good(lake), modality="text"))
        rows.append(result("frozen_lake", lake, good(lake) if number < 4 else BAD, modality="image"))
    rows.append(result("frozen_lake", lakes(13)[12], BAD, modality="text"))  # not shown as a picture
    (gap,) = summarise(run_of(rows)).gaps
    (part,) = gap.parts
    assert (part.boards, part.before, part.after) == (12, pytest.approx(4 / 12), 1.0)
    assert (part.only_before, part.only_after) == (0, 8)
    assert part.difference.value == pytest.approx(8 / 12)
    assert 0.3 < part.difference.low < part.difference.value < part.difference.high <= 1
    assert part.test.name.startswith("McNemar")
    assert part.test.p == pytest.approx(2 / 2**8)


def test_runs_are_compared_with_the_first_on_shared_boards():
    before = [result("frozen_lake", lake, BAD, agent="a") for lake in lakes(10)]
    after = [result("frozen_lake", lake, good(lake), agent="b", board="other id") for lake in lakes(14)[4:]]
    summary = summarise([run_of(before, "one"), run_of(after, "two")])
    (comparison,) = summary.comparisons
    assert summary.series[comparison.before].run == "one"
    assert (comparison.parts[0].boards, comparison.parts[0].difference.value) == (6, 1.0)
    assert summary.boards == 14


def test_several_replies_give_pass_at_k_and_a_majority():
    lake, other = lakes(2)
    rows = []
    for board, replies in ((lake, ["DDRR", "DDRR", "DD", ""]), (other, ["DD", "DDRR", "DD", "RR"])):
        for sample, reply in enumerate(replies):
            rows.append({**result("frozen_lake", board, reply).to_dict(), "sample": sample})
    (samples,) = summarise(Run("r", rows=rows)).samples
    assert samples.samples == 4
    assert samples.pass_at[1] == pytest.approx((2 / 4 + 1 / 4) / 2)
    assert samples.pass_at[2] == pytest.approx((5 / 6 + 3 / 6) / 2)
    assert samples.pass_at[4] == 1.0
    assert samples.majority == 0.5
    metrics = summarise(Run("r", rows=rows)).overall[0].metrics
    assert metrics.boards == 2


def test_of_equally_frequent_plans_the_first_counts_and_silence_has_no_vote():
    (lake,) = lakes(1)
    for replies, majority in ((["DDRR", "DD"], 1.0), (["DD", "DDRR"], 0.0), (["", "", "DDRR"], 1.0)):
        rows = [
            {**result("frozen_lake", lake, reply).to_dict(), "sample": n} for n, reply in enumerate(replies)
        ]
        assert summarise(Run("r", rows=rows[::-1])).samples[0].majority == majority


def test_perception_questions_have_their_own_table():
    row = {
        **result("frozen_lake", LAKE, "x", modality="image").to_dict(),
        "score": None,
        "protocol": "perceive",
    }
    answers = [
        {**row, "question": "holes", "answer": {"parsed": True, "correct": True, "f1": 1.0}},
        {**row, "question": "holes", "answer": {"parsed": True, "correct": False, "f1": 0.5}},
        {**row, "question": "size", "answer": {"parsed": False, "correct": False, "f1": None}},
        {**row, "question": "size", "error": "gone"},
    ]
    summary = summarise(Run("r", rows=answers))
    holes, size = summary.answers
    assert (holes.question, holes.replies, holes.correct.value, holes.f1.value) == ("holes", 2, 0.5, 0.75)
    assert (size.question, size.replies, size.unscored, size.parsed, size.f1) == ("size", 1, 1, 0.0, None)
    assert summary.overall == summary.floors == []
    assert findings(summary)[0] == "model answers 25% of the questions about the board exactly right."


def test_the_floor_is_the_best_trivial_baseline_on_the_same_boards():
    task = get_task("maze")
    layouts = [task.generator.sample(np.random.default_rng(seed), 3) for seed in range(30)]
    summary = summarise(run_of([result("maze", layout, "R") for layout in layouts]))
    (floor,) = summary.floors
    assert floor.agent in {"first-legal", "random", "always-straight"}
    assert floor.success == pytest.approx(floor.sizes[3])
    assert floor.boards == floor.of == len(set(layouts))
    assert 0 < floor.success < 1


def test_tokens_and_seconds():
    rows = [
        {**result("frozen_lake", lake, "R").to_dict(), "prompt_tokens": 10, "latency": float(n)}
        for n, lake in enumerate(lakes(5))
    ]
    rows[0]["prompt_tokens"] = None
    metrics = summarise(Run("r", rows=rows)).overall[0].metrics
    assert (metrics.prompt_tokens, metrics.latency) == (10, 2.0)
    assert math.isnan(metrics.completion_tokens)


def test_equal_rows_give_equal_numbers_whatever_their_order():
    rows = [result("frozen_lake", lake, GOOD if n % 3 else BAD).to_dict() for n, lake in enumerate(lakes(20))]
    first, second = (summarise(Run("r", rows=order)) for order in (rows, rows[::-1]))
    assert first.overall[0].metrics.success == second.overall[0].metrics.success
    assert first.floors == second.floors


def test_labels_say_what_differs_and_no_more():
    one = Series("r", "m", "image", "classic", None, "plan")
    assert labels_of([one]) == ["m"]
    assert labels_of([one, one._replace(modality="text", theme=None)]) == ["m, image", "m, text"]
    assert labels_of([one, one._replace(perturbation="noise:3")]) == ["m, clean", "m, noise:3"]
    assert labels_of([one, one._replace(run="s")]) == ["m, r", "m, s"]


def test_a_run_read_from_a_file_equals_one_in_memory(tmp_path):
    path = tmp_path / "results.jsonl"
    path.write_text("".join(json.dumps(r.to_dict()) + "\n" for r in RESULTS) + '{"torn', encoding="utf-8")
    assert summarise(Run("run", path)).to_dict() == summarise(run_of(RESULTS)).to_dict()


def test_nothing_cannot_be_summed():
    with pytest.raises(VSPGymError, match="no results"):
        summarise(Run("empty"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"score": {}}, "verdict"),
        ({"score": {"success": True}}, "verdict"),
        ({"task": "mazes"}, "unknown task"),
        ({"layout": {"rows": 3}}, "lacks"),
        ({"attribution": {"saw": "sideways"}}, "no attribution"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused_with_the_reason(change, reason):
    row = {**result("frozen_lake", LAKE, "R").to_dict(), **change}
    with pytest.raises(FormatError, match=reason):
        read_table([Run("r", rows=[row])])


def test_unknown_baselines_are_no_agents():
    from vsp_gym.evaluation.agents import get_agent

    with pytest.raises(UnknownNameError, match="Did you mean 'oracle'"):
        get_agent("oracel")
