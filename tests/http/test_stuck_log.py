"""A reader of the log that stands still: nobody waits for it, and what is missing is told."""
import http.client
import os
import re
import subprocess
import tempfile
import unittest

import live


class StuckLog(unittest.TestCase):
    def test_pipe_that_nobody_reads(self):
        """An access log of some 100 bytes a request: a pipe of 64 KiB is full long before the end."""
        port, count = live.free_port(), 2000
        with tempfile.TemporaryDirectory(prefix="silt-test-") as folder:
            process = subprocess.Popen([live.siltd_path(), "--http-bind", "127.0.0.1:%d" % port, "--data-dir", folder],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            try:
                while b'msg="listening"' not in process.stderr.readline():
                    self.assertIsNone(process.poll())
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                for _ in range(count):
                    connection.request("GET", "/ping")
                    self.assertEqual(connection.getresponse().read(), b"")
                connection.request("GET", "/metrics")
                lost = re.search(rb"^silt_log_lines_lost_total (\d+)$", connection.getresponse().read(), re.M)
                connection.close()
                os.set_blocking(process.stderr.fileno(), False)
                before = process.stderr.read()  # there is room again
                os.set_blocking(process.stderr.fileno(), True)
                process.terminate()
                after = process.stderr.read()
                self.assertEqual(process.wait(60), 0)
            finally:
                process.kill()
                process.wait()
                process.stderr.close()
        text = (before + after).decode()
        told = re.search(r'lvl=warn msg="lines of the log are missing, nobody read them" lines=(\d+)', text)
        self.assertGreater(int(lost.group(1)), 0)
        self.assertGreaterEqual(int(told.group(1)) + text.count("[httpd] "), count + 1, "lines told and lines there")
        self.assertLess(text.index("are missing"), text.index('msg="stopping"'))


if __name__ == "__main__":
    unittest.main()
