"""Vayana as the simulator plays it."""
