"""Benchmarks, with peers side by side in one run: `python -m benchmarks`, or `python -m benchmarks.codec`.

A machine's speed drifts while it runs, so that ratios within a run are what counts: contenders take turns,
and each round is compared with the floor of the same round.
"""
