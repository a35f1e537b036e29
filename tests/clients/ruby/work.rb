# work.rb PORT - what a program with influxdb-ruby does; a JSON object a line tells what it saw.
require "json"
require "influxdb"

InfluxDB::Logging.logger = false

def tell(step)
  seen = begin
    yield
  rescue InfluxDB::Error => error
    { raised: error.class.name, text: error.message }
  end
  seen = { status: seen.code, body: seen.body } if seen.is_a?(Net::HTTPResponse)
  puts JSON.generate(step: step, seen: seen)
  $stdout.flush
end

options = { host: "127.0.0.1", port: ARGV[0].to_i, username: "root", password: "root", retry: 0 }
client = InfluxDB::Client.new("rubydb", **options, time_precision: "s")

tell("ping") { client.ping.code }
tell("version is there") { !client.version.to_s.empty? }
tell("create database") { client.create_database("rubydb") }
tell("databases") { client.list_databases }
tell("no measurements") { client.list_measurements }
tell("a point") do
  client.write_point("cpu", tags: { host: "web 1", dc: "a,b=c" }, timestamp: 1_577_836_800,
                            values: { usage: 12.5, cores: 8, up: true, note: "say \"hi\" \\ done" })
end
tell("points") do
  client.write_points([
    { series: "cpu", tags: { host: "web2" }, values: { usage: 71.0, cores: 16, note: "two words" }, timestamp: 1_577_836_810 },
    { series: "cpu", tags: { host: "" }, values: { usage: 3.0 }, timestamp: 1_577_836_820 },
  ])
end
%w[ms u ns].each_with_index do |precision, i|
  tell("a point in #{precision}") do
    client.write_point("sec", { values: { v: i }, timestamp: (1_577_836_800 + i) * 1000**(i + 1) }, precision)
  end
end
tell("a point to a policy") { client.write_point("sec", { values: { v: 9 }, timestamp: 1_577_836_809 }, "s", "autogen") }
tell("many") do
  client.write_points((0...1000).map { |i| { series: "many", tags: { k: i % 5 }, values: { v: i }, timestamp: 1_577_836_800 + i } })
end
tell("all points") { client.query("select * from cpu") }
tell("by group") { client.query("select mean(v), count(v) from many group by k") }
tell("yielded") do
  rows = []
  client.query("select last(v) from many group by k") { |name, tags, points| rows << [name, tags, points] }
  rows
end
tell("not denormalized") { client.query("select * from cpu", denormalize: false) }
tell("epoch s") { client.query("select usage from cpu", epoch: "s") }
tell("epoch ms") { client.query("select usage from cpu", epoch: "ms") }
tell("bound by name") { client.query("select usage from cpu where host = %{host} and usage > %{least}", params: { host: "web2", least: 3.5 }) }
tell("bound by number") { client.query("select usage from cpu where host = %{1}", params: ["web 1"]) }
tell("several statements") { client.query("select count(v) from many; select max(usage) from cpu") }
tell("batch") do
  batch = client.batch do |b|
    b.add("select count(v) from many")
    b.add("select usage from cpu where host = %{h}", params: { h: "web2" })
  end
  batch.execute
end
tell("chunks") do
  chunked = InfluxDB::Client.new("rubydb", **options, chunk_size: 300)
  chunked.query("select count(v) from many group by k")
end
tell("field keys") { client.show_field_keys }
tell("series") { client.list_series }
tell("measurements") { client.list_measurements }
tell("a parse error") { client.query("selec") }
tell("a statement's error") { client.query("select * from nowhere..x") }
tell("a type conflict") { client.write_point("cpu", tags: { host: "web2" }, values: { usage: "text" }, timestamp: 1_577_836_810) }
tell("no such database") { client.write_point("cpu", { values: { v: 1 }, timestamp: 1 }, "s", nil, "nowhere") }
tell("no such policy") { client.write_point("cpu", { values: { v: 1 }, timestamp: 1 }, "s", "nowhere") }
tell("create policy") { client.create_retention_policy("week", "7d", 1, true, shard_duration: "1d") }
tell("policies") { client.list_retention_policies("rubydb") }
tell("alter policy") { client.alter_retention_policy("week", "rubydb", "14d", 1, false) }
tell("drop policy") { client.delete_retention_policy("week", "rubydb") }
tell("policies left") { client.list_retention_policies("rubydb") }
tell("create admin") { client.create_cluster_admin("ada", "secret") }
tell("create user") { client.create_database_user("rubydb", "bob", "secret", permissions: :write) }
tell("grant") { client.grant_user_privileges("bob", "rubydb", :read) }
tell("grants") { client.list_user_grants("bob") }
tell("revoke") { client.revoke_user_privileges("bob", "rubydb", :read) }
tell("new password") { client.update_user_password("bob", "other") }
tell("users") { client.list_users }
tell("admins") { client.list_cluster_admins }
tell("no admin any more") { client.revoke_cluster_admin_privileges("ada") }
tell("drop user") { client.delete_user("bob") }
tell("continuous query") do
  client.create_continuous_query("cq", "rubydb", "SELECT mean(v) INTO many_mean FROM many GROUP BY time(1h)", resample_every: "10m", resample_for: "2h")
end
tell("continuous queries") { client.list_continuous_queries("rubydb") }
tell("drop continuous query") { client.delete_continuous_query("cq", "rubydb") }
tell("drop series") { client.delete_series("many", where: "k = '3'") }
tell("counts") { client.query("select count(v) from many group by k") }
tell("drop measurement") { client.delete_measurement("many") }
tell("measurements left") { client.list_measurements }
tell("drop database") { client.delete_database("rubydb") }
tell("databases left") { client.list_databases }
client.stop!
