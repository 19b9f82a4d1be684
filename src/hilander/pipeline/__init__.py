"""The DVC pipeline as a program runs it: stages one by one, one run a workspace, overrides, the quality gate."""
