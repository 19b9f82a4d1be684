import subprocess
import sys

HEAVY = ("prefect", "bentoml", "great_expectations", "evidently", "dvc")


def modules_after(statement):
    code = f"import sys; {statement}; print(' '.join(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_importing_the_library_loads_none_of_the_pipelines_packages():
    loaded = modules_after("import hilander; hilander.HiLander; hilander.train_lander")
    assert "torch" in loaded
    assert loaded.isdisjoint({*HEAVY, "dgl"})  # DGL, which takes a second to load, is for the published variant alone


def test_the_bare_import_loads_no_torch_either():
    assert modules_after("import hilander").isdisjoint({*HEAVY, "torch", "dgl", "sklearn"})
