"""work.py PORT - what a program with python3-influxdb does in its life; a JSON object a line tells what it saw."""
import datetime
import json
import sys

from influxdb import InfluxDBClient, SeriesHelper
from influxdb.exceptions import InfluxDBClientError, InfluxDBServerError

PORT = int(sys.argv[1])


def tell(step, work, *arguments, **named):
    try:
        seen = work(*arguments, **named)
    except (InfluxDBClientError, InfluxDBServerError) as error:
        seen = {"raised": type(error).__name__, "code": getattr(error, "code", None), "text": str(error)}
    print(json.dumps({"step": step, "seen": seen}, default=str), flush=True)


def rows(result):
    """A ResultSet, or several, as a user walks them."""
    if isinstance(result, list):
        return [rows(one) for one in result]
    return [[list(key) if key else key, list(points)] for key, points in result.items()]


def main():
    client = InfluxDBClient("127.0.0.1", PORT, timeout=60)
    ask = lambda *a, **k: rows(client.query(*a, **k))
    tell("ping", lambda: bool(client.ping()))
    tell("create database", client.create_database, "py")
    tell("create it again", client.create_database, "py")
    tell("databases", client.get_list_database)
    tell("query without a database", ask, "select * from cpu")
    client.switch_database("py")
    tell("no measurements", client.get_list_measurements)
    tell("no series", client.get_list_series)
    points = [
        {"measurement": "cpu", "tags": {"host": "web1", "empty": ""}, "time": "2020-01-01T00:00:00Z",
         "fields": {"usage": 12.5, "cores": 8, "up": True, "note": 'say "hi", \\ done'}},
        {"measurement": "cpu", "tags": {"host": "web,2 =x", "größe": "ä"}, "time": datetime.datetime(2020, 1, 1, 0, 0, 10, 123456),
         "fields": {"usage": 71.0, "cores": 16, "up": False, "note": "two words", "nothing": None}},
        {"measurement": "cpu", "time": 1577836820000000000, "fields": {"usage": 3.0}},
    ]
    tell("write points", client.write_points, points)
    tell("write points in seconds", client.write_points, [{"measurement": "sec", "time": 1577836800, "fields": {"v": 1}}], time_precision="s")
    tell("write points in ms", client.write_points, [{"measurement": "sec", "time": 1577836801000, "fields": {"v": 2}}], time_precision="ms")
    tell("write points in us", client.write_points, [{"measurement": "sec", "time": 1577836802000000, "fields": {"v": 3}}], time_precision="u")
    tell("write with shared tags", client.write_points, [{"measurement": "sec", "time": 1577836803, "fields": {"v": 4}}],
         time_precision="s", tags={"where": "here"})
    tell("write lines", client.write_points, ["line,a=b v=1 1577836800", "line,a=c v=2 1577836800"], time_precision="s", protocol="line")
    tell("write in batches", client.write_points,
         [{"measurement": "many", "tags": {"k": str(i % 7)}, "time": 1577836800 + i, "fields": {"v": i}} for i in range(2500)],
         time_precision="s", batch_size=400)
    tell("write with consistency", client.write_points, [{"measurement": "sec", "time": 1577836804, "fields": {"v": 5}}],
         time_precision="s", consistency="one")
    packed = InfluxDBClient("127.0.0.1", PORT, database="py", gzip=True)
    tell("write gzip", packed.write_points, [{"measurement": "packed", "time": 1, "fields": {"v": 1.25}}], time_precision="s")
    plain = InfluxDBClient("127.0.0.1", PORT, database="py", headers={"Accept": "application/json"})
    tell("measurements", client.get_list_measurements)
    tell("series", client.get_list_series)
    tell("series of one", client.get_list_series, measurement="cpu")
    tell("series with tags", client.get_list_series, tags={"a": "b"})
    tell("all points", ask, "select * from cpu")
    tell("all points, as JSON", lambda: rows(plain.query("select * from cpu")))
    for epoch in ("h", "m", "s", "ms", "u", "ns"):
        tell("epoch " + epoch, ask, "select usage from cpu", epoch=epoch)
    tell("grouped", ask, "select mean(v) from many group by k")
    tell("points of a tag", lambda: list(client.query("select mean(v) from many group by k").get_points(tags={"k": "3"})))
    tell("keys", lambda: [list(map(str, key)) for key in client.query("select mean(v) from many group by k").keys()])
    tell("several statements", ask, "select count(v) from many; select last(v) from sec; show tag keys")
    tell("bound parameters", ask, "select usage, cores from cpu where host = $h and usage > $u and time >= $t",
         bind_params={"h": "web,2 =x", "u": 3.5, "t": "2020-01-01T00:00:00Z"})
    tell("a bound parameter missing", ask, "select usage from cpu where host = $h", bind_params={"x": 1})
    tell("POST", ask, "select count(v) from many", method="POST")
    tell("chunked", lambda: [rows(r) for r in plain.query("select v from many", chunked=True, chunk_size=1000)])
    tell("raw", lambda: client.query("select count(v) from many").raw)
    tell("windows", ask, "select sum(v) from many where time >= 1577836800s and time < 1577836830s group by time(10s), k fill(0)")
    tell("nothing there", ask, "select * from nowhere")
    tell("a parse error", ask, "selec * from cpu")
    tell("an error of one statement", ask, "select count(v) from many; select * from nowhere..cpu")
    tell("an error kept", lambda: str(client.query("select * from nowhere..cpu", raise_errors=False).error))
    tell("a type conflict", client.write_points, [{"measurement": "cpu", "time": "2020-01-01T00:00:00Z", "fields": {"usage": "text"}}])
    tell("no such database", client.write_points, [{"measurement": "cpu", "fields": {"v": 1.0}}], database="nowhere")
    tell("no such policy", client.write_points, [{"measurement": "cpu", "fields": {"v": 1.0}}], retention_policy="nowhere")
    tell("create policy", client.create_retention_policy, "week", "7d", "1", shard_duration="1h")
    tell("create default policy", client.create_retention_policy, "year", "52w", 1, database="py", default=True)
    tell("alter policy", client.alter_retention_policy, "week", database="py", duration="14d", shard_duration="2h")
    tell("policies", client.get_list_retention_policies)
    tell("default back", client.alter_retention_policy, "autogen", default=True)
    tell("policy too short", client.create_retention_policy, "tiny", "1m", "1")
    tell("drop policy", client.drop_retention_policy, "week", "py")
    tell("policies left", client.get_list_retention_policies, "py")
    tell("users", client.get_list_users)
    tell("create user", client.create_user, "ada", "secret", admin=True)
    tell("create another", client.create_user, "bob", "secret")
    tell("create it again, another password", client.create_user, "bob", "other")
    tell("grant", client.grant_privilege, "read", "py", "bob")
    tell("privileges", client.get_list_privileges, "bob")
    tell("revoke", client.revoke_privilege, "read", "py", "bob")
    tell("grant admin", client.grant_admin_privileges, "bob")
    tell("users now", client.get_list_users)
    tell("revoke admin", client.revoke_admin_privileges, "bob")
    tell("set password", client.set_user_password, "bob", "new")
    tell("password of nobody", client.set_user_password, "nobody", "new")
    tell("drop user", client.drop_user, "bob")
    tell("drop user again", client.drop_user, "bob")
    tell("continuous query", client.create_continuous_query, "cq", 'SELECT mean("usage") INTO "cpu_mean" FROM "cpu" GROUP BY time(30m)',
         "py", "EVERY 10m FOR 90m")
    tell("continuous queries", client.get_list_continuous_queries)
    tell("drop continuous query", client.drop_continuous_query, "cq", "py")

    class Helper(SeriesHelper):
        class Meta:
            series_name = "stats.{server}"
            fields = ["v", "w"]
            tags = ["server"]
            bulk_size = 2
            autocommit = True

        Meta.client = client

    for i in range(3):
        Helper(server="a", v=i, w=i / 2, time=1577836800000000000 + i)
    tell("series helper", Helper.commit)
    tell("what it wrote", ask, 'select * from "stats.a"')
    tell("delete series", client.delete_series, measurement="many", tags={"k": "3"})
    tell("counts after it", ask, "select count(v) from many group by k")
    tell("delete points", ask, "delete from many where time < 1577836900s", method="POST")
    tell("count after it", ask, "select count(v) from many")
    tell("drop measurement", client.drop_measurement, "many")
    tell("measurements left", client.get_list_measurements)
    tell("drop database", client.drop_database, "py")
    tell("databases left", client.get_list_database)
    client.close()


main()
