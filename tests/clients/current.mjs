// The official client for JavaScript, which knows the account's objects: everything that it can do here.
//
// The client is not beside this file: NODE_MODULES says where it is.

import assert from "node:assert/strict";
import { Resolver } from "node:dns/promises";
import { createRequire } from "node:module";

const { default: Cloudflare } = createRequire(`${process.env.NODE_MODULES}/`)("cloudflare");
const { POOLDNS_API: baseURL, POOLDNS_TOKEN: apiToken, POOLDNS_ZONE: zoneName } = process.env;
// All origins are well, but for the last.
const origins = process.env.POOLDNS_ORIGINS.split(",");
const port = Number(process.env.POOLDNS_ORIGIN_PORT);
const [healthy, down] = [origins.slice(0, -1), origins.at(-1)];

const client = new Cloudflare({ baseURL, apiToken });
const resolver = new Resolver();
resolver.setServers([process.env.POOLDNS_DNS]);

// Looks until there is something, and gives it. Half a minute is longer than anything takes on a busy machine.
async function until(what, look) {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    assert(Date.now() < deadline, `waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

// The addresses that DNS gives for a name.
async function addresses(name) {
  try {
    return (await resolver.resolve4(name)).sort();
  } catch (error) {
    // No name, no data, or not ready.
    assert(["ENOTFOUND", "ENODATA", "ESERVFAIL"].includes(error.code), error);
    return [];
  }
}

// Waits until DNS gives these addresses for a name.
const answers = (name, expected) =>
  until(`${name} is ${expected}`, async () => String(await addresses(name)) === String([...expected].sort()));

// A call that has to be refused; gives the error.
async function refused(status, code, call) {
  const error = await call.then(() => assert.fail(`not refused with ${status}`), (error) => error);
  assert.deepEqual([error.status, error.errors?.[0].code], [status, code], String(error));
  return error;
}

// All items of a list.
async function all(list) {
  const items = [];
  for await (const item of list) items.push(item);
  return items;
}

// Origins as a body of the API has them.
const named = (addresses) => addresses.map((address, index) => ({ name: `origin-${index}`, address }));
const missing = "0".repeat(32);

assert.equal((await client.user.tokens.verify()).status, "active");
const [account] = await all(client.accounts.list());
const [zone] = await all(client.zones.list({ name: zoneName }));
assert.equal((await client.zones.get({ zone_id: zone.id })).name, zoneName);
const own = { account_id: account.id };
const { loadBalancers } = client;
const { monitors, pools } = loadBalancers;

// Monitors.
const probing = { type: "http", port, interval: 1, timeout: 1, retries: 0 };
let monitor = await monitors.create({ ...own, ...probing, description: "node", path: "/healthy" });
assert.deepEqual(await monitors.get(monitor.id, own), monitor);
assert((await all(monitors.list(own))).some(({ id }) => id === monitor.id));
monitor = await monitors.update(monitor.id, { ...own, ...probing, description: "node", expected_codes: "2xx" });
assert.equal(monitor.path, "/");
monitor = await monitors.edit(monitor.id, { ...own, description: "node, edited" });
assert.deepEqual([monitor.description, monitor.expected_codes], ["node, edited", "2xx"]);
await refused(400, 1002, monitors.create({ ...own, ...probing, expected_codes: "teapot" }));

// Pools.
let pool = await pools.create({ ...own, name: "node", origins: named(healthy), monitor: monitor.id });
const spare = await pools.create({ ...own, name: "node-spare", origins: named([down]), monitor: monitor.id });
assert.equal((await pools.get(pool.id, own)).created_on, pool.created_on);
const listed = await all(pools.list({ ...own, monitor: monitor.id }));
assert.deepEqual(listed.map(({ name }) => name), ["node", "node-spare"]);
const body = { name: "node", origins: named(origins), monitor: monitor.id, minimum_origins: 2 };
pool = await pools.update(pool.id, { ...own, ...body });
assert.deepEqual(pool.origins.map(({ address }) => address), origins);
pool = await pools.edit(pool.id, { ...own, description: "edited", notification_email: "a@example.com" });
assert.deepEqual([pool.description, pool.minimum_origins], ["edited", 2]);
const affected = await all(pools.bulkEdit({ ...own, notification_email: "" }));
assert.equal(affected.find(({ id }) => id === pool.id).notification_email, "");
await refused(400, 1003, pools.create({ ...own, ...body }));
await refused(404, 1001, pools.get(missing, own));

// A load balancer, and what it answers.
const name = `node.${zoneName}`;
const steering = { zone_id: zone.id, name, default_pools: [pool.id], fallback_pool: spare.id };
let balancer = await loadBalancers.create(steering);
await answers(name, healthy);
assert.equal((await loadBalancers.get(balancer.id, { zone_id: zone.id })).name, name);
assert((await all(loadBalancers.list({ zone_id: zone.id }))).some(({ id }) => id === balancer.id));
balancer = await loadBalancers.update(balancer.id, { ...steering, ttl: 60 });
balancer = await loadBalancers.edit(balancer.id, { zone_id: zone.id, description: "edited" });
assert.deepEqual([balancer.ttl, balancer.description, balancer.steering_policy], [60, "edited", "off"]);

// Health.
const [seen] = Object.values((await pools.health.get(pool.id, own)).pop_health);
const verdicts = seen.origins.map((origin) => Object.entries(origin).map(([address, { healthy }]) => [address, healthy]));
assert.deepEqual(verdicts.flat(), origins.map((address) => [address, address !== down]));

// Previews.
const asked = { ...own, type: "http", port, timeout: 1, expected_codes: "200" };
let started = await pools.health.create(pool.id, asked);
assert.deepEqual(started.pools, { [pool.id]: "node" });
const result = async () => Object.values(await loadBalancers.previews.get(started.preview_id, own));
const [found] = await until("a preview's result", async () => ((await result()).length ? result() : null));
assert.deepEqual(found.origins.flatMap(Object.keys), origins);
started = await monitors.previews.create(monitor.id, asked);
assert.deepEqual(started.pools, { [pool.id]: "node", [spare.id]: "node-spare" });
await until("both pools of a preview", async () => (await result()).length === 2);
await refused(404, 1001, loadBalancers.previews.get(missing, own));

// References, both ways.
const references = await all(pools.references.get(pool.id, own));
const ends = references.map(({ reference_type, resource_type, resource_id }) => [reference_type, resource_type, resource_id]);
assert.deepEqual(ends, [["referrer", "load_balancer", balancer.id], ["referral", "monitor", monitor.id]]);
const referrers = (await all(monitors.references.get(monitor.id, own))).map(({ resource_id }) => resource_id);
assert.deepEqual(referrers.sort(), [pool.id, spare.id].sort());

// Monitor groups.
const { monitorGroups } = loadBalancers;
const member = { monitor_id: monitor.id, enabled: true, must_be_healthy: true, monitoring_only: false };
const group = await monitorGroups.create({ ...own, description: "node", members: [member] });
assert.deepEqual(await monitorGroups.get(group.id, own), group);
assert((await all(monitorGroups.list(own))).some(({ id }) => id === group.id));
const watching = [{ ...member, must_be_healthy: false }];
assert.equal((await monitorGroups.update(group.id, { ...own, description: "node", members: watching })).id, group.id);
assert.equal((await monitorGroups.edit(group.id, { ...own, description: "edited", members: watching })).description, "edited");
const named_by = await all(monitorGroups.references.get(group.id, own));
assert.deepEqual(named_by.map(({ resource_id }) => resource_id), [monitor.id]);
assert.equal((await monitorGroups.delete(group.id, own)).id, group.id);

// Search: the client looks for its items where the API has none; what came is in the page.
const page = await loadBalancers.searches.list({ ...own, query: "node", references: "referrer" });
assert(page.result.resources.some(({ resource_name }) => resource_name === name));

// Regions.
const regions = await loadBalancers.regions.list({ ...own, country_code_a2: "DE" });
assert.deepEqual(regions.regions.map(({ region_code }) => region_code), ["WEU"]);
assert.equal((await loadBalancers.regions.get("OC", own)).regions[0].region_code, "OC");

// What is in use cannot be deleted, and the error names who uses it.
assert((await refused(412, 1005, pools.delete(pool.id, own))).message.includes(name));
await refused(412, 1005, monitors.delete(monitor.id, own));
await loadBalancers.delete(balancer.id, { zone_id: zone.id });
await answers(name, []);
assert.equal((await pools.delete(pool.id, own)).id, pool.id);
await pools.delete(spare.id, own);
assert.equal((await monitors.delete(monitor.id, own)).id, monitor.id);
await refused(404, 1001, monitors.get(monitor.id, own));
