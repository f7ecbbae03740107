"""Followers of the ledger's journal: each can be stopped, resumed, dropped and built again."""
