"""Ties to other people's frameworks. Each module needs the package that it is named after, and nothing imports it."""
