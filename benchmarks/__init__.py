"""Benchmarks, with peers side by side in one run: `python -m benchmarks.codec`, `python -m benchmarks.jobs`.

A machine's speed drifts while it runs, so that ratios within a run are what counts: contenders take turns,
and each round is compared with the floor of the same round.
"""
