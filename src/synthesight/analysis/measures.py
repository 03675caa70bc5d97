"""Accuracy and shape bias under one roof, for callers that import both."""

from __future__ import annotations

from synthesight.analysis.accuracy import accuracy
from synthesight.analysis.shape_bias import shape_bias

__all__ = ["accuracy", "shape_bias"]
