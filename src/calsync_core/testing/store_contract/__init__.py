"""The parts of the stores' contract test; see ``calsync_core.testing.store_kit``."""
