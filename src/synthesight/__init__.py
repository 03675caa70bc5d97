"""Synthesight: recognising by generating."""

__version__ = "0.1.0"
