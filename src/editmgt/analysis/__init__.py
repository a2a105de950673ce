"""Arrays in, numbers out: contrasts, effects with intervals, ratings; it imports no other room."""
