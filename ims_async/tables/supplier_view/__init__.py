"""Files of the supplier's view: its own documents, and the liability that their rejection added back."""
