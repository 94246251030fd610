"""A proxy in front of DynamoDB Local that counts calls, and refuses or delays them when told to."""

import collections
import http.client
import http.server
import json
import threading

WRITES = ("PutItem", "DeleteItem", "UpdateItem", "BatchWriteItem", "TransactWriteItems")


class Proxy:
    """counts[operation] is how many calls went through or were refused.

    refuse(operation) may return (status, error type, message) to answer in DynamoDB's stead;
    swallow(operation) true lets the call through and drops the connection instead of answering;
    hold(operation) may take its time before the call goes through.
    """

    def __init__(self, server):
        self.counts = collections.Counter()
        self.refuse = lambda operation: None
        self.swallow = lambda operation: False
        self.hold = lambda operation: None
        self._lock = threading.Lock()
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self):
                super().setup()
                self.upstream = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)

            def finish(self):
                self.upstream.close()
                super().finish()

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
                with proxy._lock:
                    proxy.counts[operation] += 1
                    refusal = proxy.refuse(operation)
                    swallowed = not refusal and proxy.swallow(operation)
                proxy.hold(operation)
                if refusal:
                    status, kind, message = refusal
                    kind = "com.amazonaws.dynamodb.v20120810#" + kind
                    self.answer(status, json.dumps({"__type": kind, "message": message}).encode())
                    return
                headers = {n: v for n, v in self.headers.items() if n.lower() != "host"}
                self.upstream.request("POST", self.path, body, headers)
                answer = self.upstream.getresponse()
                content = answer.read()
                if swallowed:
                    self.close_connection = True
                    return
                self.answer(answer.status, content, answer.getheader("x-amz-crc32"))

            def answer(self, status, body, checksum=None):
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.0")
                self.send_header("Content-Length", str(len(body)))
                if checksum:
                    self.send_header("x-amz-crc32", checksum)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # a client that was killed in the middle of a call is no news here

        self._server = Server(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def writes(self):
        return sum(self.counts[operation] for operation in WRITES)

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def only_writes(answer):
    """A refusal of every write with (status, error type, message)."""
    return lambda operation: answer if operation in WRITES else None
