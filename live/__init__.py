"""The live run: real services, real accounts, scratch calendars; see ``docs/live-run.md``."""
