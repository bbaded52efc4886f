"""Roles follow time, halves are even, and no host weighs more than its cap."""

from __future__ import annotations

import numpy as np

from monitor.model.calibration import tie_breakers, uniform_distance
from monitor.model.split import BLOCK, Role, capped, roles


def test_training_is_earlier_than_all_else() -> None:
    starts = np.sort(np.random.default_rng(1).integers(0, 10_000, 2_000))
    role = roles(starts, "office", training_share=0.4)
    assert starts[role == Role.TRAINING].max() < starts[role != Role.TRAINING].min()
    assert abs((role == Role.TRAINING).mean() - 0.4) < 0.01


def test_later_flows_are_halved_in_blocks() -> None:
    role = roles(np.arange(10_000), "office", training_share=0.4)
    later = role[role != Role.TRAINING]
    assert abs((later == Role.CALIBRATION).mean() - 0.5) < 0.01
    assert all(len(set(block)) == 1 for block in later[: len(later) // BLOCK * BLOCK].reshape(-1, BLOCK))


def test_a_device_that_repeats_itself_in_step_with_the_blocks_is_on_both_sides() -> None:
    """Every 16th flow is of one kind: strict turns would put all of them on one side."""
    role = roles(np.arange(16_000), "device", training_share=0.0)
    kind = np.arange(16_000) % 16 == 3
    assert 0.4 < (role[kind] == Role.CALIBRATION).mean() < 0.6


def test_roles_depend_on_the_session_and_are_the_same_every_time() -> None:
    starts = np.arange(1_000)
    first = roles(starts, "a", training_share=0.4)
    np.testing.assert_array_equal(first, roles(starts, "a", training_share=0.4))
    assert (first != roles(starts, "b", training_share=0.4)).any()


def test_tiny_sessions_train() -> None:
    assert roles(np.array([5]), "a", training_share=0.4).tolist() == [Role.TRAINING]
    assert roles(np.empty(0, np.int64), "a", training_share=0.4).tolist() == []


def test_no_group_keeps_more_than_its_cap_and_small_ones_keep_all() -> None:
    groups = np.repeat(np.arange(3), [5_000, 100, 7])
    ties = tie_breakers(np.arange(len(groups), dtype=np.uint64), np.zeros(len(groups), np.uint32))
    keep = capped(groups, ties, 100)
    assert np.bincount(groups[keep]).tolist() == [100, 100, 7]


def test_what_the_cap_keeps_still_has_ties_even_over_0_to_1() -> None:
    """Otherwise p-values of flows that score alike would be low for hosts that were capped."""
    ties = tie_breakers(np.arange(100_000, dtype=np.uint64), np.zeros(100_000, np.uint32))
    keep = capped(np.zeros(100_000, np.int64), ties, 5_000)
    assert uniform_distance(ties[keep]) < 0.03


def test_capping_in_steps_keeps_the_same_flows() -> None:
    ties = tie_breakers(np.arange(3_000, dtype=np.uint64), np.zeros(3_000, np.uint32))
    groups = np.arange(3_000) % 2
    at_once = set(np.flatnonzero(capped(groups, ties, 50)))
    early = np.flatnonzero(capped(groups[:2_000], ties[:2_000], 50))
    rest = np.concatenate([early, np.arange(2_000, 3_000)])
    assert set(rest[capped(groups[rest], ties[rest], 50)]) == at_once
