"""context.py - what every mode works with: which servers, how large, where the figures go."""
import contextlib

from . import clients, servers


class Context:
    def __init__(self, results, makers, scale=1.0, data=None):
        self.results, self.makers, self.scale, self.data = results, makers, scale, data
        servers.Peer.still_seconds = min(3, 30 * scale)  # a little work is soon done

    def size(self, number, least=1):
        """Of rows, steps, series: so many at scale 1."""
        return max(least, int(number * self.scale))

    def seconds(self, number, least=0.3):
        return max(least, number * min(1.0, self.scale))

    def in_turn(self):
        """The servers, in the other order in every other repetition."""
        return self.makers if self.results.repetition % 2 == 0 else self.makers[::-1]

    def fresh(self):
        """One server after the other, each stopped and its folder removed before the next starts."""
        for make in self.in_turn():
            try:
                peer = make()
            except servers.LeftOut as error:
                self.results.note("%s is left out: %s" % (make.name, error))
                continue
            with peer:
                yield peer

    @contextlib.contextmanager
    def loaded(self, **options):
        """All servers at once, with the same rows, at rest; whoever is measured then runs alone()."""
        with contextlib.ExitStack() as stack:
            peers = []
            for make in self.in_turn():
                try:
                    peers.append(stack.enter_context(make()))
                except servers.LeftOut as error:
                    self.results.note("%s is left out: %s" % (make.name, error))
            for peer in peers:
                with peer.alone(peers):
                    clients.load(peer, **options)
                    peer.rest()
            yield peers
