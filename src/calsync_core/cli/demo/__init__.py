"""``calsync demo``: the whole story, on real servers, each step checked by listing them."""

from calsync_core.cli.demo.telling import tell_story

__all__ = ["tell_story"]
