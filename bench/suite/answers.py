"""answers.py - are the answers of several servers the same? Asked before anything is timed.

siltd's answer must be influxd's, byte for byte; only `"partial":true`, which tells that influxd cut its answer into pieces, may differ.
victoria-metrics' must hold as many numbers as influxd's (siltd's where there is no influxd), with the same sum to 9 digits.
"""
import http.client
import json

EXACT = 1e-9


def fetch(peer, query, results):
    """The answer; None, with a note, where the server refuses."""
    connection = http.client.HTTPConnection("127.0.0.1", peer.port, timeout=600)
    connection.request("GET", query.path(peer), headers={"Accept": query.accept})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    if response.status != 200 or b'"error":' in body[:200]:
        results.note("%s answers %s with %d %r" % (peer.name, query.name, response.status, body[:300]))
        return None
    return body.replace(b',"partial":true', b"")


def influx_numbers(body):
    for series in json.loads(body)["results"][0].get("series", ()):
        for row in series["values"]:
            for value in row[1:]:
                if isinstance(value, (int, float)):
                    yield value


def vm_numbers(body):
    for series in json.loads(body)["data"]["result"]:
        for _, value in series["values"] if "values" in series else [series["value"]]:
            yield float(value)


def alike(peer, query, influx_body, body):
    if influx_body is None or body is None:
        return False
    return influx_body == body if peer.influx else alike_vm(query, influx_body, body)


def alike_vm(query, influx_body, vm_body):
    if query.same == "lines":  # influxd's has a header
        return influx_body.count(b"\n") - 1 == vm_body.count(b"\n")
    ours, theirs = list(influx_numbers(influx_body)), list(vm_numbers(vm_body))
    if len(ours) != len(theirs) or query.same == "count":
        return len(ours) == len(theirs)
    return abs(sum(ours) - sum(theirs)) <= EXACT * max(1, sum(map(abs, ours)))


def compare(peers, asked, results, mode, case):
    """Asks every peer everything, one peer at a time. Gives {server: [queries to time]}: without those whose answers differ."""
    timed = {peer.name: [q for q in asked if q.path(peer)] for peer in peers}
    bodies = {}
    for peer in peers:
        with peer.alone(peers):
            bodies[peer.name] = {query: fetch(peer, query, results) for query in timed[peer.name]}
    truth = next((p for p in peers if p.name == "influxd"), next((p for p in peers if p.influx), None))
    for peer in peers:
        if peer is truth or truth is None:
            timed[peer.name] = [q for q in timed[peer.name] if bodies[peer.name][q] is not None]
            continue
        different = []
        for query in timed[peer.name]:
            ours, theirs = bodies[truth.name][query], bodies[peer.name][query]
            if not alike(peer, query, ours, theirs):
                different.append(query)
        results.verified(mode, case, [truth.name, peer.name], [q.name for q in timed[peer.name]], [q.name for q in different])
        timed[peer.name] = [q for q in timed[peer.name] if q not in different]
    return timed
