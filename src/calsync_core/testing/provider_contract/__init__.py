"""The parts of the providers' contract test; see ``calsync_core.testing.provider_kit``."""
