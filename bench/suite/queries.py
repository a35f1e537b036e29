"""queries.py - what is asked: TSBS' shapes and classes of queries over all of a field, as InfluxQL and, where there is a fair
equivalent, as PromQL.

A fair equivalent takes the same points and gives the same numbers: that is checked (answers.py) before anything is timed. A window of
InfluxQL is [t, t + w); PromQL's ends at its time and contains it: (t - w, t]. So PromQL's times lie a millisecond before the next window,
which makes both the same points.
"""
import random
import time
import urllib.parse

START = 1451606400  # the generator's first time
STEP = 10
FIELDS = ["usage_user", "usage_system", "usage_idle", "usage_nice", "usage_iowait", "usage_irq", "usage_softirq",
          "usage_steal", "usage_guest", "usage_guest_nice"]
MEASURES = ["cpu_" + field for field in FIELDS]  # victoria-metrics' names for them
USER = MEASURES[0]


class Query:
    """same: how victoria-metrics' answer must be like influxd's: "numbers" (as many, with the same sum) or "count" (the two define the
    function in different ways)."""

    def __init__(self, name, influxql, promql=None, same="numbers", accept="application/json"):
        self.name, self.influxql, self.promql, self.same, self.accept = name, influxql, promql, same, accept

    def path(self, peer):
        return peer.query_path(self.influxql) if peer.influx else self.promql


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def between(a, b):
    return "time >= '%s' AND time < '%s'" % (stamp(START + a), stamp(START + b))


def prom_range(expression, a, b, step):
    """A value for each window of `step` in [a, b), as GROUP BY time(step); a and b are multiples of step from START's day on."""
    return "/api/v1/query_range?" + urllib.parse.urlencode(
        {"query": expression, "start": "%.3f" % (START + a + step - 0.001), "end": "%.3f" % (START + b - 0.001), "step": step, "nocache": 1})


def prom_at(expression, b):
    """One value, of what lies before b."""
    return "/api/v1/query?" + urllib.parse.urlencode({"query": expression, "time": "%.3f" % (START + b - 0.001), "nocache": 1})


def whole_windows(seconds, window):
    """The longest that consists of whole windows, and at least one."""
    return max(window, seconds // window * window)


def host_filter(names):
    return " OR ".join("hostname = '%s'" % name for name in names)


def vm_measures(count, names=None):
    by_host = ',hostname=~"%s"' % "|".join(names) if names else ""
    return '{__name__=~"%s"%s}' % ("|".join(MEASURES[:count]), by_host)


def single_groupby(count, names, a, b):
    """TSBS' single-groupby-COUNT-NAMES-HOURS: the most in each minute, of some fields of some hosts."""
    return Query("single-groupby-%d-%d-%d" % (count, len(names), max(1, (b - a) // 3600)),
                 "SELECT %s FROM cpu WHERE (%s) AND %s GROUP BY time(1m)" % (
                     ", ".join("max(%s)" % f for f in FIELDS[:count]), host_filter(names), between(a, b)),
                 prom_range("max(max_over_time(%s[60s]) keep_metric_names) by (__name__)" % vm_measures(count, names), a, b, 60))


def cpu_max_all(names, a, b):
    return Query("cpu-max-all-%d" % len(names),
                 "SELECT %s FROM cpu WHERE (%s) AND %s GROUP BY time(1h)" % (
                     ", ".join("max(%s)" % f for f in FIELDS), host_filter(names), between(a, b)),
                 prom_range("max(max_over_time(%s[3600s]) keep_metric_names) by (__name__)" % vm_measures(10, names), a, b, 3600))


def double_groupby(count, b):
    return Query("double-groupby-%s" % ("all" if count == 10 else count),
                 "SELECT %s FROM cpu WHERE %s GROUP BY time(1h), hostname" % (
                     ", ".join("mean(%s)" % f for f in FIELDS[:count]), between(0, b)),
                 prom_range("avg_over_time(%s[3600s]) keep_metric_names" % vm_measures(count), 0, b, 3600))


def some_hosts(count, hosts):
    return ["host_%d" % (i * 7 % hosts) for i in range(min(count, hosts))]


def tsbs(hosts, steps):
    """TSBS' shapes within what was loaded."""
    length = steps * STEP
    hour, eight, twelve = (min(whole_windows(length, 60), 3600), min(whole_windows(length, 3600), 8 * 3600),
                           min(whole_windows(length, 3600), 12 * 3600))
    middle = whole_windows(length // 2, 60)
    out = [single_groupby(fields, some_hosts(count, hosts), 0, hour) for fields, count in ((1, 1), (1, 8), (5, 1), (5, 8))]
    if twelve > hour:
        out += [single_groupby(fields, some_hosts(1, hosts), 0, twelve) for fields in (1, 5)]
    out += [cpu_max_all(some_hosts(count, hosts), 0, eight) for count in (1, 8)]
    out += [double_groupby(fields, twelve) for fields in (1, 5, 10)]
    out += [
        Query("high-cpu-1", "SELECT * FROM cpu WHERE usage_user > 90.0 AND hostname = '%s' AND %s" % (
            some_hosts(4, hosts)[-1], between(0, twelve))),
        Query("high-cpu-all", "SELECT * FROM cpu WHERE usage_user > 90.0 AND " + between(0, twelve)),
        Query("lastpoint", "SELECT last(usage_user) FROM cpu GROUP BY hostname",
              prom_at("last_over_time(%s[%ds])" % (USER, length), length)),
        Query("groupby-orderby-limit",
              "SELECT max(usage_user) FROM cpu WHERE time < '%s' GROUP BY time(1m) ORDER BY time DESC LIMIT 5" % stamp(START + middle),
              prom_range("max(max_over_time(%s[60s]))" % USER, max(0, middle - 300), middle, 60)),
    ]
    return out


def classes(hosts, steps):
    """Functions over all values of a field, and other classes of queries."""
    length = steps * STEP
    minutes, hours = whole_windows(length, 60), whole_windows(length, 3600)
    count, total, squares = ("sum(%s_over_time(%s[%ds]))" % (f, USER, length) for f in ("count", "sum", "sum2"))
    minute_mean = "avg(avg_over_time(%s[60s]%s))"
    one = some_hosts(4, hosts)[-1]
    return [
        Query("count-all", "SELECT count(*) FROM cpu",
              prom_at("sum(count_over_time(%s[%ds]) keep_metric_names) by (__name__)" % (vm_measures(10), length), length)),
        Query("max", "SELECT max(usage_user) FROM cpu", prom_at("max(max_over_time(%s[%ds]))" % (USER, length), length)),
        Query("mean-1m", "SELECT mean(usage_user) FROM cpu WHERE %s GROUP BY time(1m)" % between(0, minutes),
              prom_range(minute_mean % (USER, ""), 0, minutes, 60)),
        Query("percentile", "SELECT percentile(usage_user, 95) FROM cpu"),
        Query("percentile-year", "SELECT percentile(usage_user, 95) FROM cpu WHERE %s GROUP BY time(52w)" % between(0, length)),
        Query("percentile-1h-hosts",
              "SELECT percentile(usage_user, 95) FROM cpu WHERE %s GROUP BY time(1h), hostname" % between(0, hours),
              prom_range("quantile_over_time(0.95, %s[3600s])" % USER, 0, hours, 3600), same="count"),
        Query("median", "SELECT median(usage_user) FROM cpu"),
        Query("stddev", "SELECT stddev(usage_user) FROM cpu",
              prom_at("sqrt((%s - %s ^ 2 / %s) / (%s - 1))" % (squares, total, count, count), length)),
        Query("spread", "SELECT spread(usage_user) FROM cpu",
              prom_at("max(max_over_time(%s[%ds])) - min(min_over_time(%s[%ds]))" % (USER, length, USER, length), length)),
        Query("top-10", "SELECT top(usage_user, 10) FROM cpu"),
        Query("distinct", "SELECT distinct(usage_user) FROM cpu"),
        Query("count-distinct", "SELECT count(distinct(usage_user)) FROM cpu"),
        Query("derivative", "SELECT derivative(usage_user, 10s) FROM cpu WHERE hostname = '%s'" % one),
        Query("derivative-mean-1m",
              "SELECT derivative(mean(usage_user), 1m) FROM cpu WHERE %s GROUP BY time(1m)" % between(0, minutes),
              prom_range((minute_mean + " - " + minute_mean) % (USER, "", USER, " offset 60s"), 60, minutes, 60)
              if minutes > 60 else None),
        Query("moving-average-hosts", "SELECT max(a) FROM (SELECT moving_average(usage_user, 10) AS a FROM cpu GROUP BY hostname)"),
        Query("regex-tag", "SELECT mean(usage_user) FROM cpu WHERE hostname =~ /^host_.*[37]$/ AND %s GROUP BY time(1h)" % between(0, hours),
              prom_range('avg(avg_over_time(%s{hostname=~"host_.*[37]"}[3600s]))' % USER, 0, hours, 3600)),
        Query("regex-field", "SELECT mean(/^usage_(user|system)$/) FROM cpu",
              prom_at("avg(avg_over_time(%s[%ds]) keep_metric_names) by (__name__)" % (vm_measures(2), length), length)),
        Query("subquery-max-mean", "SELECT max(m) FROM (SELECT mean(usage_user) AS m FROM cpu WHERE %s GROUP BY time(1m), hostname)"
              % between(0, minutes)),
    ]


def raw(hosts, steps):
    """One field of a million points and its tag, as CSV; victoria-metrics has an export for that."""
    span = max(1, min(steps, 1000000 // hosts)) * STEP
    return [Query("raw-one-field-csv", "SELECT hostname, usage_user FROM cpu WHERE " + between(0, span),
                  "/api/v1/export/csv?" + urllib.parse.urlencode(
                      {"format": "hostname,__timestamp__:unix_ms,__value__", "match[]": USER, "start": START,
                       "end": "%.3f" % (START + span - 0.001)}), same="lines", accept="text/csv")]


def cardinality(series):
    """Of very many series with one field."""
    one = "host_%d" % (series // 20 * 10)  # one of those with more than one row
    return [
        Query("one-series", "SELECT value FROM load WHERE hostname = '%s'" % one),
        Query("max-of-all", "SELECT max(value) FROM load", prom_at("max(max_over_time(load_value[100s]))", 100)),
        Query("count-by-rack", "SELECT count(value) FROM load GROUP BY rack",
              prom_at("sum(count_over_time(load_value[100s])) by (rack)", 100)),
        Query("regex-tag", "SELECT max(value) FROM load WHERE hostname =~ /^host_.*77$/",
              prom_at('max(max_over_time(load_value{hostname=~"host_.*77"}[100s]))', 100)),
        Query("last-by-series", "SELECT last(value) FROM load GROUP BY hostname", prom_at("last_over_time(load_value[100s])", 100)),
        Query("show-tag-values", "SHOW TAG VALUES FROM load WITH KEY = rack"),
        Query("show-series-limit", "SHOW SERIES LIMIT 10"),
    ]


def lookups(hosts, steps, count=64, seed=7):
    """name -> so many queries of a shape: other hosts, other hours."""
    draw = random.Random(seed)
    length = steps * STEP

    def many(names, make, window, span_max):
        span = min(whole_windows(length, window), span_max)
        for _ in range(count):
            a = draw.randrange(0, max(1, (length - span) // window + 1)) * window
            yield make(["host_%d" % h for h in draw.sample(range(hosts), min(names, hosts))], a, a + span)

    return {
        "single-groupby-1-1-1": list(many(1, lambda names, a, b: single_groupby(1, names, a, b), 60, 3600)),
        "single-groupby-5-1-1": list(many(1, lambda names, a, b: single_groupby(5, names, a, b), 60, 3600)),
        "single-groupby-1-8-1": list(many(8, lambda names, a, b: single_groupby(1, names, a, b), 60, 3600)),
        "single-groupby-5-8-1": list(many(8, lambda names, a, b: single_groupby(5, names, a, b), 60, 3600)),
        "cpu-max-all-1": list(many(1, cpu_max_all, 3600, 8 * 3600)),
    }


def dashboard(hosts, steps):
    """A mix as panels ask it: mostly a host or a few, now and then all of them, and the newest value of a host."""
    shapes = lookups(hosts, steps, count=12, seed=11)
    length = whole_windows(steps * STEP, 60)
    half_hour = min(length, 1800)
    mix = shapes["single-groupby-1-1-1"] + shapes["single-groupby-5-8-1"] + shapes["cpu-max-all-1"]
    for i in range(4):
        a = min(i * 600, length - half_hour)
        mix.append(Query("mean-1m", "SELECT mean(usage_user) FROM cpu WHERE %s GROUP BY time(1m)" % between(a, a + half_hour),
                         prom_range("avg(avg_over_time(%s[60s]))" % USER, a, a + half_hour, 60)))
    for name in some_hosts(8, hosts):
        # PromQL has to look for the newest value back from a time: one that is behind all that is written meanwhile.
        mix.append(Query("last", "SELECT last(usage_user) FROM cpu WHERE hostname = '%s'" % name,
                         prom_at('last_over_time(%s{hostname="%s"}[30h])' % (USER, name), length + 86400)))
    random.Random(5).shuffle(mix)
    return mix
