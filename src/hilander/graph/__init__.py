"""Embeddings to k-nearest-neighbour graphs: neighbours, relations between them, and the DGL graph."""
