"""The ledger and the series: what was heard, and what became of it."""
