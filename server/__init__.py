"""The agent side of Assent, its command line, and the process that holds both sides."""
