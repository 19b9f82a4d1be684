"""hilander: learn from labelled classes how to cluster, then cluster classes never seen."""
