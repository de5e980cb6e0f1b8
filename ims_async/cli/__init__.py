"""The shell: commands, progress, tables. What it knows of IMS it knows through the library's own doors."""
