"""Telling people's devices of requests, by web push."""
