"""iCalendar (RFC 5545) read into events: for providers of feeds, exports and CalDAV servers. Pure, needs no extra.

::

    feed = parse_feed(text)
    for item in feed.items:
        ...  # item.key is the UID; item.events its master and exceptions

Every zone is resolved: IANA and Windows names, VTIMEZONEs of a file's own, times that float. What nobody can place in
time is parked with a reason, and no description, location or attendee is kept.
"""

from calsync_core.icalendar.feed import Feed, parse_feed
from calsync_core.icalendar.reader import Reader, parse_zone_name

__all__ = ["Feed", "Reader", "parse_feed", "parse_zone_name"]
