"""The simulated API of Sandbox."""
