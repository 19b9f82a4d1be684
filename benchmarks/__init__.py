"""What measures the figures that the project promises."""
