"""Tools that an agent's client brings itself: the client asks here before it runs one, in a form of its own."""
