"""Measures the forest kernel beside scikit-learn on the same rows, and the scoring of a quarter of a million flows.

    python -m benchmarks.scoring [--rounds 9]

One thread each. Rows are the features of an imagined office's flows (`benchmarks.inserts`); the forest is as large as
those of models/default. That both give the same scores is a test's business, but is shown here, too.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.office import office_flows
from benchmarks.table import Row, against, show
from monitor.model import Source, TrainSettings, train
from monitor.model.extraction import natural, scaled
from monitor.model.isolation import grow

ROWS = 100_000
FLOWS = 250_000
BATCH = 32_768
SECONDS = 0.4
"""What features, scores and p-values of `FLOWS` flows may take."""


def rows(rounds: int = 9) -> list[Row]:
    """Medians over rounds in which both take turns."""
    learnt, asked = (scaled(natural(office_flows(count, seed=seed))) for count, seed in ((20_000, 1), (ROWS, 2)))
    defaults = TrainSettings()
    forest, estimator = grow(learnt, trees=defaults.trees, samples=defaults.samples, seed=defaults.seed)
    apart = float(np.abs(forest.scores(asked) + estimator.score_samples(asked)).max())
    many = _in_turn(lambda: forest.scores(asked), lambda: estimator.score_samples(asked), rounds)
    one = _single_row(forest.scores, estimator.score_samples, asked, rounds)
    whole = _whole_scoring(rounds)
    size = f"{defaults.trees} trees of {defaults.samples:,} flows"
    command = "python -m benchmarks.scoring"
    return [
        against(f"scoring {ROWS:,} rows, one thread, × scikit-learn", many[2], 2.5, "×", command=command,
                detail=f"{ROWS / many[0] / 1e6:.2f} against {ROWS / many[1] / 1e6:.2f} M rows/s, {size}; "
                f"scores differ by at most {apart:.0e}"),
        against("scoring a single row, × scikit-learn's score_samples", one[2], 100, "×", command=command,
                detail=f"{one[0] * 1e6:.0f} µs against {one[1] * 1e3:.1f} ms"),
        against(f"features, scores, p-values and reasons of {FLOWS:,} flows", whole, SECONDS, "s", most=True,
                command=command, detail=f"{FLOWS / whole / 1e6:.2f} M flows/s in batches of {BATCH:,}"),
    ]  # fmt: skip


def _in_turn(ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int) -> tuple[float, float, float]:
    """Median seconds of each, and the median of the rounds' ratios."""
    pairs = [(_seconds(ours), _seconds(theirs)) for _ in range(rounds)]
    return (
        statistics.median(pair[0] for pair in pairs),
        statistics.median(pair[1] for pair in pairs),
        statistics.median(pair[1] / pair[0] for pair in pairs),
    )


def _single_row(
    ours: Callable[[NDArray[np.float32]], Any],
    theirs: Callable[[NDArray[np.float32]], Any],
    asked: NDArray[np.float32],
    rounds: int,
) -> tuple[float, float, float]:
    """The same for rows that come alone: 200 of ours and 10 of theirs a round, each another row."""
    found = [
        (
            _seconds(lambda: [ours(asked[at : at + 1]) for at in range(200)]) / 200,
            _seconds(lambda: [theirs(asked[at : at + 1]) for at in range(10)]) / 10,
        )
        for _ in range(rounds)
    ]
    return (
        statistics.median(pair[0] for pair in found),
        statistics.median(pair[1] for pair in found),
        statistics.median(pair[1] / pair[0] for pair in found),
    )


def _whole_scoring(rounds: int) -> float:
    """Median seconds for `Model.score` over the flows of a day, batch after batch."""
    model = train([Source("office", [office_flows(30_000, seed=3, span=86_400_000_000)])])
    flows = office_flows(FLOWS, seed=4, span=86_400_000_000)
    batches = [flows.slice(start, BATCH) for start in range(0, FLOWS, BATCH)]
    model.score(batches[0])
    return statistics.median(_seconds(lambda: [model.score(batch) for batch in batches]) for _ in range(rounds))


def _seconds(work: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    show(rows(parser.parse_args().rounds))
