"""From linkage and density to clusters, level by level."""
