"""Prints a greeting; `hello serve` says it to everybody who asks at port 8080."""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

from hello import greeting

PORT = 8080


class Greeter(BaseHTTPRequestHandler):
    """Answers every GET with the greeting."""

    def do_GET(self) -> None:
        """Answer one request."""
        body = (greeting(self.path.strip("/") or "world") + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if sys.argv[1:] == ["serve"]:
    HTTPServer(("", PORT), Greeter).serve_forever()
else:
    sys.stdout.write(greeting(*sys.argv[1:2]) + "\n")
