"""`vsp-gym generate`: make a data set."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from vsp_gym.cli.options import TaskType, examples
from vsp_gym.envs.base import PlanningTask
from vsp_gym.errors import VSPGymError
from vsp_gym.generation.leaks import suite_orbits
from vsp_gym.generation.plan import make_plan
from vsp_gym.generation.request import (
    FRACTIONS,
    SLICES,
    Config,
    Part,
    Request,
    make_generator,
    parse_difficulties,
    parse_fraction,
    parse_sizes,
    read_config,
)
from vsp_gym.generation.run import MAX_WORKERS, Progress, generate
from vsp_gym.records.sample import SPLITS
from vsp_gym.records.writing import FORMATS

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


class _PairType(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic since click 8.2
    """`NAME=VALUE`."""

    name = "NAME=VALUE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        name, equals, rest = str(value).partition("=")
        if not (name and equals and rest):
            self.fail(f"{value!r} is not NAME=VALUE", param, ctx)
        return name, rest


class _ShardType(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic since click 8.2
    """`i/n`."""

    name = "I/N"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        number, slash, count = str(value).partition("/")
        if not (slash and number.isdecimal() and count.isdecimal() and len(value) < 8):
            self.fail(f"{value!r} is not a shard like 1/4", param, ctx)
        if not 1 <= int(number) <= int(count) <= SLICES:
            self.fail(f"{value!r}: there are 1 to {SLICES} shards, counted from 1", param, ctx)
        return int(number), int(count)


_CONFIG_HELP = """

\b
A file for --config; it may also have seed, fractions, theme, image_size,
images, format and exclude:
  splits: {train: 1000, test: 100}
  parts:
    - {task: frozen-lake, sizes: 3-8}
    - {task: maze, sizes: [4, 6], difficulty: [hard], options: {loops: 0.1}}
"""


@click.command(
    epilog=examples(
        "vsp-gym generate --task maze --sizes 3-6 --count 1000 --split train --out data",
        "vsp-gym generate --task maze --task frozen-lake --sizes 4-6 --count 100000 --workers 8 --out data",
        "vsp-gym generate --task maze --sizes 8 --count 500 --set loops=0.2 --split test --out loops",
        "vsp-gym generate --config data.yaml --out data",
    )
    + _CONFIG_HELP
)
@click.option(
    "--out",
    required=True,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the data set; made if it does not exist.",
)
@click.option(
    "--config",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="YAML file that describes a whole data set; replaces the options down to --exclude-suite.",
)
@click.option("--task", "tasks", multiple=True, type=TaskType(), help="Task; may be given several times.")
@click.option(
    "--sizes",
    metavar="SIZES",
    help="Sides of the boards: 5, 3-6 or 4,6,8. [default: those of published work]",
)
@click.option("--count", type=click.IntRange(min=1), help="Boards in all.")
@click.option(
    "--split",
    type=click.Choice(SPLITS),
    default="train",
    show_default=True,
    help="Which boards: those of different splits are never equal or mirrored.",
)
@click.option(
    "--difficulty",
    metavar="LIST",
    help="Any of easy, medium and hard, equally many of each. [default: as they come]",
)
@click.option(
    "--seed", type=click.IntRange(0, (1 << 63) - 1), default=0, show_default=True, help="Decides the boards."
)
@click.option(
    "--set",
    "options",
    multiple=True,
    type=_PairType(),
    help="Option of the generator: loops=0.2, algorithm=uniform, hole_probability=0.3. Repeatable.",
)
@click.option(
    "--fractions",
    default=",".join(str(float(f)) for f in FRACTIONS),
    show_default=True,
    metavar="A,B,C",
    help="Shares of all boards that belong to train, validation and test.",
)
@click.option("--theme", default="classic", show_default=True, help="Look of the pictures.")
@click.option(
    "--image-size",
    type=click.IntRange(min=1),
    default=256,
    show_default=True,
    help="Longer side of the pictures in pixels.",
)
@click.option("--no-images", is_flag=True, help="Boards in words only.")
@click.option(
    "--exclude-suite",
    "suites",
    multiple=True,
    type=_PairType(),
    help="Keep a published benchmark's boards and their mirror images out. Repeatable.",
)
@click.option(
    "--format",
    "name",
    type=click.Choice(list(FORMATS)),
    default="jsonl",
    show_default=True,
    help="How the set is stored.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, MAX_WORKERS),
    default=1,
    show_default=True,
    help="Processes; the set is the same for any number.",
)
@click.option(
    "--shard",
    type=_ShardType(),
    default=(1, 1),
    metavar="I/N",
    help="Make only the I-th of N parts (up to 16), which together are the set.",
)
@click.option(
    "--ray",
    metavar="ADDRESS",
    help="Make the boards on a Ray cluster; auto for the one that this machine is in.",
)
@click.option(
    "--dry-run", is_flag=True, help="Say how many boards there are to choose from, and write nothing."
)
def command(
    out: Path,
    config: Path | None,
    name: str,
    workers: int,
    shard: tuple[int, int],
    ray: str | None,
    dry_run: bool,
    **described: Any,
) -> None:
    """Make a data set of boards, as pictures and in words.

    The set is a function of its options and seed alone: the same bytes for any number of workers and
    after any interruption. No board occurs twice; splits have no board in common, not even mirrored.
    Interrupted, the same command goes on from where it was. A finished set is verified instead.
    """
    ctx = click.get_current_context()
    if config is not None:
        given = [
            p.opts[0] for p in ctx.command.params if p.name in (*described, "name") and _is_given(ctx, p)
        ]
        if given:
            raise click.UsageError(f"--config describes the whole set; {', '.join(given)} cannot be added")
        setup = read_config(config)
    else:
        setup = _from_options(name=name, **described)
    orbits = frozenset(orbit for pair in setup.exclude for orbit in suite_orbits(*pair))
    for request in setup.requests:
        complete = _with_excluded(request, orbits, tuple(suite for suite, _ in setup.exclude))
        if dry_run:
            _print_capacities(complete)
            continue
        with _progress(complete.split) as progress:
            entry = _run(complete, out, setup.format, workers, shard, ray, progress)
        done = "is complete, and verified" if entry["verified"] else "written"
        click.echo(f"{out}: {entry['count']:,} boards of {request.split} {done}")


def _is_given(ctx: click.Context, param: click.Parameter) -> bool:
    source = ctx.get_parameter_source(param.name or "")
    return source is not None and source is not click.core.ParameterSource.DEFAULT


def _from_options(
    tasks: tuple[PlanningTask[Any, Any], ...],
    sizes: str | None,
    count: int | None,
    split: str,
    difficulty: str | None,
    seed: int,
    options: tuple[tuple[str, str], ...],
    fractions: str,
    theme: str,
    image_size: int,
    no_images: bool,
    suites: tuple[tuple[str, str], ...],
    name: str,
) -> Config:
    if not tasks or count is None:
        raise click.UsageError("--task and --count are needed (or --config)")
    parts = tuple(
        Part(
            task.name,
            task.paper_sizes if sizes is None else parse_sizes(sizes),
            parse_difficulties(difficulty),
            options=tuple((key, _value(text)) for key, text in options if _takes(task, tasks, key)),
        )
        for task in tasks
    )
    shares = tuple(parse_fraction(text.strip()) for text in fractions.split(","))
    request = Request(parts, count, split, seed, shares, theme, None if no_images else image_size)
    return Config((request,), name, suites)


def _takes(task: PlanningTask[Any, Any], tasks: tuple[PlanningTask[Any, Any], ...], option: str) -> bool:
    """Whether a task's generator has the option; at least one of the tasks must."""
    has = [option in vars(each.generator) for each in tasks]
    if not any(has):
        make_generator(task, {option: None})  # raises the error that lists the options
    return option in vars(task.generator)


def _value(text: str) -> Any:
    """A number if it looks like one, else the text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _with_excluded(request: Request, orbits: frozenset[str], suites: tuple[str, ...]) -> Request:
    return Request(**{**_fields(request), "exclude": orbits, "excluded": suites}) if suites else request


def _fields(request: Request) -> dict[str, Any]:
    return {name: getattr(request, name) for name in request.__dataclass_fields__}


def _run(
    request: Request,
    out: Path,
    name: str,
    workers: int,
    shard: tuple[int, int],
    ray: str | None,
    progress: Progress | None,
) -> dict[str, Any]:
    try:
        return generate(request, out, format=name, workers=workers, shard=shard, ray=ray, progress=progress)
    except KeyboardInterrupt:
        click.echo(f"Interrupted. The same command goes on from what is finished in {out}.", err=True)
        sys.exit(INTERRUPTED)
    except OSError as error:
        raise VSPGymError(f"{error.filename or out}: {error.strerror or error}") from None


def _print_capacities(request: Request) -> None:
    plan = make_plan(request)
    for bucket, known in zip(plan.buckets, plan.capacities):
        part = request.parts[bucket.part]
        words = f"{part.task} {bucket.size}x{bucket.size} {bucket.difficulty or 'any'} {request.split}"
        click.echo(f"{words}: {bucket.quota:,} asked for, {known}")


@contextmanager
def _progress(split: str) -> Iterator[Progress | None]:
    """A bar on standard error, if that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[rate]}"), console=console, transient=True) as bar:
        shown = bar.add_task(split, total=None, rate="")

        def report(done: int, total: int) -> None:
            bar.update(shown, completed=done, total=total)
            speed = bar.tasks[shown].speed
            bar.update(shown, rate=f"{speed:,.0f} boards/s" if speed else "")

        yield report
