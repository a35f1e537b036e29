"""aio.py PORT - what a program with aioinflux does; a JSON object a line tells what it saw."""
import asyncio
import json
import sys

from aioinflux import InfluxDBClient, iterpoints
from aioinflux.client import InfluxDBError, InfluxDBWriteError


async def tell(step, work):
    try:
        seen = await work
    except (InfluxDBError, InfluxDBWriteError) as error:
        seen = {"raised": type(error).__name__, "text": str(error)}
    print(json.dumps({"step": step, "seen": seen}, default=str), flush=True)


async def ping(client):
    return sorted(name for name in await client.ping() if name.startswith("X-Influxdb"))[-1:]


async def at_once(client):
    """Writes and reads that overlap on the client's connections."""
    async def one(i):
        await client.write("busy,k=%d v=%di %d" % (i % 5, i, i + 1))
        reply = await client.query("SELECT count(v) FROM busy")
        return reply["results"][0]["series"][0]["values"][0][1] >= 1
    seen = await asyncio.gather(*(one(i) for i in range(50)))
    total = await client.query("SELECT count(v), sum(v) FROM busy GROUP BY k")
    return {"writes": sum(seen), "total": total}


async def by_chunk(client, size):
    sizes = []
    async for chunk in await client.query("SELECT v FROM many", chunked=True, chunk_size=size):
        sizes.append(sum(1 for _ in iterpoints(chunk)))
    return sizes


async def points(client, text, **more):
    return list(iterpoints(await client.query(text, **more)))


async def main():
    async with InfluxDBClient(host="127.0.0.1", port=int(sys.argv[1]), db="aio", username="u", password="p") as client:
        await tell("ping", ping(client))
        await tell("create database", client.create_database())
        await tell("databases", client.show_databases())
        await tell("a point", client.write({"time": "2020-01-01T00:00:00Z", "measurement": "cpu", "tags": {"host": "web 1", "dc": "a,b=c"},
                                            "fields": {"usage": 12.5, "cores": 8, "up": True, "note": 'say "hi"'}}))
        await tell("points", client.write([{"time": 1577836800000000000 + i, "measurement": "cpu", "tags": {"host": "h%d" % i},
                                            "fields": {"usage": i / 4, "note": "two words"}} for i in range(3)]))
        await tell("points with tags", client.write({"time": 1, "measurement": "cpu", "fields": {"v": 1}}, extra="tag"))
        await tell("lines", client.write("line,a=b v=1 1577836800000000000\nline,a=c v=2 1577836800000000000"))
        await tell("to a policy", client.write("line,a=d v=2 1577836800000000000", rp="autogen"))
        await tell("many", client.write("\n".join("many,k=%d v=%di %d" % (i % 7, i, i + 1) for i in range(1000))))
        await tell("all of them", client.query("SELECT * FROM cpu"))
        for epoch in ("h", "m", "s", "ms", "u", "ns"):
            await tell("epoch " + epoch, client.query("SELECT usage FROM cpu", epoch=epoch))
        await tell("rows", points(client, "SELECT mean(v) FROM many GROUP BY k"))
        await tell("chunks", by_chunk(client, 300))
        await tell("one chunk", by_chunk(client, 5000))
        await tell("fifty at once", at_once(client))
        await tell("measurements", client.show_measurements())
        await tell("fields", client.show_field_keys())
        await tell("series", client.show_series())
        await tell("tags", client.show_tag_keys())
        await tell("tags of one", client.show_tag_keys("cpu"))
        await tell("tag values", client.show_tag_values("host"))
        await tell("tag values of one", client.show_tag_values("host", "cpu"))
        await tell("policies", client.show_retention_policies())
        await tell("users", client.show_users())
        await tell("continuous queries", client.show_continuous_queries())
        await tell("a parse error", client.query("SELEC"))
        await tell("a statement's error", client.query("SELECT * FROM nowhere..x"))
        await tell("a wrong line", client.write("cpu,host=a usage=x 1"))
        await tell("another type", client.write("cpu,host=h1 usage=1i 1577836800000000000"))
        await tell("no such database", client.write("cpu,host=a usage=1 1", db="nowhere"))
        await tell("delete", client.query("DELETE FROM many WHERE k = '1'"))
        await tell("drop measurement", client.drop_measurement("cpu"))
        await tell("left", client.show_measurements())
        await tell("drop database", client.drop_database())
        await tell("databases left", client.show_databases())


asyncio.run(main())
