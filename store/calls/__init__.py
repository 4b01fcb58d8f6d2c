"""Governed calls: what upstreams define, what the rules say to a call, letting it run, and what came of it."""
