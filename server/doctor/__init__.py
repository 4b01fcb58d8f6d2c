"""What is unsafe about this installation, and which promise it keeps; see `server.doctor.checkup`."""
