"""What the training flow costs beside plain ``dvc repro``: ``make bench-orchestration``.

Both run the same stages with nothing to do and with everything to do, in a workspace with a small set of embeddings
(a clone of this one with other data), the flow as a deployment on a warm server.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import datetime
from pathlib import Path

import numpy as np
import yaml

from benchmarks.record import ROOT, write_results
from hilander.atomic_write import atomic_file

LIMIT_S, REPEATS = 15.0, 3
ROWS = {"noop": "nothing to do", "all": "every stage"}


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
            _flow(workspace, port)  # the first one loads everything from disk
            for name, before in (("noop", _leave), ("all", _forget)):
                measured: dict[str, list[float]] = {}
                for _ in range(REPEATS):
                    before(workspace)
                    plain = {"dvc_repro_s": _seconds(workspace, "dvc", "repro")}
                    before(workspace)
                    for part, seconds in (plain | _flow(workspace, port)).items():
                        measured.setdefault(part, []).append(seconds)
                figures |= {f"{name}.{part}": statistics.median(seconds) for part, seconds in measured.items()}
                figures[f"{name}.overhead_s"] = figures[f"{name}.flow_s"] - figures[f"{name}.dvc_repro_s"]
                figures[f"{name}.worst_overhead_s"] = max(measured["flow_s"]) - min(measured["dvc_repro_s"])
        finally:
            _seconds(workspace, "python", "flows/deploy.py", "down")
    record = write_results("orchestration", figures)
    page = _PAGE.format(
        limit=LIMIT_S,
        repeats=REPEATS,
        overhead=_table(figures, "dvc_repro_s", "flow_s", "overhead_s", "worst_overhead_s"),
        parts=_table(figures, "before_s", "itself_s", "after_s"),
        deploy=figures["deploy_s"],
        **record,
    )
    with atomic_file(ROOT / "benchmarks" / "orchestration.md") as path:
        path.write_text(page, encoding="utf-8")
    print(page)
    missed = [name for name in ROWS if figures[f"{name}.overhead_s"] > LIMIT_S]
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


def _flow(workspace: Path, port: str) -> dict[str, float]:
    """From the command to its end, and the three parts of that."""
    begun = time.time()
    whole = _seconds(workspace, "prefect", "deployment", "run", "train/local", "--watch")
    newest = json.dumps({"sort": "EXPECTED_START_TIME_DESC", "limit": 1}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/flow_runs/filter", newest, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        [run] = json.load(answer)
    start, end = (datetime.fromisoformat(run[f"{moment}_time"]).timestamp() for moment in ("start", "end"))
    return {"flow_s": whole, "before_s": start - begun, "itself_s": end - start, "after_s": begun + whole - end}


def _table(figures: dict[str, float], *columns: str) -> str:
    return "\n".join(
        " | ".join([f"| {title}", *(f"{figures[f'{name}.{column}']:.1f} s" for column in columns)]) + " |"
        for name, title in ROWS.items()
    )


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
from the command `prefect deployment run 'train/local' --watch` to its end. Medians of {repeats}, and as the worst the
slowest flow less the fastest `dvc repro`; measured by `make bench-orchestration` on {date}, {machine}, commit {commit}.

| | `dvc repro` | flow | overhead (at most {limit:g} s) | worst |
|---|---|---|---|---|
{overhead}

What the flow's time is made of: until the run begins (the start of the command, the worker's next look, the start of
the run's process), the run itself with the quality gate and the packaging, and until the command ends, which waits 3 s
for late lines of the log.

| | until it begins | the run itself | until the command ends |
|---|---|---|---|
{parts}

`make deploy` takes {deploy:.0f} s until the deployments can be triggered. `make install` compiles what it installs;
where nothing is compiled ahead and Python keeps nothing (`PYTHONDONTWRITEBYTECODE`), each of these processes takes
about twice as long to start.
"""

if __name__ == "__main__":
    main()
