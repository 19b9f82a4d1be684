"""One seed gives one model, also in the process that compiles the kernels and in those that find them compiled."""

import os
import subprocess
import sys

TRAIN = """
import hashlib
import numpy as np
from hilander.config import RelationalParams
from hilander.training.train_lander import train_lander

rng = np.random.default_rng(0)
classes = np.repeat(np.arange(30), 12)
embeddings = rng.normal(size=(30, 16))[classes] + 0.4 * rng.normal(size=(len(classes), 16))
params = RelationalParams(n_item_steps=4, n_cluster_steps=4, n_starter_steps=4, n_cores=2, core_size=200)
model = train_lander(embeddings, classes, params=params)
digest = hashlib.sha256()
for network in (model.landers.items, model.landers.clusters):
    for weight in network.state_dict().values():
        digest.update(weight.numpy().tobytes())
print(digest.hexdigest())
"""


def test_one_seed_gives_one_model_before_and_after_kernels_are_compiled(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    first, second = (
        subprocess.run([sys.executable, "-c", TRAIN], env=environment, check=True, capture_output=True, text=True)
        for _ in range(2)
    )
    assert any(tmp_path.rglob("*.nbc"))
    assert first.stdout == second.stdout
