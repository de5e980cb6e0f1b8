"""Kill a process at each of its writes to the journal, and see what the next one makes of GSTR-2B."""
