"""context.py - what every mode works with: which servers, how large, where the figures go."""
import contextlib
import subprocess

from . import clients, servers


class Context:
    def __init__(self, results, makers, scale=1.0, data=None, cold=True):
        self.results, self.makers, self.scale, self.data, self.cold = results, makers, scale, data, cold
        self.failures = 0
        servers.Peer.still_seconds = min(3, 30 * scale)  # a little work is soon done

    def size(self, number, least=1):
        """Of rows, steps, series: so many at scale 1."""
        return max(least, int(number * self.scale))

    def seconds(self, number, least=0.3):
        return max(least, number * min(1.0, self.scale))

    def in_turn(self):
        """The servers, in the other order in every other repetition."""
        return self.makers if self.results.repetition % 2 == 0 else self.makers[::-1]

    @contextlib.contextmanager
    def attempt(self, what):
        """What goes wrong with one server or case is noted, and the rest goes on."""
        try:
            yield
        except servers.LeftOut as error:
            self.results.note("left out: %s" % error)
        except (RuntimeError, OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
            self.failures += 1
            self.results.note("%s failed: %s: %s" % (what, type(error).__name__, error))

    def one_by_one(self, what, work):
        """work(server) for each, started on a fresh folder, stopped and removed before the next one starts."""
        for make in self.in_turn():
            with self.attempt("%s, %s" % (what, make.name)):
                with make() as peer:
                    work(peer)

    @contextlib.contextmanager
    def loaded(self, **options):
        """All servers at once, with the same rows, at rest; whoever is measured then runs alone()."""
        with contextlib.ExitStack() as stack:
            peers = []
            for make in self.in_turn():
                with self.attempt("loading %s" % make.name), contextlib.ExitStack() as until_loaded:
                    peer = until_loaded.enter_context(make())
                    with peer.alone(peers + [peer]):
                        clients.load(peer, **options)
                        peer.rest()
                        peer.restart()  # siltd writes out what is in memory when it stops; influxd and victoria-metrics have by now
                    peers.append(peer)
                    stack.push(until_loaded.pop_all())
            yield peers
