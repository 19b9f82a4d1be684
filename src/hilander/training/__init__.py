"""Meta-training: learn from labelled classes how to cluster."""
