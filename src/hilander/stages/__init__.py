"""One short module per DVC stage: read parameters and files, call the library, write files."""

from hilander.openmp import wait_briefly

wait_briefly()  # before a stage imports PyTorch
