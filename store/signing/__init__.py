"""Decisions that people sign with their passkeys (store/signing/SPEC.md)."""
