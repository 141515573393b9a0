"""Google Calendar, live."""
