"""What DVC watches of the code is what the stages run."""

import typing
from pathlib import Path

import grimp
import pytest
import yaml

from hilander.config import Params

ROOT = Path(__file__).parents[2]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
# How files are written and held, settings read and threads waited for changes no result; no stage works in parts. The
# defaults of a block change results, see below.
IRRELEVANT = (
    "allowed_values",
    "atomic_write",
    "compilation",
    "config",
    "distributed",
    "held_folder",
    "model_folder",
    "openmp",
    "paged_arrays",
    "stages.inputs",
    "typed_mapping",
)


@pytest.fixture(scope="module")
def imports():
    return grimp.build_graph("hilander")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_runs_again_when_code_that_it_imports_changes(stage, imports):
    name = f"hilander.stages.{stage}"
    deps = [ROOT / dep for dep in STAGES[stage]["deps"] if dep.startswith("src/")]
    assert all(dep.exists() for dep in deps)
    unwatched = []
    for module in imports.find_upstream_modules(name) | {name}:
        file = (ROOT / "src" / Path(*module.split("."))).with_suffix(".py")
        is_module = file.is_file()  # packages hold no code but imports
        relevant = is_module and not module.startswith(tuple(f"hilander.{part}" for part in IRRELEVANT))
        if relevant and not any(file.is_relative_to(dep) for dep in deps):
            unwatched.append(module)
    assert sorted(unwatched) == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_runs_again_when_a_default_of_its_parameters_changes(stage):
    blocks = typing.get_type_hints(Params)
    sources = {f"src/{blocks[name].__module__.replace('.', '/')}.py" for name in STAGES[stage]["params"]}
    assert sources <= set(STAGES[stage]["deps"])
