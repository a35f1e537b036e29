"""common.py - what the shell's tests share: the programs, the data, running one and judging."""
import difflib
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import judge  # noqa: E402
import live  # noqa: E402

SILT = os.environ.get("SILT", os.path.join(os.path.dirname(live.siltd_path()), "silt"))

LINES = """cpu,host=web1 usage=12.5,cores=8i,up=true 1577836800000000000
cpu,host=web1 usage=14.25,cores=8i,up=false 1577836810000000000
cpu,host=web2,dc=a\\ b usage=71,cores=16i,note="two words" 1577836800000000000
cpu,host=web2,dc=a\\ b usage=0.000001,cores=-16i 1577836810000000000
cpu,host=web3 usage=1e21,note="a \\"quoted\\", text" 1577836820000000000
texts,k=a s="plain" 1
texts,k=b s="with, comma" 2
texts,k=c s="with \\"quotes\\"" 3
texts,k=d s="two
lines" 4
texts,k=e s="a	tab" 5
texts,k=f s="ümläut 日本 <b>&" 6
texts,k=g s="" 7
texts,k=h s=" leading" 8
texts,k=i s="back\\\\slash" 9
texts,k=j s="\\\\." 10
wide,a=1,b=2,c\\ c=3 one=1,two=2,three=3,four=4,five=5i,six="six",seven=t 1577836800000000000
na\\,me\\ x,t\\=g=v\\,v\\ v f\\ f=1 1577836800000000000
bytes,k=ünï v=18446744073709551616 1577836800000000000
""" + "".join("many,n=%d v=%di %d\n" % (i % 3, i, 1577836800000000000 + i * 1000000000) for i in range(2500))


class Judge(judge.Judge):
    true = judge.Judge.check

    def same(self, what, got, want):
        if got == want:
            self.passed += 1
            return
        self.failed += 1
        if self.failed <= 20:
            lines = [text if isinstance(text, str) else repr(text) for text in (want, got)]
            lines = [text.replace("],[", "],\n[").replace("', '", "',\n'").split("\n") for text in lines]
            changes = list(difflib.unified_diff(lines[0], lines[1], "want", "got", n=1, lineterm=""))
            print("%s:\n%s\n" % (what, "\n".join(line[:300] for line in changes[:30])))


def environment(home, **more):
    env = {"HOME": home, "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "xterm"}
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS"):
        if name in os.environ:
            env[name] = os.environ[name]
    env.update(more)
    return env


def run(argv, env, text=None, cwd=None):
    """(standard output, standard error, exit status)"""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=cwd, timeout=120,
                          **({"input": text.encode()} if text is not None else {"stdin": subprocess.DEVNULL}))
    return done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"), done.returncode


def load(server):
    server.query("CREATE DATABASE d")
    server.query("CREATE RETENTION POLICY week ON d DURATION INF REPLICATION 1")
    for policy in ("autogen", "week"):
        reply = server.write(LINES if policy == "autogen" else LINES.split("texts")[0], db="d", rp=policy)
        if reply.status != 204:
            raise RuntimeError(reply.body)
