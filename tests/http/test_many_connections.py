"""Connections: a few are spread over the loops; ten thousand at once, idle and active: what they cost, and that others are served."""
import collections
import resource
import time
import unittest

import live
import wire

COUNT = 10000


class Few(unittest.TestCase):
    LOOPS, EACH = 4, 4

    def loops_of_connections(self, server):
        """How many of some new connections each loop has: an answer's Request-Id names the loop in its fourth part."""
        sockets = [wire.connect(server.port) for _ in range(self.LOOPS * self.EACH)]
        loops = collections.Counter()
        for s in sockets:
            s.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
            loops[wire.read_responses(s, 1)[0][1]["request-id"].split("-")[3]] += 1
        for s in sockets:
            s.close()
        return sorted(loops.values())

    def test_are_spread(self):
        """The kernel alone puts them anywhere: this comes from it once in a hundred times."""
        with live.start_siltd(env={"SILT_HTTP_LOOPS": str(self.LOOPS)}) as server:
            found = []
            while [self.EACH] * self.LOOPS not in found and len(found) < 5:  # a busy machine may tell a loop's load late
                found.append(self.loops_of_connections(server))
                time.sleep(0.5)  # a loop has to see that they left
        self.assertIn([self.EACH] * self.LOOPS, found)

    def test_come_while_the_server_ends(self):
        for _ in range(5):
            with live.start_siltd(env={"SILT_HTTP_LOOPS": str(self.LOOPS)}) as server:
                sockets = [wire.connect(server.port) for _ in range(50)]
                server.process.terminate()
                try:
                    while server.process.poll() is None:
                        sockets.append(wire.connect(server.port, timeout=5))
                except OSError:
                    pass  # nobody listens any more
                self.assertEqual(server.process.wait(60), 0)
                for s in sockets:
                    s.close()


class Many(unittest.TestCase):
    def setUp(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = COUNT + 2000
        if hard != resource.RLIM_INFINITY and hard < wanted:
            self.skipTest("only %d open files are allowed" % hard)
        if soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))

    def test_ten_thousand(self):
        with live.start_siltd(env={"SILT_HTTP_MAX_CONNECTIONS": str(COUNT + 500)}) as server:
            def others_are_served(number):
                begin = time.monotonic()
                self.assertEqual(server.write("m v=%d %d" % (number, number), db="d").status, 204)
                answer = server.query_json("SELECT count(v) FROM m", db="d")
                self.assertEqual(answer["results"][0]["series"][0]["values"][0][1], number + 1)
                self.assertLess(time.monotonic() - begin, 10)

            server.query("CREATE DATABASE d")
            others_are_served(0)
            before = server.memory()
            sockets = []
            self.addCleanup(lambda: [s.close() for s in sockets])
            for i in range(COUNT):
                sockets.append(wire.connect(server.port))
            others_are_served(1)
            self.assertLess((server.memory() - before) / COUNT, 8192, "bytes of a connection that has sent nothing yet")

            # All of them, again and again, without waiting for each other.
            for i in range(3):
                for s in sockets:
                    s.sendall(b"POST /write?db=d HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nall v=1 1"
                              b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
                for s in sockets:
                    self.assertEqual([r[0] for r in wire.read_responses(s, 2)], [204, 204])
                others_are_served(2 + i)
            self.assertLess((server.memory() - before) / COUNT, 24 << 10, "bytes of a connection that was at work and is idle")
            for s in sockets[::2]:
                s.sendall(b"GET /pi")  # the others' requests come late, or never
            others_are_served(5)
            for s in sockets:
                s.close()
            others_are_served(6)


if __name__ == "__main__":
    unittest.main()
