"""Measurements, each run with ``python -m benchmarks.NAME``; none of them is installed."""
