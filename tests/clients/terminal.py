"""terminal.py - a program on a pseudo terminal, and the screen that its user would see.

The screen is a list of lines and a cursor; it knows what line editors use: return, line feed, backspace, erase to the end of the line,
move the cursor in its line. It is wide, so that nothing wraps.
"""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

ESCAPE = re.compile(rb"\x1b\[([0-9;?]*)([A-Za-z])")


class Terminal:
    def __init__(self, argv, env):
        self.lines, self.column, self.pending = [""], 0, b""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 1000, 1000, 0, 0))
        self.process = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True)
        os.close(theirs)
        self.fd = ours

    def put(self, text):
        line = self.lines[-1].ljust(self.column)
        self.lines[-1] = line[:self.column] + text + line[self.column + len(text):]
        self.column += len(text)

    def feed(self, data):
        data = self.pending + data
        self.pending = b""
        at = 0
        while at < len(data):
            byte = data[at:at + 1]
            if byte == b"\x1b":
                match = ESCAPE.match(data, at)
                if match is None and len(data) - at < 12:
                    self.pending = data[at:]
                    return
                if match is None:
                    at += 1
                    continue
                count, kind = match.group(1), match.group(2)
                number = int(count) if count.isdigit() else 0
                if kind == b"K":
                    self.lines[-1] = self.lines[-1][:self.column]
                elif kind == b"G":
                    self.column = max(number, 1) - 1
                elif kind == b"C":
                    self.column += number or 1
                elif kind == b"D":
                    self.column = max(0, self.column - (number or 1))
                at = match.end()
                continue
            end = at
            while end < len(data) and data[end] >= 32:
                end += 1
            if end > at:
                self.put(data[at:end].decode("utf-8", "replace"))
                at = end
                continue
            if byte == b"\r":
                self.column = 0
            elif byte == b"\n":
                self.lines.append("")
            elif byte == b"\b":
                self.column = max(0, self.column - 1)
            at += 1

    def wait(self, prompt, seconds=30):
        """Reads until the last line is the prompt alone, or the program ends; whether it came."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.lines[-1].rstrip() == prompt.rstrip() and not select.select([self.fd], [], [], 0.05)[0]:
                return True
            if not select.select([self.fd], [], [], 0.2)[0]:
                if self.process.poll() is not None:
                    return False
                continue
            try:
                data = os.read(self.fd, 65536)
            except OSError:  # the other side was closed
                return False
            if not data:
                return False
            self.feed(data)
        return False

    def type(self, text, prompt):
        """Types a line and gives what the screen shows below it."""
        before = len(self.lines)
        os.write(self.fd, text.encode())
        # The line is seen complete before it is sent, as by a user.
        deadline = time.monotonic() + 10
        while not self.lines[-1].endswith(text) and time.monotonic() < deadline:
            if select.select([self.fd], [], [], 0.2)[0]:
                self.feed(os.read(self.fd, 65536))
        os.write(self.fd, b"\r")
        deadline = time.monotonic() + 10
        while len(self.lines) <= before and time.monotonic() < deadline and self.process.poll() is None:
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    self.feed(os.read(self.fd, 65536))
                except OSError:
                    break
        self.wait(prompt)
        return "\n".join(line.rstrip() for line in self.lines[before:-1])

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)
        os.close(self.fd)
