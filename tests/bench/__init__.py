"""What Assent costs, as ratios to a floor measured on the same machine in the same run. Run it with `make bench`."""
