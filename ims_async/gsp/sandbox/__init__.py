"""Sandbox (sandbox.co.in)."""
