"""What the training flow costs beside plain ``dvc repro``: ``make bench-orchestration``.

Both run the same stages with nothing to do and with everything to do, in a workspace with a small set of embeddings
(a clone of this one with other data), the flow as a deployment on a warm server.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

from benchmarks.record import ROOT, write_results
from hilander.atomic_write import atomic_file

LIMIT_S = 15.0


def main() -> None:
    """Write ``benchmarks/orchestration.md`` and ``benchmarks/results/orchestration.json``."""
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        workspace = _make_workspace(Path(folder) / "workspace")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        figures["deploy_s"] = _seconds(workspace, "python", "flows/deploy.py", "up", "--port", port)
        try:
            _flow(workspace)  # the first one loads everything from disk
            for name, before, repeats in (("noop", _leave, 3), ("all", _forget, 1)):
                plain, flow = [], []
                for _ in range(repeats):
                    before(workspace)
                    plain.append(_seconds(workspace, "dvc", "repro"))
                    before(workspace)
                    flow.append(_flow(workspace))
                figures[f"{name}.dvc_repro_s"] = statistics.median(plain)
                figures[f"{name}.flow_s"] = statistics.median(flow)
                figures[f"{name}.overhead_s"] = figures[f"{name}.flow_s"] - figures[f"{name}.dvc_repro_s"]
        finally:
            _seconds(workspace, "python", "flows/deploy.py", "down")
    record = write_results("orchestration", figures)
    with atomic_file(ROOT / "benchmarks" / "orchestration.md") as path:
        path.write_text(_PAGE.format(limit=LIMIT_S, **record | {"f": figures}), encoding="utf-8")
    print(path.read_text(encoding="utf-8") if path.exists() else figures)
    missed = [name for name in ("noop", "all") if figures[f"{name}.overhead_s"] > LIMIT_S]
    if missed:
        sys.exit(f"over the limit of {LIMIT_S:g} s: {', '.join(missed)}")


def _make_workspace(folder: Path) -> Path:
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    (folder / "data.dvc").unlink()
    (folder / "dvc.lock").unlink()
    random, labels = np.random.default_rng(0), np.repeat(np.arange(100), 15)
    embeddings = random.normal(size=(100, 32))[labels] + 0.55 * random.normal(size=(len(labels), 32))
    shutil.rmtree(folder / "data", ignore_errors=True)
    (folder / "data").mkdir()
    np.savez(
        folder / "data" / "toy.npz",
        embeddings=embeddings.astype(np.float32),
        labels=labels.astype(str),
        splits=np.where(labels < 60, "train", "test"),
    )
    params = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
    params["data"]["path"] = "data/toy.npz"
    params["encoder"] = {"name": "identity"}
    params["lander"] |= {"compare_with": [], "hilander": {"n_item_steps": 30, "n_cluster_steps": 15}}
    params["evaluate"]["baselines"] = ["kmeans"]
    params["gate"] = {"beat_baselines": False}
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    _seconds(folder, "dvc", "add", "--quiet", "data")
    return folder


def _leave(workspace: Path) -> None:
    """Nothing to do."""


def _forget(workspace: Path) -> None:
    """Everything to do, without DVC's memory of earlier runs."""
    (workspace / "dvc.lock").unlink(missing_ok=True)
    shutil.rmtree(workspace / ".dvc" / "cache" / "runs", ignore_errors=True)


def _flow(workspace: Path) -> float:
    return _seconds(workspace, "prefect", "deployment", "run", "train/local", "--watch")


def _seconds(folder: Path, *command: str) -> float:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    started = time.perf_counter()
    result = subprocess.run(command, cwd=folder, env=environment | {"PATH": path}, capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{result.stdout}\n{result.stderr}")
    return time.perf_counter() - started


_PAGE = """# What the training flow costs

The deployment `train/local` on a warm server beside plain `dvc repro`: the same stages on a small set of embeddings,
from the command to its end (the flow's time holds the start of its process, the quality gate and the packaging too).
Medians of 3 with nothing to do, one run with everything. Measured by `make bench-orchestration` on {date}, {machine},
commit {commit}.

| | `dvc repro` | flow | overhead (at most {limit:g} s) |
|---|---|---|---|
| nothing to do | {f[noop.dvc_repro_s]:.1f} s | {f[noop.flow_s]:.1f} s | {f[noop.overhead_s]:.1f} s |
| every stage | {f[all.dvc_repro_s]:.1f} s | {f[all.flow_s]:.1f} s | {f[all.overhead_s]:.1f} s |

`make deploy` takes {f[deploy_s]:.0f} s until the deployments can be triggered.
"""

if __name__ == "__main__":
    main()
