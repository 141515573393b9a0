"""What hosts mount, for any web framework: the endpoint that providers push to, and the pages on which people connect
their accounts.

``asgi`` and ``wsgi`` move the bytes; ``receiver`` and ``connect`` beneath them are of no framework. A push is
authenticated, stored and answered; what it asks for is done elsewhere, by the thread that ``drain=True`` starts or by
the host with ``engine.process_notifications()``. The pages need the extra ``credentials``.
"""
