"""options.py - a test's own command line: `--name value` pairs, and its docstring for whoever asks."""
import sys


def options():
    words = sys.argv[1:]
    asked = "--help" in words or "-h" in words
    if asked or len(words) % 2 or any(not word.startswith("--") for word in words[::2]):
        print(sys.modules["__main__"].__doc__, file=sys.stdout if asked else sys.stderr)
        sys.exit(0 if asked else 2)
    return dict(zip(words[::2], words[1::2]))
