"""Points in embedding spaces: distances, centres, clusters, coverage, near duplicates. numpy, and no strategy."""
