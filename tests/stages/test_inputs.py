"""What is changed while a stage runs is not noted as what it has read."""

import ast
from pathlib import Path

import numpy as np
import pytest
import yaml

from hilander.stages import build_graph
from hilander.stages.inputs import Inputs, InputsChanged

ROOT = Path(__file__).parents[2]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
PARAMS = "encoder: {epochs: 3}\ngraph: {n_neighbors: 2}\ngate: {max_drop: 0.5}\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(PARAMS)
    Path("data/cats").mkdir(parents=True)
    Path("data/cats/1.png").write_text("first")
    return tmp_path


@pytest.mark.parametrize(
    "text", [PARAMS, "# another look\n" + PARAMS.replace("{epochs: 3}", "\n  epochs: 3"), PARAMS.replace("0.5", "0.1")]
)
def test_what_the_stage_does_not_read_may_change(folder, text):
    inputs = Inputs("data", "encoder")
    assert inputs.params.encoder.epochs == 3
    Path("params.yaml").write_text(text)
    Path("notes.txt").write_text("beside the data")
    inputs.check_unchanged()


@pytest.mark.parametrize("change", ["block", "block that is new", "file", "file that is new", "file that is gone"])
def test_a_change_of_what_it_reads_is_refused_by_name(folder, change):
    inputs = Inputs("data", "encoder")
    changes = {
        "block": ("params.yaml", PARAMS.replace("epochs: 3", "epochs: 4"), r"params\.yaml: encoder;"),
        "block that is new": ("params.yaml", PARAMS + "data: {seed: 1}", r"params\.yaml: data;"),
        "file": ("data/cats/1.png", "other, longer", r"data/cats/1\.png;"),
        "file that is new": ("data/cats/2.png", "second", r"data/cats/2\.png;"),
        "file that is gone": ("data/cats/1.png", None, r"data/cats/1\.png;"),
    }
    path, text, name = changes[change]
    Path(path).write_text(text) if text is not None else Path(path).unlink()
    with pytest.raises(InputsChanged, match=f"changed while this stage ran: {name}.* run it again"):
        inputs.check_unchanged()


def test_a_stage_keeps_nothing_that_was_made_by_other_parameters(folder, monkeypatch):
    for split in ("train", "test"):
        (build_graph.EMBEDDINGS / split).mkdir(parents=True)
        np.save(build_graph.EMBEDDINGS / split / "embeddings.npy", np.eye(5, dtype=np.float32))
    build_graph.main()
    before = {path: path.read_bytes() for path in build_graph.GRAPH.rglob("*.npy")}
    assert len(before) == 4
    search = build_graph.nearest_neighbors

    def edited_meanwhile(*arguments, **options):
        Path("params.yaml").write_text(PARAMS.replace("n_neighbors: 2", "n_neighbors: 3"))
        return search(*arguments, **options)

    monkeypatch.setattr(build_graph, "nearest_neighbors", edited_meanwhile)
    with pytest.raises(InputsChanged, match=r"params\.yaml: graph"):
        build_graph.main()
    assert {path: path.read_bytes() for path in build_graph.GRAPH.rglob("*.npy")} == before


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_looks_after_the_parameters_that_dvc_notes(stage):
    source = ast.parse((ROOT / f"src/hilander/stages/{stage}.py").read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(source) if isinstance(node, ast.Call)]
    [blocks] = [call.args for call in calls if getattr(call.func, "id", "") == "Inputs"]
    assert [block.value for block in blocks] == STAGES[stage]["params"]
    assert sum(getattr(call.func, "attr", "") == "check_unchanged" for call in calls) == 1
