"""What torch leaves to MKL is called on one number before any network runs: a first call is not safe in threads."""

import subprocess
import sys

# Of aten/src/ATen/cpu/vml.h, by torch's names.
OF_MKL = {
    *("acos", "asin", "atan", "cos", "sin", "tan", "tanh", "erf", "erfc", "erfinv", "exp"),
    *("log", "log2", "log10", "sqrt", "trunc"),
}

RECORD = """
from torch.utils._python_dispatch import TorchDispatchMode

class Recorded(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if args and hasattr(args[0], "numel") and args[0].numel() == 1:
            print(function.overloadpacket.__name__, args[0].dtype)
        return function(*args, **(kwargs or {}))

with Recorded():
    import hilander.nn
"""


def test_the_networks_package_calls_each_function_on_one_number_in_both_precisions():
    run = subprocess.run([sys.executable, "-c", RECORD], capture_output=True, text=True, check=True)
    called = {tuple(line.split()) for line in run.stdout.splitlines()}
    assert called >= {(name, f"torch.{dtype}") for name in OF_MKL for dtype in ("float32", "float64")}


def test_clustering_training_and_encoding_import_it_first():
    for module in ("hilander.estimator", "hilander.training.train_lander", "hilander.encoder.network_training"):
        code = f"import sys, {module}; print('hilander.nn.first_calls' in sys.modules)"
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert run.stdout.strip() == "True", module
