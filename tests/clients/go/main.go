// main.go - what a Go program does with influxdb1-client/v2; a JSON object a line tells what it saw.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	client "github.com/influxdata/influxdb1-client/v2"
)

func tell(step string, seen interface{}, err error) {
	if err != nil {
		seen = map[string]interface{}{"error": err.Error(), "seen": seen}
	}
	line, _ := json.Marshal(map[string]interface{}{"step": step, "seen": seen})
	fmt.Println(string(line))
}

func ask(c client.Client, step string, q client.Query) {
	response, err := c.Query(q)
	if err == nil {
		err = response.Error()
	}
	if response == nil {
		tell(step, nil, err)
		return
	}
	tell(step, response.Results, err)
}

func write(c client.Client, step string, config client.BatchPointsConfig, points ...*client.Point) {
	batch, err := client.NewBatchPoints(config)
	if err == nil {
		batch.AddPoints(points)
		err = c.Write(batch)
	}
	tell(step, "written", err)
}

func point(name string, tags map[string]string, fields map[string]interface{}, seconds int64) *client.Point {
	p, err := client.NewPoint(name, tags, fields, time.Unix(seconds, 5000).UTC())
	if err != nil {
		panic(err)
	}
	return p
}

func main() {
	c, err := client.NewHTTPClient(client.HTTPConfig{Addr: os.Args[1], UserAgent: "tests"})
	if err != nil {
		panic(err)
	}
	defer c.Close()
	_, version, err := c.Ping(0)
	tell("ping", version != "", err)
	_, version, err = c.Ping(2 * time.Second)
	tell("ping and wait for a leader", version != "", err)
	ask(c, "create database", client.NewQuery("CREATE DATABASE godb", "", ""))
	tags := map[string]string{"host": "web1", "with space": "a,b=c"}
	fields := map[string]interface{}{"usage": 71.0, "cores": 8, "up": true, "note": "line one\nline \"two\"\\", "small": 1e-12, "big": int64(9223372036854775807)}
	for _, precision := range []string{"", "s", "ms", "us", "ns"} {
		write(c, "write, precision "+precision, client.BatchPointsConfig{Database: "godb", Precision: precision},
			point("cpu", tags, fields, 1577836800), point("cpu", map[string]string{"host": "p" + precision}, fields, 1577836810))
	}
	write(c, "write, consistency and policy", client.BatchPointsConfig{Database: "godb", RetentionPolicy: "autogen", WriteConsistency: "any"},
		point("cpu", nil, map[string]interface{}{"usage": 1.5}, 1577836820))
	write(c, "write, no such policy", client.BatchPointsConfig{Database: "godb", RetentionPolicy: "nowhere"}, point("cpu", tags, fields, 1))
	write(c, "write, no such database", client.BatchPointsConfig{Database: "nowhere"}, point("cpu", tags, fields, 1))
	write(c, "write, no database", client.BatchPointsConfig{}, point("cpu", tags, fields, 1))
	write(c, "write, wrong type", client.BatchPointsConfig{Database: "godb"},
		point("cpu", tags, map[string]interface{}{"usage": "text"}, 1577836800))
	write(c, "write nothing", client.BatchPointsConfig{Database: "godb"})
	zipped, err := client.NewHTTPClient(client.HTTPConfig{Addr: os.Args[1], WriteEncoding: client.GzipEncoding, Username: "u", Password: "p"})
	if err == nil {
		write(zipped, "write gzip", client.BatchPointsConfig{Database: "godb"}, point("zipped", tags, fields, 1577836800))
	}
	var points []*client.Point
	for i := int64(0); i < 3000; i++ {
		points = append(points, point("many", map[string]string{"k": fmt.Sprint(i % 3)}, map[string]interface{}{"v": i}, 1577836800+i))
	}
	write(c, "write many", client.BatchPointsConfig{Database: "godb", Precision: "s"}, points...)

	ask(c, "query", client.NewQuery("SELECT * FROM cpu", "godb", "ns"))
	ask(c, "query without epoch", client.NewQuery("SELECT * FROM cpu, zipped", "godb", ""))
	ask(c, "query in ms, grouped", client.NewQuery("SELECT mean(v) FROM many WHERE time < 1577837800s GROUP BY time(10m), k", "godb", "ms"))
	ask(c, "query of a policy", client.NewQueryWithRP("SELECT count(usage) FROM cpu", "godb", "autogen", "s"))
	ask(c, "query of no policy", client.NewQueryWithRP("SELECT count(usage) FROM cpu", "godb", "nowhere", "s"))
	ask(c, "bound parameters", client.NewQueryWithParameters(
		"SELECT usage FROM cpu WHERE host = $h AND usage > $u AND cores = $c AND time >= $t AND time < $t + $d", "godb", "s",
		client.Params{"h": client.StringValue("web1"), "u": client.NumberValue(3.5), "c": client.IntegerValue(8),
			"t": client.TimeValue(time.Unix(1577836800, 0).UTC()), "d": client.DurationValue(3 * time.Second)}))
	ask(c, "bound identifier and regexp", client.NewQueryWithParameters("SELECT $f FROM $m WHERE host =~ $r AND up = $b", "godb", "s",
		client.Params{"f": client.Identifier("cores"), "m": client.Identifier("cpu"), "r": client.RegexValue("^p"), "b": client.BooleanValue(true)}))
	ask(c, "bound plainly", client.NewQueryWithParameters("SELECT v FROM many WHERE v < $n AND k = $k", "godb", "s",
		client.Params{"n": 7, "k": "1"}))
	ask(c, "bound parameter missing", client.NewQueryWithParameters("SELECT v FROM many WHERE v < $n", "godb", "s", client.Params{}))
	ask(c, "parse error", client.NewQuery("SELEC", "godb", "s"))
	ask(c, "several statements", client.NewQuery("SHOW MEASUREMENTS; SELECT count(v) FROM many; SELECT v FROM nowhere..x; SHOW TAG KEYS", "godb", "s"))
	chunked := client.NewQuery("SELECT v FROM many", "godb", "s")
	chunked.Chunked, chunked.ChunkSize = true, 700
	ask(c, "chunked", chunked)
	reader, err := c.QueryAsChunk(chunked)
	if err != nil {
		tell("by chunk", nil, err)
	} else {
		var sizes []int
		for {
			response, err := reader.NextResponse()
			if err == io.EOF {
				break
			}
			if err != nil {
				tell("by chunk", sizes, err)
				break
			}
			for _, result := range response.Results {
				for _, row := range result.Series {
					sizes = append(sizes, len(row.Values))
				}
			}
		}
		tell("by chunk", sizes, nil)
		reader.Close()
	}
	ask(c, "drop measurement", client.NewQuery("DROP MEASUREMENT many", "godb", ""))
	ask(c, "show measurements", client.NewQuery("SHOW MEASUREMENTS", "godb", ""))
	ask(c, "drop database", client.NewQuery("DROP DATABASE godb", "", ""))
}
