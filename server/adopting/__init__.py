"""Moving the servers of a client's configuration file behind Assent, and back."""
