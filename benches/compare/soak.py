"""Sends this proxy millions of requests of every kind and prints the memory that it has after each turn of them.

After the first turn, without long bodies, it may have 10 MB, in the end, with them, 16 MB, and by then no more than
256 KiB beyond what it had after half of the turns. Exits 1 where it has.

Only loopback is used; only own children are ended. Ten million take eight minutes.
"""

import argparse
import sys

from compare import RELEASE, SCENARIOS, Contestant, load, rss, start_backend
from contestants import own

# Every kind of request with one worker, in turn.
SHORT = [SCENARIOS[name] for name in ("404", "500", "ok", "problem", "chunked", "headers", "post", "h2")]
LONG = [SCENARIOS[name] for name in ("big", "upload")]
# KiB.
MOST_AFTER_SHORT, MOST = 10_000_000 // 1024, 16_000_000 // 1024
# What the pages of the program itself may come to when they are first used.
GROWTH = 256


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millions", type=int, default=10)
    parser.add_argument("--binary", default=str(RELEASE / "status-proxy"))
    options = parser.parse_args()
    backend_process, backend = start_backend()
    proxy = Contestant(own(options.binary), backend, SCENARIOS["ok"])
    try:
        proxy.settle()
        requests = sum(load(scenario, proxy.port, 4, 32, 8) for scenario in SHORT)
        after_short = rss(proxy.pids)
        print(f"{requests:11,.0f} requests: {after_short:6,} KiB, without long bodies", flush=True)
        after_turns = []
        while not after_turns or requests < options.millions * 1_000_000:
            requests += sum(load(scenario, proxy.port, 4, 32, 8) for scenario in SHORT + LONG)
            after_turns.append(rss(proxy.pids))
            print(f"{requests:11,.0f} requests: {after_turns[-1]:6,} KiB", flush=True)
    finally:
        proxy.end()
        backend_process.terminate()
        backend_process.wait()
    wrong = []
    if after_short > MOST_AFTER_SHORT:
        wrong.append(f"{after_short:,} KiB without long bodies, {MOST_AFTER_SHORT:,} are allowed")
    last = after_turns[-1]
    if last > MOST:
        wrong.append(f"{last:,} KiB in the end, {MOST:,} are allowed")
    growth = last - after_turns[len(after_turns) // 2]
    if growth > GROWTH:
        wrong.append(f"{growth:,} KiB more than after half of the requests")
    if wrong:
        sys.exit("; ".join(wrong))


if __name__ == "__main__":
    main()
