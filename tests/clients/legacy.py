"""The official client for Python as it was, which knows the user's objects: everything that it can do here."""

import CloudFlare

from surroundings import API, DOWN, HEALTHY, ORIGINS, ORIGIN_PORT, TOKEN, ZONE, answers, equal, origins, until

client = CloudFlare.CloudFlare(token=TOKEN, base_url=API, warnings=False)


def refused(code, call, *arguments, **more):
    """Makes a call that has to be refused, and gives the error."""
    try:
        call(*arguments, **more)
    except CloudFlare.exceptions.CloudFlareAPIError as error:
        equal(int(error), code)
        return error
    raise AssertionError(f"not refused with {code}")


assert client.user.get()["id"]
equal(client.user.tokens.verify.get()["status"], "active")
by_key = CloudFlare.CloudFlare(email="me@example.com", key=TOKEN, base_url=API, warnings=False)
equal(by_key.user.get(), client.user.get())
[zone] = client.zones.get(params={"name": ZONE})
equal(client.zones.get(zone["id"])["name"], ZONE)
pools, monitors = client.user.load_balancers.pools, client.user.load_balancers.monitors

# Monitors.
probing = {"type": "http", "port": ORIGIN_PORT, "interval": 1, "timeout": 1, "retries": 0, "expected_codes": "200"}
monitor = monitors.post(data={**probing, "description": "legacy", "path": "/healthy"})
equal(monitors.get(monitor["id"]), monitor)
assert monitor in monitors.get()
monitor = monitors.put(monitor["id"], data={**probing, "description": "legacy"})
equal(monitor["path"], "/")
monitor = monitors.patch(monitor["id"], data={"description": "legacy, edited"})
equal((monitor["description"], monitor["interval"]), ("legacy, edited", 1))
refused(1002, monitors.post, data={**probing, "interval": 0})

# Pools.
pool = pools.post(data={"name": "legacy", "origins": origins(HEALTHY), "monitor": monitor["id"]})
spare = pools.post(data={"name": "legacy-spare", "origins": origins([DOWN]), "monitor": monitor["id"]})
equal(pools.get(pool["id"])["created_on"], pool["created_on"])
equal({seen["name"] for seen in pools.get(params={"monitor": monitor["id"]})}, {"legacy", "legacy-spare"})
body = {"name": "legacy", "origins": origins(ORIGINS), "monitor": monitor["id"], "minimum_origins": 2}
pool = pools.put(pool["id"], data=body)
equal((len(pool["origins"]), pool["minimum_origins"]), (len(ORIGINS), 2))
pool = pools.patch(pool["id"], data={"notification_email": "a@example.com"})
equal((pool["notification_email"], pool["minimum_origins"]), ("a@example.com", 2))
affected = pools.patch(data={"notification_email": ""})
equal([seen["notification_email"] for seen in affected if seen["name"] == "legacy"], [""])
refused(1003, pools.post, data=body)
refused(1001, pools.get, "0" * 32)

# A load balancer, and what it answers.
name = f"legacy.{ZONE}"
body = {"name": name, "default_pools": [pool["id"]], "fallback_pool": spare["id"]}
balancer = client.zones.load_balancers.post(zone["id"], data=body)
answers(name, HEALTHY)
equal(client.zones.load_balancers.get(zone["id"], balancer["id"]), balancer)
assert balancer in client.zones.load_balancers.get(zone["id"])
equal(client.zones.load_balancers.put(zone["id"], balancer["id"], data={**body, "ttl": 60})["ttl"], 60)
equal(client.zones.load_balancers.patch(zone["id"], balancer["id"], data={"description": "edited"})["ttl"], 60)

# Health.
[(_, seen)] = pools.health.get(pool["id"])["pop_health"].items()
details = {address: details for origin in seen["origins"] for address, details in origin.items()}
equal({address: details[address]["healthy"] for address in ORIGINS}, {**dict.fromkeys(HEALTHY, True), DOWN: False})
shown = pools.get(pool["id"])
equal((shown["healthy"], [origin["healthy"] for origin in shown["origins"]]), (True, [True] * len(HEALTHY) + [False]))

# Previews.
started = pools.preview.post(pool["id"], data=probing)
equal(started["pools"], {pool["id"]: "legacy"})
found = until("a preview's result", lambda: client.user.load_balancers.preview.get(started["preview_id"]))
equal([list(origin) for origin in found[pool["id"]]["origins"]], [[address] for address in ORIGINS])
started = monitors.preview.post(monitor["id"], data=probing)
equal(started["pools"], {pool["id"]: "legacy", spare["id"]: "legacy-spare"})
refused(1001, client.user.load_balancers.preview.get, "0" * 32)

# References, both ways.
found = {(seen["reference_type"], seen["resource_type"], seen["resource_id"]) for seen in pools.references.get(pool["id"])}
equal(found, {("referrer", "load_balancer", balancer["id"]), ("referral", "monitor", monitor["id"])})
equal({seen["resource_id"] for seen in monitors.references.get(monitor["id"])}, {pool["id"], spare["id"]})

# Events: the pool went up when its origins did. This client says `False` with a capital.
events = client.user.load_balancing_analytics.events
found = until("events", lambda: events.get(params={"pool_id": pool["id"], "pool_healthy": True}))
equal({event["pool"]["name"] for event in found}, {"legacy"})
found = until("events", lambda: events.get(params={"pool_id": spare["id"], "pool_healthy": False}))
equal({origin["address"] for event in found for origin in event["origins"]}, {DOWN})
equal(events.get(params={"until": "2001-01-01T00:00:00Z"}), [])

# Records of a zone that is made here.
made = client.zones.post(data={"name": "legacy.test"})
record = client.zones.dns_records.post(made["id"], data={"type": "A", "name": "www.legacy.test", "content": "192.0.2.1"})
answers("www.legacy.test", ["192.0.2.1"])
equal(client.zones.dns_records.get(made["id"], record["id"]), record)
client.zones.dns_records.delete(made["id"], record["id"])
answers("www.legacy.test", [])
client.zones.delete(made["id"])

# What is in use cannot be deleted, and the error names who uses it.
assert name in str(refused(1005, pools.delete, pool["id"]))
refused(1005, monitors.delete, monitor["id"])
equal(client.zones.load_balancers.delete(zone["id"], balancer["id"]), {"id": balancer["id"]})
answers(name, [])
equal(pools.delete(pool["id"]), {"id": pool["id"]})
pools.delete(spare["id"])
equal(monitors.delete(monitor["id"]), {"id": monitor["id"]})
refused(1001, monitors.get, monitor["id"])
