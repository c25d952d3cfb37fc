"""Benchmarks against NumPy: the table of cases, how they are verified and timed, and what is printed.

`python -m hotloop bench` runs them; benchmarks/ runs the same cases under pytest-benchmark.
"""
