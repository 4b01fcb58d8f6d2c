"""Secrets that people type: sealed on arrival, known to agents by a handle only."""
