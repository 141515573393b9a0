"""The commands, grouped by what they do: each module lists its ``COMMANDS``, each command returns its exit code."""
