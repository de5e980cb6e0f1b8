"""The simulated API of Vayana."""
