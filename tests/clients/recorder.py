"""A proxy before the API that writes down every answer: a line of JSON each, for `validate.py`.

    recorder.py UPSTREAM FILE

UPSTREAM is the API's host and port. The proxy prints its own port, and ends when its standard input does.
"""

import http.client
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

UPSTREAM, FILE = sys.argv[1:]
WRITING = threading.Lock()
# What concerns one connection only (RFC 9110 §7.6.1), and what is written anew.
HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


class Recorder(BaseHTTPRequestHandler):
    """Passes a request on, and its answer back."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        """Answers any request."""
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length) if length else None
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
        upstream = http.client.HTTPConnection(UPSTREAM, timeout=60)
        upstream.request(self.command, self.path, body, {**headers, "Connection": "close"})
        answer = upstream.getresponse()
        text = answer.read()
        upstream.close()
        self.write(answer, text)
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def write(self, answer, text):
        """Writes an answer down."""
        record = {
            "method": self.command,
            "path": self.path,
            "status": answer.status,
            "type": answer.getheader("Content-Type"),
            "body": text.decode(),
        }
        with WRITING, open(FILE, "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def log_message(self, *_):
        """Says nothing: the records say it all."""


server = ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
sys.stdin.read()
