"""Learned clustering beside every tuned heuristic, bed by bed: ``make bench-quality``."""
