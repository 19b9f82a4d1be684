"""What hilander costs beside the published implementation, in one run: ``make bench-speed``."""
