"""Sums over the rows of runs: rates with intervals, what they are compared with, and why plans failed.

Rates are averaged as MGSD does: over the replies of each task and size, then over sizes, then over tasks,
so that every size and every task counts alike. Intervals are percentile bootstraps over boards, drawn
within each task and size. Everything is seeded, so that equal rows give equal numbers.
Rows that no reply came for are counted apart, and are never wrong.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vsp_gym.evaluation.attribution import CAUSES, SIGHTS
from vsp_gym.evaluation.floor import floors_of
from vsp_gym.evaluation.results import Run
from vsp_gym.evaluation.statistics import (
    RESAMPLES,
    Estimate,
    Resamples,
    average,
    bootstrap,
    difference,
    paired_test,
    pass_at_k,
)
from vsp_gym.evaluation.summary import (
    RATES,
    Answers,
    Cell,
    Comparison,
    Metrics,
    Paired,
    Samples,
    Summary,
    labels_of,
)
from vsp_gym.evaluation.table import NONE, OUTCOMES, VIOLATIONS, Series, Table, read_table

Index = npt.NDArray[np.intp]


def summarise(source: Table | Run | Sequence[Run]) -> Summary:
    """The summary of some runs.

    Args:
        source: runs, or the table that was read of them.

    Raises:
        VSPGymError: if there are no rows, and as `read_table`.
    """
    if not isinstance(source, Table):
        source = read_table([source] if isinstance(source, Run) else source)
    return _Summariser(source).summary()


class _Summariser:
    def __init__(self, table: Table) -> None:
        self._table = table
        self._rows = table.rows
        boards = table.boards
        self._task = boards.task[self._rows.board]
        self._size = boards.size[self._rows.board]
        self._difficulty = boards.difficulty[self._rows.board]
        self._is_plan = self._rows.question == NONE

    def summary(self) -> Summary:
        table = self._table
        by_size, by_task, overall = self._plans()
        return Summary(
            runs=[run.label for run in table.runs],
            series=table.series,
            labels=labels_of(table.series),
            tasks=table.tasks,
            conventions=table.conventions,
            modes=table.modes,
            rows=len(self._rows.board),
            boards=len(table.boards.task),
            unscored=int((~self._rows.scored).sum()),
            errors=table.errors,
            overall=overall,
            by_task=by_task,
            by_size=by_size,
            by_difficulty=self._by_difficulty(),
            answers=self._answers(),
            samples=self._samples(),
            floors=floors_of(table) if self._is_plan.any() else [],
            gaps=self._compare_all(self._modality_pairs()),
            comparisons=self._compare_all(self._run_pairs()),
        )

    # -- rates -----------------------------------------------------------------------------------

    def _plans(self) -> tuple[list[Cell], list[Cell], list[Cell]]:
        """The metrics by size, by task and of all."""
        by_size, by_task, overall = [], [], []
        for series, rows in self._groups(np.flatnonzero(self._is_plan), self._rows.series):
            tasks = []
            for task, of_task in self._groups(rows, self._task):
                sizes = []
                for size, of_size in self._groups(of_task, self._size):
                    rates = self._rates(of_size, "size", self._table.tasks[task], size)
                    sizes.append(rates)
                    by_size.append(self._cell(of_size, rates, series, task=task, size=size))
                tasks.append([average(parts) for parts in zip(*sizes)])
                by_task.append(self._cell(of_task, tasks[-1], series, task=task))
            means = [average(parts) for parts in zip(*tasks)]
            overall.append(self._cell(rows, means, series))
        return by_size, by_task, overall

    def _by_difficulty(self) -> list[Cell]:
        cells = []
        for series, rows in self._groups(np.flatnonzero(self._is_plan), self._rows.series):
            for task, of_task in self._groups(rows, self._task):
                for difficulty, group in self._groups(of_task, self._difficulty):
                    if difficulty == NONE:
                        continue
                    rates = self._rates(group, "difficulty", self._table.tasks[task], difficulty)
                    cells.append(self._cell(group, rates, series, task=task, difficulty=difficulty))
        return cells

    @staticmethod
    def _groups(rows: Index, by: npt.NDArray[Any]) -> Iterable[tuple[int, Index]]:
        """The rows of each value of a column, by ascending value."""
        values = by[rows]
        order = np.argsort(values, kind="stable")
        kinds, starts = np.unique(values[order], return_index=True)
        yield from zip(kinds.tolist(), np.split(rows[order], starts[1:]))

    def _rates(self, rows: Index, *key: object) -> list[Resamples]:
        """`RATES` of some rows, and the shares of `CAUSES`."""
        columns = self._rows
        rows = rows[columns.scored[rows]]
        if not len(rows):
            return [Resamples(math.nan, np.full(RESAMPLES, math.nan), 0) for _ in (*RATES, *CAUSES)]
        values = np.stack(
            [
                columns.right[rows],
                columns.optimal[rows],
                columns.parsed[rows],
                columns.violation[rows] != NONE,
                columns.progress[rows],
                columns.regret[rows],
                *(columns.cause[rows] == cause for cause in range(len(CAUSES))),
            ],
            axis=1,
        ).astype(float)
        known = ~np.isnan(values)
        boards, at = np.unique(columns.board[rows], return_inverse=True)
        sums, counts = (_sum_by(at, part, len(boards)) for part in (np.where(known, values, 0), known))
        return [
            bootstrap(sums[:, [c]], counts[:, [c]], self._rng(*key, name))[0]
            for c, name in enumerate((*RATES, *CAUSES))
        ]

    @staticmethod
    def _rng(*key: object) -> np.random.Generator:
        return np.random.default_rng(zlib.crc32(repr(key).encode()))

    def _cell(
        self,
        rows: Index,
        rates: Sequence[Resamples],
        series: int,
        *,
        task: int | None = None,
        size: int | None = None,
        difficulty: int | None = None,
    ) -> Cell:
        columns, scored = self._rows, rows[self._rows.scored[rows]]
        latency = _known(columns.latency[scored])
        metrics = Metrics(
            replies=len(scored),
            boards=len(np.unique(columns.board[scored])),
            unscored=len(rows) - len(scored),
            **{name: rate.estimate for name, rate in zip(RATES, rates)},
            outcomes=_count(columns.outcome[scored], OUTCOMES),
            violations=_count(columns.violation[scored], VIOLATIONS),
            causes=(causes := _count(columns.cause[scored], CAUSES)),
            cause_rates={
                name: rate.estimate for name, rate in zip(CAUSES, rates[len(RATES) :]) if name in causes
            },
            saw=_count(columns.saw[scored], SIGHTS),
            prompt_tokens=_mean(_known(columns.prompt_tokens[scored])),
            completion_tokens=_mean(_known(columns.completion_tokens[scored])),
            latency=float(np.median(latency)) if len(latency) else math.nan,
            latency_p95=float(np.quantile(latency, 0.95)) if len(latency) else math.nan,
        )
        table = self._table
        return Cell(
            series,
            None if task is None else table.tasks[task],
            size,
            None if difficulty is None else table.difficulties[difficulty],
            metrics,
        )

    def _answers(self) -> list[Answers]:
        found = []
        columns = self._rows
        for series, rows in self._groups(np.flatnonzero(~self._is_plan), columns.series):
            for task, of_task in self._groups(rows, self._task):
                for question, group in self._groups(of_task, columns.question):
                    scored = group[columns.scored[group]]
                    key = ("answer", self._table.tasks[task], self._table.questions[question])
                    f1 = columns.progress[scored]
                    found.append(
                        Answers(
                            series,
                            self._table.tasks[task],
                            self._table.questions[question],
                            len(scored),
                            len(group) - len(scored),
                            self._mean_over_boards(scored, columns.right[scored].astype(float), key),
                            None if np.isnan(f1).all() else self._mean_over_boards(scored, f1, (*key, "f1")),
                            _mean(columns.parsed[scored]),
                        )
                    )
        return found

    def _mean_over_boards(self, rows: Index, values: npt.NDArray[Any], key: tuple[object, ...]) -> Estimate:
        known = ~np.isnan(values)
        if not known.any():
            return Estimate(math.nan, None, None)
        boards, at = np.unique(self._rows.board[rows[known]], return_inverse=True)
        value = values[known][:, None]
        sums, counts = (_sum_by(at, part, len(boards)) for part in (value, np.ones_like(value)))
        return bootstrap(sums, counts, self._rng(*key))[0].estimate

    # -- several replies to a board ----------------------------------------------------------------

    def _samples(self) -> list[Samples]:
        columns, found = self._rows, []
        plans = np.flatnonzero(self._is_plan & columns.scored)
        for series, rows in self._groups(plans, columns.series):
            most = int(np.max(np.unique(columns.board[rows], return_counts=True)[1]))
            if most < 2 or not columns.sample[rows].any():
                continue
            ks = [k for k in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512) if k < most] + [most]
            parts = []
            for task, of_task in self._groups(rows, self._task):
                sizes = [self._vote(of_size, ks) for _, of_size in self._groups(of_task, self._size)]
                means = _nanmean(np.array(sizes))
                parts.append(means)
                found.append(_as_samples(series, self._table.tasks[task], most, ks, means))
            if len(parts) > 1:
                found.append(_as_samples(series, None, most, ks, _nanmean(np.array(parts))))
        return found

    def _vote(self, rows: Index, ks: Sequence[int]) -> list[float]:
        """pass@k for each k, and the success of the majority, of rows of one size."""
        columns = self._rows
        _, at = np.unique(columns.board[rows], return_inverse=True)
        right = columns.right[rows].astype(np.int64)
        solved, replies = np.bincount(at, right).astype(np.int64), np.bincount(at)
        pairs = np.stack([at, columns.plan[rows]], axis=1)
        kinds, kind, votes = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
        kind = kind.reshape(-1)
        first = np.full(len(kinds), np.iinfo(np.int32).max)
        np.minimum.at(first, kind, columns.sample[rows])
        wins = np.zeros(len(kinds), bool)
        wins[kind] = right.astype(bool)
        votes = np.where(kinds[:, 1] == 0, 0, votes)  # who has no plan has no vote
        order = np.lexsort((first, -votes, kinds[:, 0]))
        _, leaders = np.unique(kinds[order, 0], return_index=True)
        return [*(pass_at_k(solved, replies, k) for k in ks), float(wins[order[leaders]].mean())]

    # -- pairs of series ---------------------------------------------------------------------------

    def _modality_pairs(self) -> list[tuple[int, int]]:
        series = self._planning_series()
        return [
            (a, b)
            for a, before in series.items()
            for b, after in series.items()
            if before.modality == "image"
            and after.modality == "text"
            and (before.run, before.agent, before.protocol) == (after.run, after.agent, after.protocol)
        ]

    def _run_pairs(self) -> list[tuple[int, int]]:
        """Series of the first run with their like in each other run."""
        series = self._planning_series()
        agents = {
            run.label: {s.agent for s in series.values() if s.run == run.label} for run in self._table.runs
        }
        first = self._table.runs[0].label

        def are_alike(a: Series, b: Series) -> bool:
            alone = len(agents[a.run]) == len(agents[b.run]) == 1
            return (alone or a.agent == b.agent) and a._replace(run="", agent="") == b._replace(
                run="", agent=""
            )

        return [
            (a, b)
            for a, before in series.items()
            for b, after in series.items()
            if before.run == first != after.run and are_alike(before, after)
        ]

    def _planning_series(self) -> dict[int, Series]:
        numbers = np.unique(self._rows.series[self._is_plan])
        return {number: self._table.series[number] for number in numbers.tolist()}

    def _compare_all(self, pairs: Sequence[tuple[int, int]]) -> list[Comparison]:
        """The comparison of each pair that has boards in common."""
        comparisons = [self._compare(*pair) for pair in pairs]
        return [comparison for comparison in comparisons if comparison.parts]

    def _compare(self, before: int, after: int) -> Comparison:
        columns, count = self._rows, len(self._table.boards.task)
        sums, counts = np.zeros((count, 2)), np.zeros((count, 2))
        for side, series in enumerate((before, after)):
            rows = self._is_plan & columns.scored & (columns.series == series)
            counts[:, side] = np.bincount(columns.board[rows], minlength=count)
            sums[:, side] = np.bincount(columns.board[rows], columns.right[rows], minlength=count)
        shared = np.flatnonzero((counts > 0).all(axis=1))
        boards, parts, pairs = self._table.boards, [], []
        for task, of_task in self._groups(shared, boards.task):
            sizes = [
                bootstrap(sums[group], counts[group], self._rng("pair", self._table.tasks[task], size))
                for size, group in self._groups(of_task, boards.size)
            ]
            sides = [average(side) for side in zip(*sizes)]
            pairs.append(sides)
            parts.append(_paired(self._table.tasks[task], sides, sums[of_task], counts[of_task]))
        if len(pairs) > 1:
            sides = [average(side) for side in zip(*pairs)]
            parts.append(_paired(None, sides, sums[shared], counts[shared]))
        return Comparison(before, after, parts)


def _paired(
    task: str | None, sides: Sequence[Resamples], sums: npt.NDArray[Any], counts: npt.NDArray[Any]
) -> Paired:
    change = difference(sides[1], sides[0])
    shares = sums / counts
    return Paired(
        task,
        len(sums),
        sides[0].value,
        sides[1].value,
        change.estimate,
        int((shares[:, 0] > shares[:, 1]).sum()),
        int((shares[:, 1] > shares[:, 0]).sum()),
        paired_test(shares[:, 0], shares[:, 1], counts, change.draws),
    )


def _as_samples(
    series: int, task: str | None, most: int, ks: Sequence[int], means: npt.NDArray[Any]
) -> Samples:
    values = [float(value) for value in means]
    return Samples(series, task, most, dict(zip(ks, values)), values[-1])


def _sum_by(at: npt.NDArray[Any], values: npt.NDArray[Any], groups: int) -> npt.NDArray[np.float64]:
    """`[groups, columns]` sums of the rows of `values` that belong to each group."""
    return np.stack([np.bincount(at.reshape(-1), column, groups) for column in values.T], axis=1)


def _known(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    known: npt.NDArray[Any] = values[~np.isnan(values)]
    return known


def _mean(values: npt.NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else math.nan


def _nanmean(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The mean over the first axis of what is known."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        means: npt.NDArray[Any] = np.where(known, values, 0).sum(axis=0) / known.sum(axis=0)
    return means


def _count(codes: npt.NDArray[Any], names: Sequence[str]) -> dict[str, int]:
    """How often each name occurs, in the order of `names`; those that do not are left out."""
    counts = np.bincount(codes[codes >= 0], minlength=len(names)).tolist()
    return {name: count for name, count in zip(names, counts) if count}
