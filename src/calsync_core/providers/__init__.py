"""Adapters to calendar services. Each is imported by its own path, so that none pulls in another's requirements."""
