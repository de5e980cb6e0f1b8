"""Sandbox as the simulator plays it."""
