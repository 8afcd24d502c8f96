"""What the interop tests in Python share: the simulators' addresses and secrets, the control
interface, a receiver of callbacks, and counted checks."""

import http.server
import json
import os
import sys
import threading
import time
import tomllib
import urllib.error
import urllib.parse
import urllib.request

with open(os.environ["INTEROP_CONFIG"], "rb") as _file:
    CONFIG = tomllib.load(_file)

_failed = 0
# No proxy of the environment stands between us and loopback.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def app(kind):
    """The first app of this platform kind, as in the written configuration."""
    return next(a for a in CONFIG["app"] if a["platform"] == kind)


def check(name, good, detail=""):
    global _failed
    if good:
        print(f"ok {name}", flush=True)
    else:
        _failed += 1
        print(f"not ok {name} {detail}", flush=True)
    return bool(good)


def equal(name, found, wanted):
    return check(name, found == wanted, f"found {found!r}, wanted {wanted!r}")


def done():
    """Ends the program, also when an SDK has left threads running."""
    sys.stdout.flush()
    os._exit(1 if _failed else 0)


def until(what, seconds=15.0):
    """Waits until `what()` is true; returns its value, or its last value after the time."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.05)


class Sim:
    """The control interface of one simulated platform (see `hutong simulate`)."""

    def __init__(self, base_url):
        self.base = base_url.rstrip("/")

    def call(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.base}/_sim/{path}", data=data, headers={"content-type": "application/json"}
        )
        try:
            with _opener.open(request, timeout=30) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{path}: {error.code} {error.read().decode()}") from None
        return json.loads(text) if text else None

    def info(self):
        return self.call("info")

    def people(self):
        return self.call("people")

    def chats(self):
        return self.call("chats")

    def screen(self, chat, viewer, limit=50):
        query = urllib.parse.urlencode({"chat": chat, "viewer": viewer, "limit": limit})
        return self.call(f"screen?{query}")

    def act(self, **verb):
        return self.call("act", verb)

    def fault(self, **fault):
        return self.call("fault", fault)

    def subscribe(self, app_id, url):
        return self.call("subscribe", {"app": app_id, "url": url})

    def complaints(self):
        return self.call("complaints")


class Receiver:
    """An HTTP server on loopback that hands every request to `answer(method, path, headers, body)`,
    which returns (status, content type, bytes)."""

    def __init__(self, answer):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def _any(self):
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length)
                outer.seen.append((self.command, self.path, dict(self.headers.items()), body))
                status, kind, text = answer(self.command, self.path, self.headers, body)
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = _any

            def log_message(self, *_):
                pass

        self.seen = []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
