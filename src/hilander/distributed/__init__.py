"""Clustering in parts: on the workers of a Dask scheduler, or in one process that may stop and carry on."""
