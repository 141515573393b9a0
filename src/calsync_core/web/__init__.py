"""The endpoint that providers push to, for any web framework: ``asgi``, ``wsgi``, and ``receiver`` beneath both.

None of them needs an extra. A push is authenticated, stored and answered; what it asks for is done elsewhere, by the
thread that ``drain=True`` starts or by the host with ``engine.process_notifications()``.
"""
