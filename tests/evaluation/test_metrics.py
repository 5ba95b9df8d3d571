"""Sums over results, checked by hand."""

from __future__ import annotations

import pytest
from evaluation.samples import LAKE, RESULTS, result

from vsp_gym import VSPGymError
from vsp_gym.evaluation.metrics import summarise, summarise_by


def test_summary_of_known_replies():
    replies = ["DDRR", "DUDDRR", "DD", "DR", "L", ""]
    metrics = summarise([result("frozen_lake", LAKE, reply) for reply in replies])
    assert metrics.replies == 6
    assert metrics.success == pytest.approx(2 / 6)
    assert metrics.optimal == pytest.approx(1 / 6)
    assert metrics.parsed == pytest.approx(5 / 6)
    assert metrics.progress == pytest.approx((1 + 1 + 2 / 4 + 1 / 4 + 0 + 0) / 6)
    assert metrics.outcomes == {"success": 2, "unfinished": 1, "failure": 1, "violation": 1, "no_plan": 1}
    assert metrics.violations == {"out_of_bounds": 1}


def test_groups_split_all_results():
    groups = summarise_by(RESULTS, "task", "agent")
    assert sum(metrics.replies for metrics in groups.values()) == len(RESULTS)
    assert groups["maze", "good"].success == 1.0
    assert groups["maze", "off"].violations == {"wall": 1}
    assert next(iter(groups)) == ("frozen_lake", "good")


def test_nothing_cannot_be_summed():
    with pytest.raises(VSPGymError, match="no results"):
        summarise([])
