"""Stimuli: images to show, found in folders and tables, or drawn."""
