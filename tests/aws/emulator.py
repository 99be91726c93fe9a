#!/usr/bin/env python3
"""An AWS of one's own for tests and the demo: moto, what it lacks for load balancers, and a control API for those who run the tests.

  emulator.py [HOST [PORT]] [--calls=FILE]

Port 0 takes a free one.  When it serves, it prints one line {"port": N} on stdout.  See README.md.
"""
import json
import os
import socket
import struct
import sys
import traceback

# Read by moto at import.
os.environ.setdefault("MOTO_ACM_VALIDATION_WAIT", "0")
os.environ.setdefault("MOTO_ALLOW_NONEXISTENT_REGION", "true")

from moto.server import DomainDispatcherApplication, create_backend_app  # noqa: E402
from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: E402

import balancers  # noqa: E402
import frontend  # noqa: E402
import journal  # noqa: E402
import listeners  # noqa: E402
import model  # noqa: E402
import provisioning  # noqa: E402
import quotas  # noqa: E402
import refused  # noqa: E402
import rules  # noqa: E402
import settling  # noqa: E402
import strict  # noqa: E402
import targets  # noqa: E402
import world  # noqa: E402
from calls import Log  # noqa: E402
from application import Application, Lost  # noqa: E402


def install():
    for part in (journal, strict, targets, provisioning, frontend, rules, listeners, balancers, refused, settling, quotas, model):  # the model's checks come first of all, so they are put on last
        part.install()


class Handler(WSGIRequestHandler):
    """Keeps connections open, as AWS does; werkzeug's own closes each after waiting 10 ms for more."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def run_wsgi(self):
        if self.headers.get("Expect", "").lower().strip() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        answered = {}
        try:
            body = b"".join(self.server.app(self.make_environ(), lambda status, headers, _=None: answered.update(status=status, headers=headers)))
        except Lost as lost:
            self.close_connection = True
            if lost.reset:  # closed with nothing to linger for, the kernel sends a reset
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                os.close(self.connection.detach())
            elif lost.part:
                self.answer(*lost.part)
            return
        except Exception:  # noqa: BLE001  moto's own mistakes: what AWS calls an internal failure
            traceback.print_exc()
            answered, body = {"status": "500 Internal Server Error", "headers": [("Content-Length", "0")]}, b""
        self.answer(answered["status"], answered["headers"], body)

    def answer(self, status, headers, body):
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for key, value in headers:
            self.send_header(key, value)
        self._headers_buffer.append(b"\r\n" + body)  # in one write, so that nobody waits for a second packet
        self.flush_headers()

    def log_request(self, *_):
        pass


def main():
    args = [a for a in sys.argv[1:] if not a.startswith("--")]
    host, port = args[0] if args else "127.0.0.1", int(args[1]) if len(args) > 1 else 25055
    calls = next((a.partition("=")[2] for a in sys.argv[1:] if a.startswith("--calls=")), None)
    install()
    world.reset()
    server = make_server(host, port, Application(DomainDispatcherApplication(create_backend_app), Log(calls)), threaded=True, request_handler=Handler)
    print(json.dumps({"port": server.server_port}), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
