// work.js PORT - what a program with node-influx does; a JSON object a line tells what it saw.
"use strict";
const Influx = require("influx");

const port = Number(process.argv[2]);

async function tell(step, work) {
    let seen;
    try {
        seen = await work();
    } catch (error) {
        seen = { raised: error.constructor.name, text: error.message };
    }
    console.log(JSON.stringify({ step, seen: seen === undefined ? null : seen }));
}

// Results are arrays with more to them: groups, and times that carry nanoseconds.
function rows(results) {
    if (results.groupRows) {
        return {
            rows: results.map((row) => Object.assign({}, row, row.time && row.time.toNanoISOString ? { time: row.time.toNanoISOString() } : {})),
            groups: results.groupRows.map((group) => [group.name, group.tags, group.rows.length]),
        };
    }
    return Array.isArray(results) ? results.map(rows) : results;
}

async function main() {
    const schema = [{
        measurement: "cpu",
        fields: { usage: Influx.FieldType.FLOAT, cores: Influx.FieldType.INTEGER, up: Influx.FieldType.BOOLEAN, note: Influx.FieldType.STRING },
        tags: ["host", "dc"],
    }];
    const influx = new Influx.InfluxDB({ host: "127.0.0.1", port, database: "nodedb", username: "u", password: "p", schema });
    const ask = (text, options) => influx.query(text, options).then(rows);

    await tell("ping", async () => (await influx.ping(5000)).map((host) => [host.online, host.version !== ""]));
    await tell("create database", () => influx.createDatabase("nodedb"));
    await tell("databases", () => influx.getDatabaseNames());
    await tell("write points", () => influx.writePoints([
        { measurement: "cpu", tags: { host: "web 1", dc: "a,b=c" }, fields: { usage: 12.5, cores: 8, up: true, note: 'say "hi"\\' },
            timestamp: new Date(1577836800000) },
        { measurement: "cpu", tags: { host: "web2" }, fields: { usage: 71, cores: 16, up: false, note: "two\nlines" },
            timestamp: new Date(1577836810000) },
        { measurement: "cpu", fields: { usage: 3 }, timestamp: new Date(1577836820000) },
    ]));
    for (const [precision, time] of [["s", 1577836800], ["ms", 1577836801000], ["u", 1577836802000000], ["n", "1577836803000000001"]]) {
        await tell("write in " + precision, () => influx.writeMeasurement("sec", [{ fields: { v: Number(precision.length) }, timestamp: time }],
            { precision }));
    }
    await tell("write to a policy", () => influx.writePoints([{ measurement: "sec", fields: { v: 9 }, timestamp: 1577836804 }],
        { precision: "s", retentionPolicy: "autogen", database: "nodedb" }));
    const many = [];
    for (let i = 0; i < 2000; i++) many.push({ measurement: "many", tags: { k: String(i % 5) }, fields: { v: i }, timestamp: 1577836800 + i });
    await tell("write many", () => influx.writePoints(many, { precision: "s" }));
    await tell("query", () => ask("select * from cpu"));
    await tell("query by group", () => ask("select mean(v) from many group by k"));
    await tell("query several", () => influx.query(["select count(v) from many", "select last(v) from sec"]).then(rows));
    for (const precision of ["h", "m", "s", "ms", "u", "n"]) await tell("query in " + precision, () => ask("select v from sec", { precision }));
    await tell("placeholders", () => ask("select usage from cpu where host = $host and usage > $least",
        { placeholders: { host: "web 1", least: 3.5 } }));
    await tell("escaped by the client", () => ask(`select usage from cpu where host = ${Influx.escape.stringLit("web 1")}`));
    await tell("raw", () => influx.queryRaw("select count(v) from many"));
    await tell("windows", () => ask("select sum(v) from many where time >= 1577836800s and time < 1577836830s group by time(10s), k fill(0)"));
    await tell("measurements", () => influx.getMeasurements());
    await tell("series", () => influx.getSeries());
    await tell("series of one", () => influx.getSeries({ measurement: "cpu" }));
    await tell("a parse error", () => ask("selec"));
    await tell("a statement's error", () => ask("select * from nowhere..x"));
    await tell("bad lines, then a good one", async () => {
        const bad = new Influx.InfluxDB({ host: "127.0.0.1", port, database: "nodedb" });
        const texts = [];
        for (const write of [
            () => bad.writePoints([{ measurement: "cpu", fields: { usage: "text" }, timestamp: 1577836800000000000 }]),
            () => bad.writePoints([{ measurement: "", fields: { usage: 1 } }]),
            () => bad.writePoints([{ measurement: "cpu", fields: { usage: 1 } }], { database: "nowhere" }),
            () => bad.writePoints([{ measurement: "after", fields: { v: 1 }, timestamp: 1 }], { precision: "s" }),
        ]) {
            await write().then(() => texts.push("written"), (error) => texts.push(error.message.replace(/\d{19}/g, "TIME")));
        }
        return texts;
    });
    await tell("the good one", () => ask("select * from after"));
    await tell("policies", () => influx.showRetentionPolicies());
    await tell("create policy", () => influx.createRetentionPolicy("week", { duration: "7d", replication: 1 }));
    await tell("alter policy", () => influx.alterRetentionPolicy("week", { duration: "14d", replication: 1, default: true }));
    await tell("policies now", () => influx.showRetentionPolicies());
    await tell("drop policy", () => influx.dropRetentionPolicy("week"));
    await tell("write without the default policy", () => influx.writePoints([{ measurement: "cpu", fields: { usage: 1 } }])
        .catch((error) => { throw new Error(error.message.replace(/\d{19}/g, "TIME")); }));
    await tell("users", () => influx.getUsers());
    await tell("create user", () => influx.createUser("ada", "secret", true));
    await tell("create another", () => influx.createUser("bob", "secret"));
    await tell("grant", () => influx.grantPrivilege("bob", "READ", "nodedb"));
    await tell("revoke", () => influx.revokePrivilege("bob", "READ", "nodedb"));
    await tell("grant admin", () => influx.grantAdminPrivilege("bob"));
    await tell("users now", () => influx.getUsers());
    await tell("set password", () => influx.setPassword("bob", "other"));
    await tell("drop user", () => influx.dropUser("bob"));
    await tell("create continuous query", () => influx.createContinuousQuery("cq",
        'SELECT mean("usage") INTO "nodedb"."autogen"."cpu_mean" FROM "nodedb"."autogen"."cpu" GROUP BY time(30m)'));
    await tell("continuous queries", () => influx.showContinousQueries());
    await tell("drop continuous query", () => influx.dropContinuousQuery("cq"));
    await tell("drop series", () => influx.dropSeries({ measurement: (m) => m.name("many"), where: (e) => e.tag("k").equals.value("3") }));
    await tell("drop measurement", () => influx.dropMeasurement("many"));
    await tell("measurements left", () => influx.getMeasurements());
    await tell("drop database", () => influx.dropDatabase("nodedb"));
    await tell("databases left", () => influx.getDatabaseNames());
}

main();
