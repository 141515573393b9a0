"""The pure core: what should be, computed from values. No I/O, no clock, no logging."""
