"""One package per GST Suvidha Provider (GSP): hosts, paths, headers, envelopes, codes, limits."""
