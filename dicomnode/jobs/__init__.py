"""Jobs: ready lesions become soft masks, soft masks become result objects, in a process pool."""
