"""Tests and intervals against slow, obvious ways to work them out."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsp_gym.evaluation.statistics import average, bootstrap, difference, mcnemar, paired_test, pass_at_k


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_exact_binomial_test(one, other):
    total = one + other
    tail = sum(math.comb(total, k) for k in range(min(one, other) + 1))
    assert mcnemar(one, other) == pytest.approx(min(1.0, 2 * tail / 2**total))
    assert mcnemar(one, other) == mcnemar(other, one)


def test_mcnemar_of_many_boards():
    assert mcnemar(50_000, 50_000) == 1.0
    assert mcnemar(40_000, 60_000) < 1e-300
    assert 0.04 < mcnemar(4900, 5100) < 0.05


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6)), min_size=1, max_size=4), st.integers(1, 6))
def test_pass_at_k_is_the_share_of_draws_that_hold_a_success(boards, k):
    samples = np.array([n for n, _ in boards])
    solved = np.minimum([c for _, c in boards], samples)
    shares = []
    for n, c in zip(samples.tolist(), solved.tolist()):
        if n >= k:
            draws = list(itertools.combinations([True] * c + [False] * (n - c), k))
            shares.append(sum(map(any, draws)) / len(draws))
    expected = sum(shares) / len(shares) if shares else math.nan
    assert pass_at_k(solved, samples, k) == pytest.approx(expected, nan_ok=True)


def test_the_bootstrap_agrees_with_drawing_boards_one_by_one():
    rng = np.random.default_rng(0)
    sums, counts = rng.integers(0, 4, (40, 1)).astype(float), np.full((40, 1), 3.0)
    (found,) = bootstrap(sums, counts, np.random.default_rng(1))
    drawn = rng.integers(0, 40, (20_000, 40))
    slow = sums[drawn, 0].sum(axis=1) / counts[drawn, 0].sum(axis=1)
    assert found.value == pytest.approx(sums.sum() / counts.sum())
    low, high = np.quantile(slow, (0.025, 0.975))
    assert found.estimate.low == pytest.approx(low, abs=0.02)
    assert found.estimate.high == pytest.approx(high, abs=0.02)


def test_replies_to_one_board_are_not_taken_for_independent():
    solved = np.repeat([0.0, 1.0], 10)
    apart = bootstrap(solved[:, None], np.ones((20, 1)), np.random.default_rng(0))[0].estimate
    eight = bootstrap(8 * solved[:, None], np.full((20, 1), 8.0), np.random.default_rng(0))[0].estimate
    assert eight == apart


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(3)
    hits = 0
    for trial in range(200):
        solved = (rng.random((80, 1)) < 0.3).astype(float)
        estimate = bootstrap(solved, np.ones((80, 1)), np.random.default_rng(trial))[0].estimate
        hits += estimate.low <= 0.3 <= estimate.high
    assert 180 <= hits <= 199


def test_averages_leave_out_what_is_over_nothing():
    nothing, half = (
        bootstrap(np.array([[0.0], [n]]), np.array([[0.0], [2 * n]]), np.random.default_rng(0))[0]
        for n in (0.0, 1.0)
    )
    assert math.isnan(nothing.value)
    assert average([nothing, half]).value == 0.5
    assert math.isnan(average([nothing, nothing]).value)


def test_a_paired_difference_is_narrower_than_two_that_are_apart():
    rng = np.random.default_rng(0)
    easy = rng.random(200) < 0.5
    sums = np.stack([easy, easy & (rng.random(200) < 0.9)], axis=1).astype(float)
    sides = bootstrap(sums, np.ones((200, 2)), rng)
    paired = difference(sides[1], sides[0]).estimate
    assert paired.high - paired.low < 0.6 * (sides[0].estimate.high - sides[0].estimate.low)
    test = paired_test(sums[:, 0], sums[:, 1], np.ones((200, 2)), sides[1].draws - sides[0].draws)
    assert test.name == "McNemar, exact"
    assert test.p < 0.05


def test_several_replies_are_tested_by_the_bootstrap():
    draws = np.linspace(-0.1, 0.4, 999)
    test = paired_test(np.zeros(3), np.ones(3), np.full((3, 2), 2.0), draws)
    assert test.name == "paired bootstrap"
    assert test.p == pytest.approx(2 * 201 / 1000, abs=0.005)
