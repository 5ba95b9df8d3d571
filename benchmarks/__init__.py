"""Benchmarks of VSP-Gym: `python -m benchmarks --help`."""
