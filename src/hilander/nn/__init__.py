"""The graph neural networks: from nodes and edges to linkage and density."""

from hilander.nn.first_calls import make_first_calls

make_first_calls()  # before any network runs in threads: the same seed gives the same labels
