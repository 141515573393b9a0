"""A small project whose users see when they are busy on any of their calendars."""
