"""`vsp-gym score`: judge one reply, or a stream of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, get_args

import click

from vsp_gym.cli.options import TaskType, convention_option, examples, read_layout
from vsp_gym.core import AnyTask, Layout
from vsp_gym.envs import get_task
from vsp_gym.envs.base import PlanningTask
from vsp_gym.envs.env import check_layout
from vsp_gym.errors import FormatError, VSPGymError
from vsp_gym.evaluation.results import parse_json
from vsp_gym.plans import ParseMode, parse_plan
from vsp_gym.scoring import PlanScore, score_plan, score_reply

MAX_LINE = 16 << 20
"""Bytes of a line of a stream at most, so that memory stays bounded."""


@click.command(
    epilog=examples(
        "vsp-gym show --task maze --size 4 --seed 1 --out board.json",
        "vsp-gym score --layout board.json --reply 'right, then down: <answer>RD</answer>'",
        "vsp-gym score --jsonl replies.jsonl > scores.jsonl",
        "cat replies.jsonl | vsp-gym score --jsonl - --convention gym",
    )
)
@click.option("--task", type=TaskType(), help="Task of the board, if the layout does not name it.")
@click.option("--layout", metavar="FILE|JSON", help="The board, as JSON text or a file that holds it.")
@click.option("--reply", metavar="TEXT", help="A model's whole reply.")
@click.option(
    "--jsonl",
    type=click.File("rb", lazy=False),
    help='A file of lines {"task", "layout", "reply" or "plan"}, or - for stdin.',
)
@convention_option
@click.option(
    "--mode",
    type=click.Choice(get_args(ParseMode)),
    default="lenient",
    show_default=True,
    help="strict: the plan must stand in an <answer> block.",
)
def command(
    task: PlanningTask[Any, Any] | None,
    layout: str | None,
    reply: str | None,
    jsonl: BinaryIO | None,
    convention: str,
    mode: ParseMode,
) -> None:
    """Judge one reply, or a stream of them.

    One reply: give --layout and --reply; the verdict is printed as JSON.

    A stream: give --jsonl. Each line is an object with "task", "layout" and either "reply" (text)
    or "plan" (text, or a list of actions); "convention" and "mode" may differ from line to line, "id"
    is passed on, other fields are ignored. Scores go to stdout, one line each, in order, with the number
    of the line that they belong to. A line that cannot be judged is reported on stderr as an object
    with "line", "error" and "value"; the others are still judged. Blank lines are skipped.

    Exit status: 0 if everything was judged, 1 if some input was bad, 2 for wrong usage.
    """
    defaults = _Defaults(task, convention, mode)
    if jsonl is not None:
        if layout is not None or reply is not None:
            raise click.UsageError("--jsonl excludes --layout and --reply")
        _score_stream(jsonl, defaults)
    elif layout is not None and reply is not None:
        task, board = read_layout(task, layout)
        score = score_reply(task, board, reply, convention, mode=mode)
        click.echo(json.dumps({"task": task.name, **score.to_dict()}, indent=2))
    else:
        raise click.UsageError("give --layout and --reply for one reply, or --jsonl for a stream")


@dataclass(frozen=True)
class _Defaults:
    """What holds for lines that do not say otherwise."""

    task: PlanningTask[Any, Any] | None
    convention: str
    mode: ParseMode


def _score_stream(stream: BinaryIO, defaults: _Defaults) -> None:
    bad = 0
    for number, line in enumerate(_lines(stream), 1):
        if line is not None and not line.strip():
            continue
        try:
            if line is None:
                raise FormatError(f"the line is longer than {MAX_LINE} bytes")
            click.echo(json.dumps({"line": number, **_score_line(line, defaults)}))
        except VSPGymError as error:
            bad += 1
            value = (line or b"")[:80].decode("utf-8", "replace").rstrip("\r\n")
            click.echo(json.dumps({"line": number, "error": str(error), "value": value}), err=True)
    if bad:
        click.get_current_context().exit(1)


def _lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """The lines of a stream; None for one that is longer than `MAX_LINE`."""
    while line := stream.readline(MAX_LINE + 1):
        if len(line) <= MAX_LINE or line.endswith(b"\n"):
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(MAX_LINE)
        yield None


def _score_line(line: bytes, defaults: _Defaults) -> dict[str, Any]:
    record = parse_json(line)
    if not isinstance(record, dict):
        raise FormatError(f"a line is an object with task, layout and reply, not {record!r:.80}")
    if "task" in record:
        task = get_task(record["task"])
    elif defaults.task is not None:
        task = defaults.task
    else:
        raise FormatError("the field task is missing")
    if not isinstance(record.get("layout"), dict):
        raise FormatError(f"the field layout must be an object, not {record.get('layout')!r:.80}")
    score = _judge(task, check_layout(task, record["layout"]), record, defaults)
    passed = {"id": record["id"]} if "id" in record else {}
    return {**passed, "task": task.name, **score.to_dict()}


def _judge(task: AnyTask, layout: Layout, record: dict[str, Any], defaults: _Defaults) -> PlanScore:
    convention = record.get("convention", defaults.convention)
    mode = record.get("mode", defaults.mode)
    if mode not in get_args(ParseMode):
        raise FormatError(f"the field mode must be one of {', '.join(get_args(ParseMode))}, not {mode!r:.80}")
    if ("reply" in record) == ("plan" in record):
        raise FormatError("give one of the fields reply and plan")
    if "reply" in record:
        if not isinstance(record["reply"], str):
            raise FormatError(f"the field reply must be text, not {record['reply']!r:.80}")
        return score_reply(task, layout, record["reply"], convention, mode=mode)
    plan = record["plan"]
    if isinstance(plan, str):
        parsed = parse_plan(plan, task)
        if parsed.actions is None:
            raise FormatError(f"the field plan is no plan: {parsed.reason}")
        plan = parsed.actions
    elif not isinstance(plan, list):
        raise FormatError(f"the field plan must be text or a list of actions, not {plan!r:.80}")
    return score_plan(task, layout, plan, convention)
