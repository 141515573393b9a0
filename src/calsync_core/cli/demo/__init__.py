"""``calsync demo``: the whole story on this machine, each step checked by listing all calendars."""

from calsync_core.cli.demo.telling import tell_story

__all__ = ["tell_story"]
