"""wire.py - one kept-alive connection to a server: send now, receive later, so that two servers work at the same time."""
import socket
import urllib.parse


class Gone(Exception):
    """No answer: the server closed the connection, refused it, or took too long."""


class Client:
    def __init__(self, port, timeout=20):
        self.port, self.timeout = port, timeout
        self.socket = None
        self.rest = b""

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket, self.rest = None, b""

    def send(self, method, path, parameters, body=b""):
        head = "%s %s?%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (
            method, path, urllib.parse.urlencode(parameters, errors="surrogateescape"), len(body))
        for attempt in (0, 1):
            try:
                if self.socket is None:
                    self.socket = socket.create_connection(("127.0.0.1", self.port), self.timeout)
                    self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.socket.sendall(head.encode() + body)
                return
            except OSError as error:
                self.close()
                if attempt:
                    raise Gone(str(error))

    def receive(self):
        """(status, body)"""
        try:
            return self._receive()
        except (OSError, ValueError) as error:
            self.close()
            raise Gone(str(error) or type(error).__name__)

    def ask(self, method, path, parameters, body=b""):
        self.send(method, path, parameters, body)
        return self.receive()

    def query(self, q, **parameters):
        return self.ask("POST", "/query", dict(parameters, q=q))

    def write(self, body, **parameters):
        return self.ask("POST", "/write", parameters, body)

    def _more(self):
        piece = self.socket.recv(262144)
        if not piece:
            raise OSError("connection closed")
        self.rest += piece

    def _line(self):
        while True:
            at = self.rest.find(b"\r\n")
            if at >= 0:
                text, self.rest = self.rest[:at], self.rest[at + 2:]
                return text
            self._more()

    def _take(self, count):
        while len(self.rest) < count:
            self._more()
        data, self.rest = self.rest[:count], self.rest[count:]
        return data

    def _receive(self):
        status = int(self._line().split()[1])
        length, chunked, close = 0, False, False
        while True:
            header = self._line().lower()
            if not header:
                break
            name, _, value = header.partition(b":")
            value = value.strip()
            if name == b"content-length":
                length = int(value)
            elif name == b"transfer-encoding":
                chunked = value == b"chunked"
            elif name == b"connection":
                close = value == b"close"
        if status == 204:
            body = b""
        elif chunked:
            pieces = []
            while True:
                size = int(self._line().split(b";")[0], 16)
                pieces.append(self._take(size))
                self._line()
                if size == 0:
                    break
            body = b"".join(pieces)
        else:
            body = self._take(length)
        if close:
            self.close()
        return status, body
