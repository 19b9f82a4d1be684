"""The clustering service: a Bento whose endpoints read their own bodies, within limits."""
