"""The official client for Python as it is now, which knows the account's objects: everything that it can do here."""

from cloudflare import APIStatusError, Cloudflare

from surroundings import API, DOWN, HEALTHY, ORIGINS, ORIGIN_PORT, TOKEN, ZONE, answers, equal, origins, until

client = Cloudflare(base_url=API, api_token=TOKEN)


def refused(status, code, call, **arguments):
    """Makes a call that has to be refused, and gives the error."""
    try:
        call(**arguments)
    except APIStatusError as error:
        equal((error.status_code, error.errors[0].code), (status, code))
        return error
    raise AssertionError(f"not refused with {status}")


equal(client.user.tokens.verify().status, "active")
[account] = client.accounts.list()
equal(client.accounts.get(account_id=account.id).name, account.name)
[zone] = client.zones.list(name=ZONE)
equal(client.zones.get(zone_id=zone.id).name, ZONE)
own = {"account_id": account.id}
balancers, pools, monitors = client.load_balancers, client.load_balancers.pools, client.load_balancers.monitors

# Monitors.
probing = {"port": ORIGIN_PORT, "interval": 1, "load_balancer_monitor_timeout": 1, "retries": 0}
monitor = monitors.create(**own, **probing, type="http", description="current", path="/healthy")
equal((monitor.type, monitor.path, monitor.method, monitor.timeout), ("http", "/healthy", "GET", 1))
equal(monitors.get(monitor.id, **own), monitor)
assert monitor in list(monitors.list(**own))
monitor = monitors.update(monitor.id, **own, **probing, type="http", description="current", expected_codes="2xx")
equal((monitor.path, monitor.expected_codes), ("/", "2xx"))
monitor = monitors.edit(monitor.id, **own, description="current, edited")
equal((monitor.description, monitor.expected_codes), ("current, edited", "2xx"))
refused(400, 1002, monitors.create, **own, type="http", expected_codes="teapot")

# Pools.
pool = pools.create(**own, name="current", origins=origins(HEALTHY), monitor=monitor.id)
equal([origin.address for origin in pool.origins], HEALTHY)
equal((pool.enabled, pool.minimum_origins, pool.monitor), (True, 1, monitor.id))
spare = pools.create(**own, name="current-spare", origins=origins([DOWN]), monitor=monitor.id)
equal(pools.get(pool.id, **own).created_on, pool.created_on)
equal({seen.name for seen in pools.list(**own, monitor=monitor.id)}, {"current", "current-spare"})
pool = pools.update(pool.id, **own, name="current", origins=origins(ORIGINS), monitor=monitor.id, minimum_origins=2)
equal((len(pool.origins), pool.minimum_origins), (len(ORIGINS), 2))
pool = pools.edit(pool.id, **own, description="edited", notification_email="a@example.com")
equal((pool.description, pool.minimum_origins, pool.notification_email), ("edited", 2, "a@example.com"))
affected = list(pools.bulk_edit(**own, notification_email=""))
equal([seen.notification_email for seen in affected if seen.name == "current"], [""])
refused(400, 1002, pools.create, **own, name="no spaces", origins=origins(HEALTHY))
refused(400, 1003, pools.create, **own, name="current", origins=origins(HEALTHY))
refused(404, 1001, pools.get, pool_id="0" * 32, **own)

# A load balancer, and what it answers.
name = f"current.{ZONE}"
named = {"zone_id": zone.id, "name": name, "default_pools": [pool.id], "fallback_pool": spare.id}
balancer = balancers.create(**named)
equal((balancer.name, balancer.ttl, balancer.steering_policy, balancer.proxied), (name, 30, "off", False))
answers(name, HEALTHY)
equal(balancers.get(balancer.id, zone_id=zone.id).default_pools, [pool.id])
equal(balancers.get(balancer.id, account_id=account.id).name, name)
assert balancer.id in [seen.id for seen in balancers.list(zone_id=zone.id)]
assert balancer.id in [seen.id for seen in balancers.list(account_id=account.id)]
balancer = balancers.update(balancer.id, **named, ttl=60)
equal(balancer.ttl, 60)
balancer = balancers.edit(balancer.id, zone_id=zone.id, description="edited")
equal((balancer.ttl, balancer.description), (60, "edited"))
refused(400, 1003, balancers.create, **named)

# The same below the account, where the name decides the zone.
own_name = {"name": f"own-{name}", "default_pools": [pool.id], "fallback_pool": pool.id}
anywhere = balancers.create(account_id=account.id, **own_name)
answers(own_name["name"], HEALTHY)
equal(balancers.update(anywhere.id, account_id=account.id, **own_name, ttl=90).ttl, 90)
equal(balancers.edit(anywhere.id, account_id=account.id, description="own").ttl, 90)
equal(balancers.delete(anywhere.id, account_id=account.id).id, anywhere.id)

# An origin that is taken out is out of the answers.
pools.edit(pool.id, **own, origins=origins(HEALTHY[:1]), minimum_origins=1)
answers(name, HEALTHY[:1])
pools.edit(pool.id, **own, origins=origins(ORIGINS))
answers(name, HEALTHY)

# Health. The types of this client have it in another form than the API, but leave what comes as it is.
[(_, seen)] = pools.health.get(pool.id, **own).pop_health.to_dict().items()
details = {address: details for origin in seen["origins"] for address, details in origin.items()}
equal({address: details[address]["healthy"] for address in ORIGINS}, {**dict.fromkeys(HEALTHY, True), DOWN: False})
equal((details[HEALTHY[0]]["response_code"], details[HEALTHY[0]]["failure_reason"]), (200, "No failures"))

# Previews.
asked = {"type": "http", "port": ORIGIN_PORT, "load_balancer_monitor_timeout": 1, "expected_codes": "200"}
started = pools.health.create(pool.id, **own, **asked)
equal(started.pools, {pool.id: "current"})
preview = until("a preview's result", lambda: balancers.previews.get(started.preview_id, **own))
[(_, found)] = preview.items()
equal([list(origin) for origin in found.to_dict()["origins"]], [[address] for address in ORIGINS])
started = monitors.previews.create(monitor.id, **own, **asked)
equal(started.pools, {pool.id: "current", spare.id: "current-spare"})
both = lambda: len(balancers.previews.get(started.preview_id, **own)) == 2
until("both pools of a preview", both)
refused(404, 1001, balancers.previews.get, preview_id="0" * 32, **own)

# References, both ways.
found = {(seen.reference_type, seen.resource_type, seen.resource_id) for seen in pools.references.get(pool.id, **own)}
equal(found, {("referrer", "load_balancer", balancer.id), ("referral", "monitor", monitor.id)})
found = {seen.resource_id for seen in monitors.references.get(monitor.id, **own)}
equal(found, {pool.id, spare.id})

# Monitor groups: a second monitor that fails everywhere decides nothing alone, and everything once it has to be healthy.
groups = balancers.monitor_groups
broken = monitors.create(**own, **probing, type="http", description="broken", path="/", expected_codes="418")


def members(must_be_healthy):
    """Both monitors, of which the second has a veto or only a vote."""
    said = {"enabled": True, "monitoring_only": False}
    one = {**said, "monitor_id": monitor.id, "must_be_healthy": False}
    return [one, {**said, "monitor_id": broken.id, "must_be_healthy": must_be_healthy}]


group = groups.create(**own, description="current", members=members(False))
equal([member.monitor_id for member in group.members], [monitor.id, broken.id])
equal(groups.get(group.id, **own), group)
assert group.id in [seen.id for seen in groups.list(**own)]
pool = pools.update(pool.id, **own, name="current", origins=origins(HEALTHY), monitor_group=group.id)
equal((pool.monitor, pool.monitor_group), (None, group.id))
voted = lambda: [seen["healthy"] for seen in pools.get(pool.id, **own).to_dict()["origins"]]
until("a vote", lambda: voted() == [True] * len(HEALTHY))
edited = groups.edit(group.id, **own, description="current, edited", members=members(True))
equal((edited.description, edited.created_on), ("current, edited", group.created_on))
equal([member.created_at for member in edited.members], [member.created_at for member in group.members])
until("a veto", lambda: voted() == [False] * len(HEALTHY))
edited = groups.update(group.id, **own, description="current", members=members(False)[:1])
equal(len(edited.members), 1)
answers(name, HEALTHY)
found = {(seen.reference_type, seen.resource_id) for seen in groups.references.get(group.id, **own)}
equal(found, {("referrer", pool.id), ("referral", monitor.id)})
refused(412, 1005, groups.delete, monitor_group_id=group.id, **own)
refused(400, 1002, groups.create, **own, description="", members=[])
pools.update(pool.id, **own, name="current", origins=origins(ORIGINS), monitor=monitor.id, minimum_origins=2)
equal(groups.delete(group.id, **own).id, group.id)
refused(404, 1001, groups.get, monitor_group_id=group.id, **own)
monitors.delete(broken.id, **own)

# Search: the client looks for its items where the API has none; what came is in the page.
page = balancers.searches.list(**own, query="current", references="*")
found = {resource["resource_name"] for resource in page.result.to_dict()["resources"]}
assert {"current", "current-spare", name} <= found, found

# Usage, for which the client has no words.
usage = client.get(f"/accounts/{account.id}/load_balancers/usage", cast_to=object)["result"]
assert usage["pools"]["used"] >= 2, usage

# Regions.
regions = balancers.regions.list(**own)
assert "WEU" in [region["region_code"] for region in regions["regions"]]
[region] = balancers.regions.get("WEU", **own)["regions"]
assert "DE" in [country["country_code_a2"] for country in region["countries"]]

# Zones and records that are made here.
made = client.zones.create(account={"id": account.id}, name="current.test", type="full")
record = client.dns.records.create(zone_id=made.id, type="A", name="www.current.test", content="192.0.2.1", ttl=60)
answers("www.current.test", ["192.0.2.1"])
record = client.dns.records.edit(record.id, zone_id=made.id, type="A", name="www.current.test", ttl=60, content="192.0.2.2")
equal(record.content, "192.0.2.2")
client.dns.records.update(record.id, zone_id=made.id, type="A", name="www.current.test", ttl=60, content="192.0.2.3")
answers("www.current.test", ["192.0.2.3"])
equal(client.dns.records.get(record.id, zone_id=made.id).content, "192.0.2.3")
equal([seen.id for seen in client.dns.records.list(zone_id=made.id, type="A")], [record.id])
client.dns.records.delete(record.id, zone_id=made.id)
answers("www.current.test", [])
client.zones.delete(zone_id=made.id)

# What is in use cannot be deleted, and the error names who uses it.
error = refused(412, 1005, pools.delete, pool_id=pool.id, **own)
assert name in str(error.body), error.body
error = refused(412, 1005, monitors.delete, monitor_id=monitor.id, **own)
equal(balancers.delete(balancer.id, zone_id=zone.id).id, balancer.id)
answers(name, [])
equal(pools.delete(pool.id, **own).id, pool.id)
pools.delete(spare.id, **own)
equal(monitors.delete(monitor.id, **own).id, monitor.id)
refused(404, 1001, monitors.get, monitor_id=monitor.id, **own)
