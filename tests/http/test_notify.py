"""What siltd tells systemd (NOTIFY_SOCKET), from its start over SIGHUP to its end."""
import os
import shutil
import signal
import socket
import tempfile
import unittest

import live


class Notify(unittest.TestCase):
    def test_life(self):
        folder = tempfile.mkdtemp(prefix="silt-notify-")
        self.addCleanup(shutil.rmtree, folder)
        path = os.path.join(folder, "socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
            heard.bind(path)
            heard.settimeout(60)

            def wait_for(wanted):
                pings = 0
                while True:
                    lines = heard.recv(4096).decode().split("\n")
                    if wanted in lines:
                        return lines, pings
                    self.assertEqual(lines, ["WATCHDOG=1"])
                    pings += 1

            # A minute: a busy machine must not look like a loop that hangs; pings come every twenty seconds, the first at once.
            server = live.start_siltd(folder, env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "60000000"})
            try:
                lines, pings = wait_for("READY=1")
                self.assertTrue(any(line.startswith("STATUS=listening on 127.0.0.1:") for line in lines), lines)
                if pings == 0:
                    wait_for("WATCHDOG=1")
                server.process.send_signal(signal.SIGHUP)
                lines, _ = wait_for("RELOADING=1")
                self.assertTrue(lines[1].startswith("MONOTONIC_USEC="), lines)
                wait_for("READY=1")
                server.process.send_signal(signal.SIGTERM)
                wait_for("STOPPING=1")
                self.assertEqual(server.process.wait(120), 0)
            finally:
                server.stop()


if __name__ == "__main__":
    unittest.main()
