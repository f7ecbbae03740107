"""A whole site in one process under virtual time: the real agents, ingest, rules and ledger."""
