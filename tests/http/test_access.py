"""Who may do what: what the privilege matrix (tests/access) does not show. Log-ins, tokens, the first and last admin, secrets."""
import json
import os
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "access"))
import live  # noqa: E402
import people  # noqa: E402

FIRST = "CREATE USER root WITH PASSWORD 'first secret' WITH ALL PRIVILEGES"
ROOT = {"Authorization": people.basic("root", "first secret")}


class Access(unittest.TestCase):
    def start(self, folder=None, **more):
        server = people.start_siltd(folder, **more)
        self.addCleanup(server.stop)
        return server

    def ask(self, server, q, headers=None, status=200, error=None, **params):
        answer = server.request("POST", "/query", dict(params, q=q), headers=headers)
        self.assertEqual(answer.status, status, answer.body)
        text = answer.body.decode()
        if error is None:
            self.assertNotIn('"error"', text)
        else:
            self.assertIn(error, text)
        return text


class Admins(Access):
    def test_the_first_one(self):
        server = self.start()
        create_first = "error authorizing query: create admin user first or disable authentication"
        for q in ("SHOW DATABASES", "CREATE USER bob WITH PASSWORD 'b'", "CREATE DATABASE d; " + FIRST):
            self.ask(server, q, status=403, error=create_first)
            self.ask(server, q, ROOT, 403, create_first)  # whatever somebody says
        self.assertEqual(server.write("m v=1", db="d").status, 404)
        self.ask(server, FIRST + "; CREATE DATABASE d")
        self.ask(server, "SHOW DATABASES", status=401, error="unable to parse authentication credentials")
        self.ask(server, FIRST.replace("root", "other"), status=401, error="unable to parse")
        self.ask(server, "SHOW DATABASES", ROOT)

    def test_the_last_one_stays(self):
        server = self.start()
        self.ask(server, FIRST)
        self.ask(server, "CREATE USER bob WITH PASSWORD 'b'", ROOT)
        last = "is the last admin user"
        for q in ("DROP USER root", "REVOKE ALL PRIVILEGES FROM root"):
            self.ask(server, q, ROOT, error=last)
        self.ask(server, "GRANT ALL PRIVILEGES TO bob; DROP USER root", ROOT)
        self.ask(server, "SHOW USERS", ROOT, 401, "authorization failed")
        self.ask(server, "DROP USER bob", {"Authorization": people.basic("bob", "b")}, error=last)

    def test_users_but_no_admin(self):
        """Made while authentication was off: InfluxDB locks everybody out, here the first admin can be made."""
        folder = live.tempfile.mkdtemp(prefix="silt-test-")
        self.addCleanup(live.shutil.rmtree, folder, True)
        with live.start_siltd(folder) as server:
            server.query("CREATE USER bob WITH PASSWORD 'b'; CREATE DATABASE d")
            server.query("CREATE USER gone WITH PASSWORD 'b' WITH ALL PRIVILEGES; DROP USER gone")
        server = self.start(folder)
        bob = {"Authorization": people.basic("bob", "b")}
        self.ask(server, "SHOW DATABASES", bob, 403, "error authorizing query: no user provided")
        self.assertEqual(server.request("POST", "/write", {"db": "d"}, b"m v=1", bob).status, 403)
        self.ask(server, FIRST)
        self.ask(server, "SHOW DATABASES", bob)


class LogIns(Access):
    def test_changes_count_at_once(self):
        server = self.start()
        self.ask(server, FIRST + "; CREATE DATABASE d; CREATE USER bob WITH PASSWORD 'one'; GRANT READ ON d TO bob")
        one, two = ({"Authorization": people.basic("bob", p)} for p in ("one", "two"))
        token = {"Authorization": people.bearer("bob")}
        self.ask(server, "SELECT * FROM m", one, db="d")
        self.ask(server, "REVOKE READ ON d FROM bob", ROOT)
        self.ask(server, "SELECT * FROM m", one, 403, "requires READ on d", db="d")
        self.ask(server, "GRANT WRITE ON d TO bob; SET PASSWORD FOR bob = 'two'", ROOT)
        self.assertEqual(server.request("POST", "/write", {"db": "d"}, b"m v=1", one).status, 401)
        self.assertEqual(server.request("POST", "/write", {"db": "d"}, b"m v=1", two).status, 204)
        self.assertEqual(server.request("POST", "/write", {"db": "d"}, b"m v=1", token).status, 204)
        self.ask(server, "DROP USER bob", ROOT)
        for headers, text in ((one, "authorization failed"), (two, "authorization failed"), (token, "user not found")):
            self.assertIn(text, server.request("POST", "/write", {"db": "d"}, b"m v=1", headers).body.decode())
        self.ask(server, "CREATE USER bob WITH PASSWORD 'three'", ROOT)
        self.ask(server, "SHOW DATABASES", two, 401, "authorization failed")

    def test_v2(self):
        server = self.start()
        people_of = {name: {"Authorization": "Token %s:pw" % name} for name in ("reader", "writer")}
        self.ask(server, FIRST + "; CREATE DATABASE d; CREATE USER reader WITH PASSWORD 'pw'; GRANT READ ON d TO reader;"
                 "CREATE USER writer WITH PASSWORD 'pw'; GRANT WRITE ON d TO writer")
        for path, params, body in (("/api/v2/write", {"bucket": "d/autogen"}, b"m v=1 1"),
                                   ("/api/v2/delete", {"bucket": "d"}, json.dumps(
                                       {"start": "1970-01-01T00:00:00Z", "stop": "2030-01-01T00:00:00Z"}).encode())):
            self.assertEqual(server.request("POST", path, params, body).status, 401)
            self.assertEqual(server.request("POST", path, params, body, people_of["reader"]).status, 403)
            self.assertEqual(server.request("POST", path, params, body, people_of["writer"]).status, 204)

    def test_settings(self):
        server = self.start(SILT_HTTP_PPROF_AUTH_ENABLED="true", SILT_HTTP_REALM="here \"and\" there", SILT_HTTP_SHARED_SECRET="")
        self.ask(server, FIRST)
        self.ask(server, "CREATE USER bob WITH PASSWORD 'b'", ROOT)
        for path in ("/debug/vars",):
            answer = server.request("GET", path)
            self.assertEqual((answer.status, answer.getheader("Www-Authenticate")), (401, 'Basic realm="here \\"and\\" there"'))
            self.assertEqual(server.request("GET", path, headers=ROOT).status, 200)
            answer = server.request("GET", path, headers={"Authorization": people.basic("bob", "b")})
            self.assertEqual((answer.status, answer.body), (403, b'{"error":"error authorizing admin access"}\n'))
        self.assertEqual(server.request("GET", "/metrics").status, 200)
        self.ask(server, "SHOW USERS", {"Authorization": people.bearer("root", "")}, 401, "bearer auth disabld")
        self.assertEqual(json.loads(server.request("GET", "/debug/vars", headers=ROOT).body)
                         ["httpd:127.0.0.1:%d" % server.port]["values"]["authFail"], 2)
        server.stop()
        with people.start_siltd(SILT_HTTP_PING_AUTH_ENABLED="true", SILT_HTTP_SHARED_SECRET="x") as server:
            self.ask(server, FIRST)
            for path, status in (("/ping", 204), ("/status", 204), ("/health", 200), ("/metrics", 200)):
                self.assertEqual(server.request("GET", path).status, 401)
                self.assertEqual(server.request("GET", path, headers=ROOT).status, status)
            self.assertEqual(server.request("GET", "/debug/vars").status, 200)

    def test_tokens(self):
        """Texts are those of influxd 1.6.7."""
        server = self.start()
        self.ask(server, FIRST)
        soon, now = int(time.time()) + 600, int(time.time())
        good = {"username": "root", "exp": soon}
        for token, text in (
                (people.web_token(good), None), (people.web_token(good, alg="HS384"), None),
                (people.web_token(good, alg="HS512"), None), (people.web_token(dict(good, exp=soon + 0.5)), None),
                (people.web_token(b'{"username":"root","exp":1e10,"groups":["a",{"b":1}],"x":{"username":"bob"}}'), None),
                (people.web_token(good) + "=", None), (people.web_token(dict(good, nbf=now - 5, iat=now - 5)), None),
                (people.web_token({"username": "root"}), "token expiration required"),
                (people.web_token(dict(good, exp=0)), "token expiration required"),
                (people.web_token(dict(good, exp=str(soon))), "token expiration required"),
                (people.web_token(dict(good, exp={"integer": soon})), "token expiration required"),
                (people.web_token(dict(good, exp=-5)), "Token is expired"),
                (people.web_token(dict(good, exp=5)), "Token is expired"),
                (people.web_token(dict(good, exp=5), "another"), "signature is invalid"),
                (people.web_token(good, "another"), "signature is invalid"),
                (people.web_token(good)[:-3], "signature is invalid"),
                (people.web_token(good).rsplit(".", 1)[0] + ".", "signature is invalid"),
                (people.web_token({"exp": soon}), "username in token must be a string"),
                (people.web_token(dict(good, username=3)), "username in token must be a string"),
                (people.web_token(dict(good, username={"string": "root"})), "username in token must be a string"),
                (people.web_token(dict(good, username="")), "token must contain a username"),
                (people.web_token(dict(good, username="stranger")), "user not found"),
                (people.web_token(dict(good, nbf=soon)), "Token is not valid yet"),
                (people.web_token(dict(good, iat=soon)), "Token used before issued"),
                (people.web_token(good, alg="none"), "unexpected signing method: none"),
                (people.web_token(good, alg="RS256"), "unexpected signing method: RS256"),
                (people.web_token(good, alg="foo"), "signing method (alg) is unavailable."),
                (people.web_token(good, alg="foo", header={"typ": "JWT"}), "signing method (alg) is unspecified."),
                (people.web_token(b"[1]"), "json: cannot unmarshal array into Go value of type jwt.MapClaims"),
                ("abc", "token contains an invalid number of segments"),
                ("a.b.c.d", "token contains an invalid number of segments"),
                ("a.b.c", "illegal base64 data at input byte 1"),
                ("YWJj.YWJj.c", "invalid character 'a' looking for beginning of value"),
                ("..", "unexpected end of JSON input"), ("a b", "unable to parse authentication credentials")):
            headers = {"Authorization": "Bearer " + token}
            self.ask(server, "SHOW USERS", headers, 401 if text is not None else 200, text)

    def test_slowed_down_where_others_failed(self):
        server = self.start(delay="100ms")
        self.ask(server, FIRST)
        self.ask(server, "SHOW USERS", ROOT)
        for i in range(6):
            self.ask(server, "SHOW USERS", {"Authorization": people.basic("root", "guess %d" % i)}, 401, "authorization failed")
        begin = time.monotonic()
        for i in range(4):
            self.ask(server, "SHOW USERS", {"Authorization": people.basic("nobody", "guess %d" % i)}, 401, "authorization failed")
        self.assertGreater(time.monotonic() - begin, 0.25)  # their turns: 0, 100, 200, 300 ms
        begin = time.monotonic()
        for i in range(50):  # one that is known does not wait
            self.ask(server, "SHOW USERS", ROOT)
            self.assertEqual(server.request("GET", "/ping").status, 204)
        known = time.monotonic() - begin
        self.assertLess(known, 20)
        answers = []

        def guess(i):
            answers.append(server.request("GET", "/query", {"q": "SHOW USERS", "u": "root", "p": "x%d" % i}).status)

        threads = [threading.Thread(target=guess, args=(i,)) for i in range(60)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        self.ask(server, "SHOW USERS", ROOT)
        for thread in threads:
            thread.join()
        self.assertEqual(set(answers), {401, 429})  # no crowd waits for ever
        self.assertLess(answers.count(401), 50)

    def test_stop_while_log_ins_wait(self):
        server = self.start(delay="20s", SILT_SERVER_STOP_TIMEOUT="1s")
        self.ask(server, FIRST)
        for i in range(6):
            self.ask(server, "SHOW USERS", {"Authorization": people.basic("root", "guess %d" % i)}, 401, "authorization failed")
        ended = []

        def guess(i):
            try:
                ended.append(server.request("GET", "/query", {"q": "SHOW USERS", "u": "root", "p": "x%d" % i}).status)
            except OSError:
                ended.append("cut")

        threads = [threading.Thread(target=guess, args=(i,)) for i in range(12)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        begin = time.monotonic()
        self.assertEqual(server.stop(), 0)
        self.assertLess(time.monotonic() - begin, 40)
        for thread in threads:
            thread.join()
        self.assertEqual(len(ended), 12)


class Secrets(Access):
    def test_none_is_told(self):
        server = self.start(SILT_SERVER_LOG_LEVEL="debug", SILT_COORDINATOR_LOG_QUERIES_AFTER="1ms")
        told = []
        words = ["first secret", "secondsecret", "thirdsecret", "wrongsecret", people.SECRET]
        self.ask(server, FIRST)
        for q in ("CREATE USER bob WITH PASSWORD 'secondsecret'", "SET PASSWORD FOR bob = 'thirdsecret'",
                  "CREATE USER bob WITH PASSWORD 'wrongsecret'", "SHOW USERS", "SHOW QUERIES", "SHOW DIAGNOSTICS"):
            told.append(server.request("POST", "/query", {"q": q}, headers=ROOT).body.decode())
            told.append(server.request("GET", "/query", {"q": q, "u": "root", "p": "first secret"}).body.decode())
        bob = {"u": "bob", "p": "thirdsecret"}
        for q in ("CREATE USER eve WITH PASSWORD 'wrongsecret'", "SET PASSWORD FOR bob = 'wrongsecret'"):
            told.append(server.request("POST", "/query", dict(bob, q=q)).body.decode())
        told.append(server.request("POST", "/query", {"q": "SHOW USERS", "u": "bob", "p": "wrongsecret"}).body.decode())
        self.assertIn("[REDACTED]", "".join(told))
        self.ask(server, "CREATE DATABASE d", ROOT)
        server.stop()
        log = open(server.log_path, errors="replace").read() if os.path.exists(server.log_path) else self.log
        for word in words:
            for text in told + [log]:
                for form in (word, word.replace(" ", "+"), word.replace(" ", "%20")):
                    self.assertNotIn(form, text)
        self.assertNotIn(people.basic("root", "first secret").split()[1], log)

    def start(self, folder=None, **more):
        """Keeps the log, which a server's end takes away."""
        server = super().start(folder, **more)
        stop = server.stop

        def stop_and_keep():
            if os.path.exists(server.log_path):
                self.log = open(server.log_path, errors="replace").read()
            return stop()

        server.stop = stop_and_keep
        return server


if __name__ == "__main__":
    unittest.main()
