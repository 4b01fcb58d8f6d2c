"""Durable state, and the only code that may change it."""
