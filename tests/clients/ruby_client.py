"""ruby_client.py - Debian's ruby-influxdb with Debian's Ruby, both unpacked: its user's program is ruby/work.rb."""
import glob
import os

import common

NAME = "ruby-influxdb"
RUBY = ("ruby3.1", "libruby3.1")
SEEN = {"databases": '"rubydb"', "all points": '"two words"', "bound by name": "71", "a type conflict": "already exists as type float"}


def unavailable():
    if common.unpack(*RUBY) is None or common.unpack("ruby-influxdb") is None:
        return "the packages ruby3.1, libruby3.1, ruby-influxdb cannot be had"
    return None


def steps(server, folder):
    ruby, client = common.unpack(*RUBY), common.unpack("ruby-influxdb")
    libraries = [path for pattern in ("usr/lib/ruby/3.1.0", "usr/lib/*/ruby/3.1.0", "usr/lib/ruby/vendor_ruby")
                 for path in glob.glob(os.path.join(ruby, pattern))]
    libraries += glob.glob(os.path.join(client, "usr/share/rubygems-integration/all/gems/influxdb-*/lib"))
    env = dict(os.environ, RUBYLIB=":".join(libraries), HOME=folder, NO_PROXY="*",
               LD_LIBRARY_PATH=":".join(glob.glob(os.path.join(ruby, "usr/lib/*-linux-gnu*"))))
    work = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ruby", "work.rb")
    yield from common.program_steps([os.path.join(ruby, "usr", "bin", "ruby3.1"), "--disable-gems", work, str(server.port)], env=env, cwd=folder)
