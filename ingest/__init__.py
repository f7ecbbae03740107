"""MQTT in, ledger out: sources, sessions, pipeline, receipts, projections."""
