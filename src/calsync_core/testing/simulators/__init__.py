"""Calendar services on this machine, for tests and trials: what the simulators of Google and Microsoft share."""
