"""Make the models known to Django, and have the store's own migrations make the tables."""
