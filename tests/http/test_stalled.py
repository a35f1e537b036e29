"""Clients that ask for much and read little or nothing hold up nobody but themselves, and no more memory than is allowed."""
import http.client
import json
import threading
import time
import unittest

import live
import wire

QUERY = b"GET /query?db=d&q=SELECT+*+FROM+m HTTP/1.1\r\nHost: x\r\n\r\n"
ANSWER_END = b"\r\n0\r\n\r\n"


def start(**env):
    server = live.start_siltd(env=dict({"SILT_QUERY_WORKERS": "4"}, **env))
    server.query("CREATE DATABASE d")
    for part in range(10):
        lines = "".join('m a=%d,b=%d.5,c="text of row %d" %d\n' % (i, i, i, i * 10**9) for i in range(part * 30000, part * 30000 + 30000))
        assert server.write(lines, db="d").status == 204
    return server


def ask(server, count):
    readers = []
    for _ in range(count):
        s = wire.connect(server.port, receive_buffer=65536)
        s.sendall(QUERY)
        readers.append(s)
    return readers


def read_answer(s):
    """Whether it came whole."""
    data = b""
    while True:
        try:
            part = s.recv(1 << 20)
        except ConnectionError:
            return False
        data = data[-16:] + part
        if not part or data.endswith(ANSWER_END):
            return bool(part)


def running(server):
    rows = server.query_json("SHOW QUERIES")["results"][0]["series"][0]["values"]
    return [row[0] for row in rows if "SELECT" in row[1]]


def wait(done, seconds=60):
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.05)
    return done()


class Stalled(unittest.TestCase):
    def test_others_are_served(self):
        """64 clients that read nothing or a byte a second, of answers of 20 MB, with four workers and no timeout."""
        with start(SILT_HTTP_STALL_TIMEOUT="1h") as server:
            before = server.memory()
            readers = ask(server, 64)
            self.assertTrue(wait(lambda: len(running(server)) == 64), "all run, each waiting for its client")
            ended = threading.Event()

            def crawl():
                while not ended.wait(1):
                    for s in readers[:32]:
                        s.recv(1)

            crawler = threading.Thread(target=crawl, daemon=True)
            crawler.start()
            slowest = 0
            for i in range(100):
                begin = time.monotonic()
                self.assertEqual(server.write("m a=%d %d" % (i, i), db="d").status, 204)
                answer = server.query_json("SELECT count(a) FROM m WHERE time < 1000000000", db="d")
                # The row at 0 is there already.
                self.assertEqual(answer["results"][0]["series"][0]["values"][0][1], i + 1)
                slowest = max(slowest, time.monotonic() - begin)
            self.assertLess(slowest, 10)
            self.assertEqual(len(running(server)), 64)
            self.assertLess(server.memory() - before, 64 * (16 << 20))
            ended.set()
            crawler.join()
            for s in readers[32:]:
                s.close()
            self.assertTrue(read_answer(readers[0]), "who reads on gets all of it")
            for s in readers[:32]:
                s.close()
            self.assertTrue(wait(lambda: not running(server)), "a client that left is noticed")

    def test_killed(self):
        """KILL QUERY frees the worker, however patient the server; the client, when it reads again, gets a whole document with the error."""
        with start(SILT_HTTP_STALL_TIMEOUT="1h") as server:
            for extra in (b"", b"&chunked=true&chunk_size=100"):
                s = wire.connect(server.port, receive_buffer=65536)
                s.sendall(QUERY.replace(b" HTTP", extra + b" HTTP"))
                self.assertTrue(wait(lambda: running(server)))
                time.sleep(0.3)  # by now it waits for its client
                self.assertEqual(server.query_json("KILL QUERY %d" % running(server)[0]), {"results": [{"statement_id": 0}]})
                self.assertTrue(wait(lambda: not running(server)))
                response = http.client.HTTPResponse(s)
                response.begin()
                self.assertEqual(response.status, 200)
                last = json.loads(response.read().strip().split(b"\n")[-1])
                self.assertEqual(last["results"][-1]["error"], "query interrupted")
                s.close()

    def test_too_many(self):
        """Beyond query.max-stalled the answers that wait the longest are broken off, and the workers are free again."""
        with start(SILT_QUERY_WORKERS="2", SILT_QUERY_MAX_STALLED="3") as server:
            readers = ask(server, 9)
            self.assertEqual(server.request("GET", "/query", {"q": "SHOW DATABASES"}, timeout=60).status, 200)
            self.assertTrue(wait(lambda: len(running(server)) <= 5))
            with open(server.log_path) as log:
                self.assertIn("an answer was broken off", log.read())
            whole = [read_answer(s) for s in readers]
            self.assertIn(sum(whole), range(1, 6))
            for s in readers:
                s.close()
            self.assertTrue(wait(lambda: not running(server)))

    def test_memory(self):
        """They leave others their memory, too: half of what all queries may take."""
        with start(SILT_QUERY_MAX_MEMORY_TOTAL="200m") as server:
            before = server.memory()
            readers = ask(server, 32)
            heavy = "SELECT percentile(b, 50), median(a) FROM m"
            for _ in range(5):
                self.assertNotIn("error", server.query_json(heavy, db="d")["results"][0])
            self.assertLess(server.memory() - before, (200 << 20) + 32 * (1 << 20))
            for s in readers:
                s.close()

    def test_stop(self):
        """A server that is told to stop does not wait for such clients for ever."""
        server = start(SILT_SERVER_STOP_TIMEOUT="1s")
        readers = ask(server, 20)
        self.assertTrue(wait(lambda: len(running(server)) == 20))
        self.assertEqual(server.stop(), 0)
        for s in readers:
            s.close()


if __name__ == "__main__":
    unittest.main()
