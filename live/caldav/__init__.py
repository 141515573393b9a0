"""CalDAV servers and iCloud, live."""
