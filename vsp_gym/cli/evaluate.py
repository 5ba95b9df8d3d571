"""`vsp-gym evaluate`: ask any model about boards, and judge what it replies."""

from __future__ import annotations

import functools
import itertools
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import click
from click.core import ParameterSource
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from vsp_gym.cli.options import TaskType, convention_option, examples
from vsp_gym.cli.verify import printable
from vsp_gym.envs import TASKS
from vsp_gym.envs.base import DIFFICULTIES, Difficulty, PlanningTask
from vsp_gym.errors import FormatError, VSPGymError
from vsp_gym.evaluation.conditions import (
    Board,
    Evaluation,
    Modality,
    Perturbation,
    Protocol,
    absolute,
    draw_boards,
    read_boards,
    read_suite_boards,
    sizes_of,
)
from vsp_gym.evaluation.dispatch import Patience
from vsp_gym.evaluation.findings import findings
from vsp_gym.evaluation.metrics import summarise
from vsp_gym.evaluation.models import KINDS, Model, Sampling, load_model
from vsp_gym.evaluation.models.openai_server import SHORTEST_KEY
from vsp_gym.evaluation.results import RESULTS, open_run, parse_json
from vsp_gym.evaluation.runner import Tally, run
from vsp_gym.evaluation.summary import Metrics, Summary
from vsp_gym.plans import ParseMode
from vsp_gym.suites import SUITES, SuiteError

EXIT_UNSCORED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 3

LOG_EVERY = 30.0
"""Seconds between lines of progress where there is no terminal."""

MAX_BROKEN = 10
"""How many broken files of a benchmark are listed."""


def _flatten(_: click.Context, __: click.Parameter, value: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    """The words of an option that is given once or several times."""
    return tuple(itertools.chain.from_iterable(value))


def _list_option(*names: str, read: Callable[[str], Any] = str, help: str) -> Callable[..., Any]:  # noqa: A002
    """An option with commas between its words; several of it add up."""
    return click.option(
        *names, type=_Words(read), multiple=True, callback=_flatten, metavar="LIST", help=help
    )


class _Words(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic since click 8.2
    """Words with commas between them; each is read by a function that raises `VSPGymError`."""

    name = "list"

    def __init__(self, read: Callable[[str], Any] = str) -> None:
        self._read = read

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, ...]:
        if isinstance(value, tuple):
            return value
        try:
            found = tuple(self._read(word.strip()) for word in value.split(",") if word.strip())
        except VSPGymError as error:
            self.fail(str(error), param, ctx)
        if not found:
            self.fail("there is nothing in the list", param, ctx)
        return found


def _read_task(word: str) -> PlanningTask[Any, Any]:
    task: PlanningTask[Any, Any] = TaskType().convert(word, None, None)
    return task


def _read_sizes(word: str) -> range:
    """`"4"` or `"3-8"`."""
    found = re.fullmatch(r"(\d{1,3})(?:-(\d{1,3}))?", word)
    if found is None:
        raise FormatError(f"a size is a number or a range like 3-8, not {word!r:.80}")
    return range(int(found[1]), int(found[2] or found[1]) + 1)


def _read_temperature(_: click.Context, __: click.Parameter, value: str) -> float | None:
    if value == "none":
        return None
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0.0 <= number <= 10.0:
        raise click.BadParameter(f"a number from 0 to 10, or none for the model's own; not {value!r:.80}")
    return number


def _read_object(_: click.Context, __: click.Parameter, value: str | None) -> dict[str, Any]:
    if value is None:
        return {}
    try:
        data = parse_json(value)
    except FormatError as error:
        raise click.BadParameter(str(error)) from None
    if not isinstance(data, dict):
        raise click.BadParameter(f"a JSON object, not {value!r:.80}")
    return data


def _read_suite(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, Path] | None:
    if value is None:
        return None
    name, separator, path = value.partition("=")
    if not separator or name not in SUITES:
        raise click.BadParameter(f"NAME=PATH with one of {', '.join(SUITES)} as NAME, not {value!r:.80}")
    return name, Path(path)


def _read_variable(_: click.Context, __: click.Parameter, value: str) -> str:
    """The name of a variable; what is none may be the key itself, so it is not repeated."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", value) is None:
        raise click.BadParameter(
            "the name of an environment variable, of letters, digits and _; a key itself never belongs there"
        )
    return value


def _read_system(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is None or not value.startswith("@"):
        return value
    try:
        return Path(value[1:]).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise click.BadParameter(f"{value[1:]}: {getattr(error, 'strerror', None) or error}") from None


def _options(*options: Callable[..., Any]) -> Callable[..., Any]:
    return lambda command: functools.reduce(
        lambda wrapped, option: option(wrapped), reversed(options), command
    )


_WHO = _options(
    click.option("--model", "spec", required=True, metavar="KIND:NAME", help=f"KIND is {', '.join(KINDS)}."),
    click.option(
        "--out",
        required=True,
        metavar="DIR",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder for the results; made if it does not exist.",
    ),
    click.option(
        "--base-url",
        "base_urls",
        multiple=True,
        metavar="URL",
        help="Server of openai:NAME; may be repeated.",
    ),
    click.option(
        "--api-key-env",
        default="OPENAI_API_KEY",
        show_default=True,
        callback=_read_variable,
        metavar="NAME",
        help="Environment variable that holds the servers' key.",
    ),
)

_BOARDS = _options(
    click.option(
        "--data", type=click.Path(exists=True, path_type=Path), metavar="DIR", help="Boards of a data set."
    ),
    click.option(
        "--suite",
        callback=_read_suite,
        metavar="NAME=PATH",
        help=f"Boards of a published benchmark: {', '.join(SUITES)}.",
    ),
    _list_option("--task", "tasks", read=_read_task, help="Tasks of fresh boards.  [default: all]"),
    _list_option("--sizes", read=_read_sizes, help="Sizes of fresh boards: 3-8, or 4,6."),
    click.option(
        "--boards",
        type=click.IntRange(1),
        default=20,
        show_default=True,
        help="Fresh boards of each task and size.",
    ),
    click.option("--difficulty", type=click.Choice(DIFFICULTIES), help="Bucket of fresh boards."),
    click.option(
        "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides fresh boards."
    ),
    click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N boards."),
)

_CONDITIONS = _options(
    click.option(
        "--mode",
        "protocol",
        type=click.Choice(get_args(Protocol)),
        default="plan",
        show_default=True,
        help="A whole plan, one action a turn, or questions about the picture.",
    ),
    _list_option("--modality", "modalities", help="image, text, both.  [default: image]"),
    _list_option("--theme", "themes", help="Looks of pictures.  [default: the data set's, or classic]"),
    _list_option(
        "--perturb",
        "perturbations",
        read=Perturbation.parse,
        help="Damage to pictures, such as none,noise:3.  [default: none]",
    ),
    click.option(
        "--image-size",
        type=click.IntRange(16, 4096),
        default=256,
        show_default=True,
        help="Pixels of the longer side.",
    ),
    click.option(
        "--reply",
        type=click.Choice(["full", "direct"]),
        default="full",
        show_default=True,
        help="Ask for what is seen and the plan, or for the plan alone.",
    ),
    click.option(
        "--system", callback=_read_system, metavar="TEXT|@FILE", help="A system message of your own."
    ),
    click.option(
        "--history",
        type=click.IntRange(0),
        metavar="N",
        help="Turns that interactive models see again.  [default: all]",
    ),
    click.option(
        "--max-turns", type=click.IntRange(1), metavar="N", help="Turns of an interactive attempt at most."
    ),
    convention_option,
    click.option(
        "--parse",
        type=click.Choice(get_args(ParseMode)),
        default="lenient",
        show_default=True,
        help="strict: the plan must stand in an <answer> block.",
    ),
)

_SAMPLING = _options(
    click.option(
        "--samples", type=click.IntRange(1, 1000), default=1, show_default=True, help="Replies to each board."
    ),
    click.option(
        "--temperature",
        default="0",
        show_default=True,
        callback=_read_temperature,
        help="none: the model's own.",
    ),
    click.option(
        "--top-p", type=click.FloatRange(0.0, 1.0, min_open=True), help="Probability mass to draw from."
    ),
    click.option(
        "--max-tokens", type=click.IntRange(1), default=4096, show_default=True, help="Longest reply."
    ),
    click.option(
        "--max-tokens-field",
        type=click.Choice(["max_tokens", "max_completion_tokens"]),
        default="max_tokens",
        show_default=True,
        help="What servers call it; OpenAI's newer models want the second.",
    ),
    click.option("--sampling-seed", type=click.IntRange(0), metavar="N", help="Seed of the replies."),
    click.option(
        "--extra-body", callback=_read_object, metavar="JSON", help="Further fields of each request."
    ),
)

_RUNNING = _options(
    click.option(
        "--concurrency",
        type=click.IntRange(1, 4096),
        metavar="N",
        help="Boards in work at a time.  [default: 32, or two batches]",
    ),
    click.option(
        "--batch-size", type=click.IntRange(1), metavar="N", help="Boards that share a batch of hf: or vllm:."
    ),
    click.option(
        "--retries",
        type=click.IntRange(0, 100),
        default=6,
        show_default=True,
        help="Repetitions of a failing request.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(0.1),
        default=600.0,
        show_default=True,
        help="Seconds for a request.",
    ),
)


@click.command(
    epilog=examples(
        "vsp-gym evaluate --model agent:oracle --task maze --sizes 3-6 --out runs/oracle",
        "vsp-gym evaluate --model openai:gpt-4o --modality image,text --boards 50 --out runs/gpt-4o",
        "vsp-gym evaluate --model openai:Qwen/Qwen3-VL-8B-Instruct --base-url http://localhost:8000/v1 \\",
        "    --base-url http://localhost:8001/v1 --data data/test.jsonl --out runs/qwen",
        "vsp-gym evaluate --model hf:./checkpoint --mode interactive --batch-size 16 --out runs/turns",
        "vsp-gym evaluate --model python:mine:reply --mode perceive --perturb none,noise:3 --out runs/eyes",
    )
)
@_WHO
@_BOARDS
@_CONDITIONS
@_SAMPLING
@_RUNNING
def command(spec: str, out: Path, concurrency: int | None, retries: int, **options: Any) -> None:
    """Ask any model about boards, and judge what it replies.

    DIR/results.jsonl gets one line a reply, each on the disk before its place is given to the next board.
    When a run ends early, for whatever reason, the same command asks for exactly what is missing. Requests
    that fail are repeated with growing pauses; a board for which no reply comes is unscored, never wrong,
    and is asked again by the next run.

    Boards come from --data, from --suite, or are drawn afresh. Keys come from the environment only.

    Exit status: 0 if every reply was judged, 1 if some are missing, 2 for wrong usage, 3 if interrupted.
    """
    broken: list[SuiteError] = []
    unsolvable: list[str] = []
    try:
        sampling = Sampling(
            options["temperature"],
            options["top_p"],
            options["max_tokens"],
            options["sampling_seed"],
            options["extra_body"],
        )
        _refuse_key(options["api_key_env"], spec, options["system"], sampling)
        source, boards, total = _boards(broken, unsolvable, **options)
        model = _load(spec, sampling, concurrency or 32, **options)
        evaluation = _evaluation(model, **options)
        with _progress(None if total is None else total(evaluation)) as progress:
            tally = run(
                evaluation,
                boards,
                model,
                out,
                parameters={"model": spec, "boards": source, "sampling": sampling.to_dict()},
                concurrency=concurrency or (32 if model.batch_size == 1 else 2 * model.batch_size),
                patience=Patience(retries),
                progress=progress,
            )
    except VSPGymError as error:
        raise click.UsageError(str(error)) from error
    _report(tally, broken, unsolvable, out)
    if not tally.scored and not tally.unscored and not tally.interrupted:
        raise click.ClickException("there was nothing to evaluate: no boards were found")
    if tally.interrupted:
        click.get_current_context().exit(EXIT_INTERRUPTED)
    if not tally.complete or broken:
        click.get_current_context().exit(EXIT_UNSCORED)


def _refuse_key(variable: str, spec: str, system: str | None, sampling: Sampling) -> None:
    """Raise `UsageError` if the key stands where it would be recorded with the run."""
    key = os.environ.get(variable, "").strip()
    if len(key) >= SHORTEST_KEY and key in "\n".join([spec, system or "", *_texts(sampling.to_dict())]):
        raise click.UsageError(
            f"--model, --system or --extra-body holds the key in {variable}; they are recorded with the run"
        )


def _texts(value: Any) -> Iterator[str]:
    """All texts in JSON types, names of fields too."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


def _refuse_options_of_fresh_boards() -> None:
    context = click.get_current_context()
    for name, option in (
        ("tasks", "--task"),
        ("sizes", "--sizes"),
        ("boards", "--boards"),
        ("difficulty", "--difficulty"),
        ("seed", "--seed"),
    ):
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{option} is for fresh boards, without --data and --suite")


_Total = Callable[[Evaluation], int]


def _boards(
    broken: list[SuiteError],
    unsolvable: list[str],
    *,
    data: Path | None,
    suite: tuple[str, Path] | None,
    tasks: Sequence[PlanningTask[Any, Any]],
    sizes: Sequence[range],
    boards: int,
    difficulty: Difficulty | None,
    seed: int,
    limit: int | None,
    **_: Any,
) -> tuple[dict[str, Any], Iterator[Board], _Total | None]:
    """What the run records of its boards; the boards; and how many cases they make, if that is known."""
    total: _Total | None = None
    if data is not None or suite is not None:
        if data is not None and suite is not None:
            raise click.UsageError("--data excludes --suite")
        _refuse_options_of_fresh_boards()
    if data is not None:
        source: dict[str, Any] = {"data": absolute(data)}
        found = read_boards(data)
    elif suite is not None:
        source = {"suite": suite[0], "path": absolute(suite[1])}
        found = read_suite_boards(*suite, broken, unsolvable)
    else:
        drawn = list(dict.fromkeys(tasks or TASKS.values()))
        sides = list(dict.fromkeys(itertools.chain.from_iterable(sizes))) if sizes else None
        kinds = {task: sizes_of(task, sides) for task in drawn}
        source = {
            "tasks": {task.name: found for task, found in kinds.items()},
            "number": boards,
            "difficulty": difficulty,
            "seed": seed,
        }
        found = draw_boards(drawn, sides, boards, seed, difficulty)

        def total(evaluation: Evaluation) -> int:
            per_round = [(len(sides), evaluation.count_cases(task)) for task, sides in kinds.items()]
            rounds = boards if limit is None else min(boards, limit / sum(sides for sides, _ in per_round))
            return round(rounds * sum(sides * cases for sides, cases in per_round))

    return {**source, "limit": limit}, itertools.islice(found, limit), total


def _load(spec: str, sampling: Sampling, connections: int, **options: Any) -> Model:
    return load_model(
        spec,
        sampling,
        base_urls=options["base_urls"],
        key_variable=options["api_key_env"],
        timeout=options["timeout"],
        max_tokens_field=options["max_tokens_field"],
        connections=connections,
        batch_size=options["batch_size"],
    )


def _evaluation(model: Model, **options: Any) -> Evaluation:
    own: tuple[Modality, ...] = ("state",) if model.sees_state else ("image",)
    modalities = options["modalities"] or own
    if ("state" in modalities) is not model.sees_state:
        raise click.UsageError(
            f"{model.name} is given the board itself; leave out --modality"
            if model.sees_state
            else "--modality state is for built-in agents; allowed: image, text, both"
        )
    return Evaluation(
        protocol=options["protocol"],
        modalities=modalities,
        themes=options["themes"] or (None,),
        perturbations=options["perturbations"] or (None,),
        image_size=options["image_size"],
        reply=options["reply"],
        samples=options["samples"],
        system=options["system"],
        history=options["history"],
        max_turns=options["max_turns"],
        convention=options["convention"],
        mode=options["parse"],
    )


# ---------------------------------------------------------------------------------------------
# What the user sees.


@contextmanager
def _progress(total: int | None) -> Iterator[Callable[[Tally], object]]:
    """Shows a tally on stderr: a bar in a terminal, a line now and then elsewhere."""
    console = Console(stderr=True)
    began = time.monotonic()
    if not console.is_terminal:
        shown = began

        def log(tally: Tally) -> None:
            nonlocal shown
            if time.monotonic() - shown >= LOG_EVERY:
                shown = time.monotonic()
                click.echo(_status(tally, shown - began), err=True)

        yield log
        return
    columns = (
        BarColumn(),
        TextColumn("{task.completed}" + ("/{task.total}" if total is not None else "")),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda tally: bar.update(
            task,
            completed=tally.scored + tally.unscored,
            description=_status(tally, time.monotonic() - began),
        )


def _status(tally: Tally, seconds: float) -> str:
    """`"63% right, 12.5/s, 1,204,331 tokens, 3 unscored"`."""
    parts = [f"{tally.succeeded / tally.scored:.1%} right"] if tally.scored else []
    parts.append(f"{tally.asked / seconds:.1f}/s" if seconds > 0 else "")
    if tally.tokens:
        parts.append(f"{tally.tokens:,} tokens")
    if tally.unscored:
        parts.append(f"{tally.unscored} unscored")
    return ", ".join(part for part in parts if part)


def _report(tally: Tally, broken: Sequence[SuiteError], unsolvable: Sequence[str], out: Path) -> None:
    kept = f", {tally.earlier} of them by an earlier run" if tally.earlier else ""
    share = f", {tally.succeeded / tally.scored:.1%} right" if tally.scored else ""
    click.echo(f"{tally.scored} replies judged{kept}{share}")
    if tally.unscored:
        click.echo(f"{tally.unscored} unscored, for no reply came:")
        for reason, count in tally.reasons.most_common():
            click.echo(f"  {count} x {printable(reason)}")
    if unsolvable:
        click.echo(f"{len(unsolvable)} boards of the benchmark have no solution and were left out.")
    if broken:
        click.echo(f"{len(broken)} files of the benchmark cannot be read:")
        for error in broken[:MAX_BROKEN]:
            click.echo(f"  {printable(f'{error.path}: {error.reason}')}")
    if tally.stopped is not None:
        click.echo(f"The run ended early: {printable(tally.stopped)}")
    if not tally.complete:
        click.echo("The same command asks for what is missing.")
    if tally.scored:
        _print_summary(summarise(open_run(out)))
    click.echo(f"Results: {printable(str(out / RESULTS))}")


def _print_summary(summary: Summary) -> None:
    """Success, or right answers, of each series by task; then what that means in sentences."""
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = 120  # a log has no width to fit
    tasks = summary.tasks
    table = Table(title="Success (of it optimal)", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("who", *(TASKS[task].title for task in tasks), "all"):
        table.add_column(heading, justify="left" if heading == "who" else "right")
    cells = {(cell.series, cell.task): cell.metrics for cell in (*summary.by_task, *summary.overall)}
    for number, label in enumerate(summary.labels):
        rates = [_rates(cells.get((number, task))) for task in (*tasks, None)]
        if any(rates):
            table.add_row(printable(label), *rates)
    if table.row_count:
        console.print(table)
    if summary.answers:
        console.print(_answers(summary))
    for sentence in findings(summary):
        click.echo(printable(sentence))


def _rates(metrics: Metrics | None) -> str:
    if metrics is None or not metrics.replies:
        return ""
    return f"{metrics.success.value:.1%} ({metrics.optimal.value:.1%})"


def _answers(summary: Summary) -> Table:
    table = Table(title="Right answers", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("who", "task", "question", "right", "replies"):
        table.add_column(heading, justify="right" if heading in ("right", "replies") else "left")
    for answers in summary.answers:
        table.add_row(
            printable(summary.labels[answers.series]),
            TASKS[answers.task].title,
            printable(answers.question),
            f"{answers.correct.value:.1%}",
            str(answers.replies),
        )
    return table
