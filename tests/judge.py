"""judge.py - what a test finds: counted, told, and summed up at the end in the line that script/test reads."""


class Judge:
    def __init__(self, tells_all=False):
        """tells_all: what is as it should be is told, too, with its detail, as soon as it is known."""
        self.passed = self.failed = self.skipped = 0
        self.tells_all = tells_all

    def check(self, what, good, detail=""):
        if good:
            self.passed += 1
        else:
            self.failed += 1
        if self.tells_all or not good:
            print("%s %s %s" % ("ok  " if good else "FAIL", what, str(detail)[:3000]), flush=True)

    def skip(self, what, why):
        self.skipped += 1
        print("skipped: %s: %s" % (what, why), flush=True)

    def end(self):
        """The exit status."""
        print("%d passed, %d failed, %d skipped" % (self.passed, self.failed, self.skipped))
        return 1 if self.failed else 0
