"""The workshop: one small process, inside the sandbox's namespaces, where root filesystems are put together.

`steps` are the values that say what to do, `configure` computes them, `worker` is the process that does them,
`client` drives it from outside. Everything that needs the image's own ids happens in the worker, so the rest
of imgforge is the same for root and for an unprivileged user.
"""
