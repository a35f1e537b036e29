#!/usr/bin/env python3
"""packaging_test.py - what the Debian package is made of, without installing it: man pages and completion against the programs' own
--help, the unit before systemd-analyze, the maintainer scripts before the shell. tests/package_test.sh installs it."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import live

BUILD = os.path.dirname(live.siltd_path())
PAGES = {"siltd": "siltd.8", "silt": "silt.1", "silt-inspect": "silt-inspect.1"}


def output(*argv, **more):
    return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, **more).stdout.decode()


def flags_of(program):
    """The flags in --help, but for those of the last paragraph's examples, which are among them anyway."""
    return set(re.findall(r"(?:^|\s)(--?[a-zA-Z][a-zA-Z-]*)", output(os.path.join(BUILD, program), "--help")))


def commands_of_inspect():
    return set(re.findall(r"^    silt-inspect ([a-z][a-z-]*) ", output(os.path.join(BUILD, "silt-inspect"), "--help"), re.M))


class Man(unittest.TestCase):
    def page(self, program):
        with open(os.path.join(live.ROOT, "man", PAGES[program]), encoding="utf-8") as f:
            return f.read()

    def test_flags(self):
        for program in PAGES:
            macros = " ".join(re.findall(r"^\.(?:It |Op |Nm )?(Fl .*)$", self.page(program), re.M))
            told = set()
            for word in re.findall(r"Fl ((?:Fl )?[a-zA-Z][a-zA-Z-]*)", macros):
                told.add("--" + word[3:] if word.startswith("Fl ") else "-" + word)
            self.assertEqual(told, flags_of(program), "man/%s and `%s --help`" % (PAGES[program], program))

    def test_commands(self):
        told = set(re.findall(r"^\.Cm ([a-z-]+) Ar", self.page("silt-inspect"), re.M))
        self.assertEqual(told, commands_of_inspect())
        told = set(re.findall(r"^\.Cm ([a-z-]+) Ar", self.page("silt"), re.M))
        shown = set(re.findall(r"^\s+(?:.*)silt \[flags\] ([a-z]+) ", output(os.path.join(BUILD, "silt"), "--help"), re.M))
        self.assertEqual(told, shown)

    @unittest.skipUnless(shutil.which("groff") or shutil.which("mandoc"), "neither groff nor mandoc")
    def test_form(self):
        for page in PAGES.values():
            path = os.path.join(live.ROOT, "man", page)
            if shutil.which("mandoc"):
                self.assertEqual(output("mandoc", "-Tlint", "-Wwarning", path), "")
            else:
                self.assertEqual(output("groff", "-mdoc", "-ww", "-z", "-Tutf8", path), "")


class Completion(unittest.TestCase):
    def offered(self, *words, env=None):
        script = os.path.join(live.ROOT, "packaging", "completion", "silt.bash")
        text = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _silt; printf "%s\\n" "${COMPREPLY[@]}"'
        path = BUILD + ":" + os.environ["PATH"]
        return set(output("bash", "-c", text, "bash", script, *words, env=dict(os.environ, PATH=path, **(env or {}))).split())

    def test_flags(self):
        for program in PAGES:
            self.assertEqual(self.offered(program, "-"), flags_of(program))
        self.assertEqual(self.offered("silt", "-pre"), {"-precision", "-pretty"})

    def test_words(self):
        self.assertEqual(self.offered("silt", "-format", "c"), {"column", "csv"})
        self.assertEqual(self.offered("silt-inspect", ""), {"verify", "report", "dump", "repair", "export", "restore", "import-influxdb"})
        self.assertLessEqual({"import", "export", "migrate"}, self.offered("silt", ""))
        self.assertEqual(self.offered("silt", "-users", "r"), {"random"})
        self.assertIn("/etc/", {name + "/" for name in self.offered("siltd", "--data-dir", "/et")})

    def test_databases(self):
        with live.start_siltd() as server:
            server.query("CREATE DATABASE metrics")
            server.query("CREATE DATABASE other")
            self.assertEqual(self.offered("silt", "-database", "m", env={"SILT_PORT": str(server.port)}), {"metrics"})

    @unittest.skipUnless(shutil.which("zsh"), "no zsh")
    def test_zsh_reads_it(self):
        self.assertEqual(output("zsh", "-n", os.path.join(live.ROOT, "packaging", "completion", "_silt")), "")


class Unit(unittest.TestCase):
    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze")
    def test_unit(self):
        with open(os.path.join(live.ROOT, "packaging", "siltd.service"), encoding="utf-8") as f:
            text = f.read()
        with tempfile.TemporaryDirectory(prefix="silt-unit-") as folder:
            path = os.path.join(folder, "siltd.service")
            with open(path, "w", encoding="utf-8") as f:
                f.write(text.replace("/usr/bin/siltd", live.siltd_path()))
            said = output("systemd-analyze", "verify", "--man=no", path)
            ours = [line for line in said.splitlines() if "siltd.service" in line]
            self.assertEqual(ours, [])

    def test_configuration(self):
        """The packaged file is read, and says what siltd without a file would do, but for the folder."""
        with tempfile.TemporaryDirectory(prefix="silt-unit-") as folder:
            make = os.path.join(live.ROOT, "packaging", "make-files")
            self.assertEqual(output(make, live.siltd_path(), live.ROOT, folder), "")
            path = os.path.join(folder, "siltd.toml")
            here = output(live.siltd_path(), "--config", path, "--print-config", env={})
            bare = output(live.siltd_path(), "--config", "/dev/null", "--print-config", env={})
            self.assertEqual(here, bare.replace('dir = "./silt-data"', 'dir = "/var/lib/silt"'))

    def test_place(self):
        """The unit, the container and who calls siltd by hand read the same file."""
        with open(os.path.join(live.ROOT, "packaging", "debian", "conffiles"), encoding="utf-8") as f:
            (path,) = f.read().split()
        self.assertIn("siltd.toml,\n                     %s\n" % path, output(live.siltd_path(), "--help"))
        for name in ("packaging/siltd.service", "Dockerfile"):
            with open(os.path.join(live.ROOT, name), encoding="utf-8") as f:
                self.assertIn(path, f.read())


class Scripts(unittest.TestCase):
    def test_shell_reads_them(self):
        for name in ("debian/postinst", "debian/prerm", "debian/postrm", "make-files"):
            path = os.path.join(live.ROOT, "packaging", name)
            self.assertTrue(os.access(path, os.X_OK), path)
            self.assertEqual(output("sh", "-n", path), "")


def main():
    result = unittest.TextTestRunner(stream=sys.stdout).run(unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"]))
    failed, skipped = len(result.failures) + len(result.errors), len(result.skipped)
    print("%d passed, %d failed, %d skipped" % (result.testsRun - failed - skipped, failed, skipped))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
