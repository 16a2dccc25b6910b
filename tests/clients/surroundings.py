"""What the clients' scripts find around them: the server, its zone, origins, and a look at DNS."""

import os
import subprocess
import time

API = os.environ["POOLDNS_API"]
TOKEN = os.environ["POOLDNS_TOKEN"]
DNS_HOST, DNS_PORT = os.environ["POOLDNS_DNS"].rsplit(":", 1)
# A zone of the server's files.
ZONE = os.environ["POOLDNS_ZONE"]
# Origins with HTTP on one port: all of them are well, but for the last.
ORIGINS = os.environ["POOLDNS_ORIGINS"].split(",")
ORIGIN_PORT = int(os.environ["POOLDNS_ORIGIN_PORT"])
HEALTHY, DOWN = ORIGINS[:-1], ORIGINS[-1]

# Longer than anything takes on a busy machine.
PATIENCE = 30


def until(what, look):
    """Looks until there is something true, and gives it."""
    deadline = time.monotonic() + PATIENCE
    while not (seen := look()):
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.02)
    return seen


def addresses(name):
    """The addresses that DNS gives for a name."""
    command = ["dig", f"@{DNS_HOST}", "-p", DNS_PORT, "+short", "+norec", name, "A"]
    return sorted(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


def answers(name, expected):
    """Waits until DNS gives these addresses for a name."""
    until(f"{name} is {expected}", lambda: addresses(name) == sorted(expected))


def equal(found, expected):
    """Fails unless both are the same."""
    assert found == expected, f"{found!r} is not {expected!r}"


def origins(addresses):
    """Origins as a body of the API has them."""
    return [{"name": f"origin-{index}", "address": address} for index, address in enumerate(addresses)]
