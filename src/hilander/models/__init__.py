"""What links the nodes of a level: a published LANDER, hilander's own relational one, or bare similarity."""
