"""Files of a GSTR-2B: tables of its documents, and all of it as JSON."""
