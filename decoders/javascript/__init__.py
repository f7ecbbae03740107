"""Codecs as vendors publish them, in a process of their own, and what is made of their words."""
