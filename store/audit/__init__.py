"""The audit log: signed, append-only, and checkable offline. SPEC.md holds the bytes; the code follows it."""
