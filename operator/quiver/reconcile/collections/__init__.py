"""VectorCollection: from what is wanted and what is there to what to do."""
