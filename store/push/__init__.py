"""Devices that are told of new requests, and what each is still to be told."""
