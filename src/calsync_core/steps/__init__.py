"""The pipeline's steps, each in its own module; ``calsync_core.engine`` puts them in order."""
