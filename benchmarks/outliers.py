"""Plain outlier detectors on NFStream's flow features, run in the peers' environment: isolation forest, ECOD, HBOS.

    python outliers.py CAPTURES.tsv OUT.npz        (a line a capture: path, `benign` or `attack`)

Captures are metered by NFStream with its statistics on and no dissection; every numeric feature is used as it is. Each
detector learns from at most 500 flows of each ordinary capture with its defaults; ordinary captures are scored by
detectors that learnt from the others (five folds), attacks by one that learnt from all. Imports nothing of ours.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
import tempfile
from pathlib import Path

import numpy as np

FOLDS, MOST = 5, 500
_NOT_FEATURES = ("id", "expiration_id", "vlan_id", "tunnel_id")
_OPEN = {".xz": lzma.open, ".gz": gzip.open, ".bz2": bz2.open}


def metered(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Features (n, F), start (ms), initiator and responder of each flow of a capture."""
    from nfstream import NFStreamer

    with tempfile.NamedTemporaryFile(suffix=".pcap") as plain:
        plain.write(_OPEN.get(path.suffix, open)(path, "rb").read())
        plain.flush()
        values, starts, ends = [], [], []
        for flow in NFStreamer(source=plain.name, n_dissections=0, statistical_analysis=True, n_meters=1):
            row = dict(zip(flow.keys(), flow.values(), strict=True))
            ends.append((row["src_ip"], row["dst_ip"]))
            starts.append(row["bidirectional_first_seen_ms"])
            values.append(
                [
                    float(value)
                    for name, value in row.items()
                    if name not in _NOT_FEATURES and not name.endswith("_seen_ms") and isinstance(value, int | float)
                ]
            )
    addresses = np.array(ends, dtype=str).reshape(-1, 2)
    return np.array(values, float).reshape(len(starts), -1), np.array(starts), addresses[:, 0], addresses[:, 1]


def detectors() -> dict[str, object]:
    """Name and maker of each, with defaults."""
    from pyod.models.ecod import ECOD
    from pyod.models.hbos import HBOS
    from sklearn.ensemble import IsolationForest

    return {"isolation forest": lambda: IsolationForest(random_state=1), "ECOD": ECOD, "HBOS": HBOS}


def fitted(make, rows: np.ndarray):  # type: ignore[no-untyped-def]
    """A function from rows to scores, higher is stranger."""
    model = make().fit(rows)
    if hasattr(model, "decision_scores_"):
        return model.decision_function
    return lambda other: -model.score_samples(other)


def main() -> None:
    """Command line."""
    listed = [line.split("\t") for line in Path(sys.argv[1]).read_text().splitlines()]
    flows = {}
    for path, kind in listed:
        try:
            flows[path] = (kind, *metered(Path(path)))
        except (ValueError, OSError, KeyError) as error:
            print(f"{path}: {error}", file=sys.stderr)
    width = max(found[1].shape[1] for found in flows.values())
    flows = {path: found for path, found in flows.items() if found[1].shape[1] == width}
    random = np.random.default_rng(1)
    benign = [path for path, found in flows.items() if found[0] == "benign"]
    sample = {path: random.permutation(flows[path][1])[:MOST] for path in benign}
    out: dict[str, np.ndarray] = {}
    for at, path in enumerate(flows):
        _, _, start, src, dst = flows[path]
        out |= {f"{at}|path": np.array(path), f"{at}|start": start, f"{at}|src": src, f"{at}|dst": dst}
    for name, make in detectors().items():
        everything = fitted(make, np.concatenate([sample[path] for path in benign]))
        others = [[sample[path] for i, path in enumerate(benign) if i % FOLDS != fold] for fold in range(FOLDS)]
        parts = [fitted(make, np.concatenate(rows)) for rows in others]
        for at, path in enumerate(flows):
            score = parts[benign.index(path) % FOLDS] if path in sample else everything
            out[f"{at}|{name}"] = np.asarray(score(flows[path][1]), float)
        print(f"{name}: done", file=sys.stderr)
    np.savez_compressed(sys.argv[2], **out)


if __name__ == "__main__":
    main()
