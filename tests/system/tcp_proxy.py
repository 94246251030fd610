"""A TCP proxy that stalls, delays, forgets and cuts, in front of a server that knows nothing of it."""

import select
import socket
import threading
import time


class TcpProxy:
    """stalled: bytes wait, connections stay open. delay: seconds that each piece waits. cut() resets.
    forget(): what is connected stays so and passes nothing any more; new connections live."""

    def __init__(self, port):
        self.target = port
        self.stalled = False
        self.delay = 0.0
        self._pairs = set()
        self._forgotten = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while self._open:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            pair = (client, server)
            with self._lock:
                self._pairs.add(pair)
            for source, sink in (pair, pair[::-1]):
                threading.Thread(target=self._pump, args=(source, sink, pair), daemon=True).start()

    def _pump(self, source, sink, pair):
        try:
            while True:
                ready, _, _ = select.select([source], [], [], 0.2)
                if self.stalled or pair in self._forgotten:
                    time.sleep(0.02)
                    continue
                if ready:
                    piece = source.recv(65536)
                    if not piece:
                        break
                    if self.delay:
                        time.sleep(self.delay)
                    sink.sendall(piece)
        except (OSError, ValueError):
            pass
        self._close(pair)

    def _close(self, pair):
        with self._lock:
            self._pairs.discard(pair)
        for end in pair:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def cut(self):
        """Ends every connection; new ones may come."""
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            self._close(pair)

    def forget(self):
        with self._lock:
            self._forgotten |= self._pairs

    def stop(self):
        self._open = False
        self._listener.close()
        self.cut()
