"""What the model in service is asked, and whether that still looks like what it was evaluated on."""
