"""The demo: the main job against the embedded simulator."""
