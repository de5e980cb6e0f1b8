"""The simulated portal's returns: GSTR-2B by period, its regeneration, and what a taxpayer has filed."""
