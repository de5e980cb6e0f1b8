"""Vayana (flynn, enriched API)."""
