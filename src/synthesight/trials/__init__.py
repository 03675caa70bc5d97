"""Trials: the table of responses, its store, and the published CSV layout."""
