"""The servers behind this one: reaching them, what they define, and passing governed calls on."""
