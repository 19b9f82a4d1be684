"""The graph neural networks: from nodes and edges to linkage and density."""
