"""Boards that data sets and benchmarks have in common, exactly or as mirror images."""
