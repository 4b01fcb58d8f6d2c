"""The tools that agents call: their schemas, their words, and what they answer."""
