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


def test_what_starts_the_workers_of_the_service_loads_no_torch():
    assert modules_after("import hilander.serving.service").isdisjoint({"torch", "dgl", "sklearn", "numba", "faiss"})


WITHOUT_DGL = """
import sys
sys.modules["dgl"] = None  # as where it is not installed
import numpy as np
from hilander import HiLander, train_lander
from hilander.models.clustering_model import ClusteringSettings
from hilander.models.published import PublishedModel
from hilander.nn.lander import Lander

rows = np.random.default_rng(0).normal(size=(40, 6))
arguments = {"n_features": 12, "hidden_features": 8}
model = PublishedModel(ClusteringSettings(), 6, lander=Lander(**arguments).eval(), lander_arguments=arguments)
assert len(HiLander(model).fit_predict(rows)) == 40
for needs_it in (
    lambda: train_lander(rows, np.arange(40) // 4, variant="published"),
    lambda: Lander(**arguments, convolution="attention"),
):
    try:
        needs_it()
    except ImportError as error:
        assert "under Python 3.11" in str(error)
    else:
        raise AssertionError
"""


def test_without_dgl_only_what_runs_on_it_is_refused():
    subprocess.run([sys.executable, "-c", WITHOUT_DGL], check=True)
