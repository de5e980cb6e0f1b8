"""`gstr2b regenerate`, `gstr2b pull`, `gstr2b compare`: the statements of one taxpayer or of many."""
