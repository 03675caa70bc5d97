"""The machinery behind the metrics: response matrices, clusters and the bootstrap."""
