"""The crash harness: real `kill -9` of workers in the middle of a bulk save, and a look at what is left."""
