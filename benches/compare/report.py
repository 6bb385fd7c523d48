"""The results as a table and as a chart."""

import datetime
import json
import shlex
import statistics
import sys

from contestants import PEERS


def ratios(runs, others):
    """Of the turns of all rounds, in order, each beside the other's same turn."""
    return sorted(us / other_us for run, other in zip(runs, others) for us, other_us in zip(run["turns_us"], other["turns_us"]))


def ratio(runs, others):
    return statistics.median(ratios(runs, others))


def costs(peers, scenarios, results):
    base = "haproxy" in peers
    yield "| CPU per request, x HAProxy | " + " | ".join(scenarios) + " |"
    yield "|---|" + "---:|" * len(scenarios)
    for name in peers:
        cells = []
        for scenario in scenarios:
            us = statistics.median(run["us"] for run in results[name][scenario])
            by_base = ratio(results[name][scenario], results["haproxy"][scenario]) if base else None
            cells.append(f"{by_base:.2f} ({us:.1f} us)" if base else f"{us:.1f} us")
        yield f"| {name} | " + " | ".join(cells) + " |"


def middle_halves(peers, scenarios, results):
    """What this proxy costs beside HAProxy and nginx, and between what the middle half of the turns lies."""
    if not (beside := [other for other in ("haproxy", "nginx") if other in peers]):
        return
    yield "| median, middle half of the turns | " + " | ".join(scenarios) + " |"
    yield "|---|" + "---:|" * len(scenarios)
    for name in (name for name in peers if name not in PEERS):
        for other in beside:
            cells = []
            for scenario in scenarios:
                by_turn = ratios(results[name][scenario], results[other][scenario])
                quarter = len(by_turn) // 4
                cells.append(f"{statistics.median(by_turn):.2f} ({by_turn[quarter]:.2f}-{by_turn[-1 - quarter]:.2f})")
            yield f"| {name}, x {other} | " + " | ".join(cells) + " |"
    yield ""


def others(peers, scenarios, results, extras):
    by_load = [name for name in ("ok", "h2", "big") if name in scenarios]
    passed = [name for name in scenarios if f"{name} passed" in scenarios]
    beside = ", x HAProxy" if "haproxy" in peers else ""
    yield ("| | " + " | ".join(
        ["start to first answer ms", "p50" + beside, "p99" + beside, "idle connection KiB", "new upstream connections per passed request", "per rewritten error",
         *[f"{name} rewritten, x passed" for name in passed], *[f"RSS MiB after {name}" for name in by_load]]) + " |")
    yield "|---|" + "---:|" * (6 + len(passed) + len(by_load))
    for name in peers:
        extra = extras[name]

        def opened(chosen):
            by_run = [run["new_connections"] for s in chosen for run in results[name][s]]
            return f"{statistics.median(by_run):.2f}" if by_run else "-"

        def middle(key):
            return f"{statistics.median(extra[key]):.1f}" if extra[key] else "-"

        def beside_haproxy(key):
            if not (extra[key] and beside):
                return middle(key) + " us"
            by_round = [time / other for time, other in zip(extra[key], extras["haproxy"][key])]
            return f"{statistics.median(by_round):.2f} ({middle(key)} us)"
        idle = f"{statistics.median(extra['idle_kib']):.2f}" if extra["idle_kib"] else "-"
        rewriting = [f"{ratio(results[name][s], results[name][f'{s} passed']):.2f}" for s in passed]
        memory = [f"{max(run['rss_kib'] for run in results[name][s]) / 1024:.1f}" for s in by_load]
        cells = [middle("startup_ms"), beside_haproxy("p50_us"), beside_haproxy("p99_us"), idle, opened([s for s in scenarios if s == "ok"]),
                 opened([s for s in scenarios if scenarios[s].get("rewrite")]), *rewriting, *memory]
        yield f"| {name} | " + " | ".join(cells) + " |"


def tables(peers, scenarios, results, extras):
    return "\n".join([*costs(peers, scenarios, results), "", *middle_halves(peers, scenarios, results), *others(peers, scenarios, results, extras)])


def save(peers, scenarios, results, extras, found, options):
    """With `--out` the tables are files, beside the raw figures and the chart."""
    if not options.out:
        return
    out = options.out
    out.mkdir(parents=True, exist_ok=True)
    date = datetime.date.today().isoformat()
    rounds = min(len(runs) for by_scenario in results.values() for runs in by_scenario.values())
    about = dict(date=date, versions=found, rounds=rounds, seconds=options.seconds,
                 connections=options.connections, rate=options.rate, streams=options.streams)
    (out / "results.json").write_text(json.dumps(dict(about=about, results=results, extras=extras), indent=1) + "\n")
    heading = "\n".join(f"- {key}: {value}" for key, value in found.items())
    command = shlex.join(["python3", "benches/compare/compare.py", *sys.argv[1:]])
    picture = ""
    if "haproxy" in peers and chart(peers, scenarios, results, out / "chart.svg"):
        picture = "\n![CPU per request as a ratio to HAProxy](chart.svg)\n"
    (out / "README.md").write_text(f"# {date}\n\n{heading}\n\n`{command}`, {rounds} rounds\n\n{tables(peers, scenarios, results, extras)}\n{picture}")


def chart(peers, scenarios, results, path):
    try:
        import pygal
    except ImportError:
        print("no chart: the package pygal is not installed", file=sys.stderr)
        return False
    bars = pygal.Bar(title="CPU per request, x HAProxy (lower is better)", legend_at_bottom=True, y_title="x HAProxy",
                     width=1000, height=460, truncate_label=-1, disable_xml_declaration=False, js=[])
    bars.x_labels = list(scenarios)
    for name in peers:
        bars.add(name, [round(ratio(results[name][s], results["haproxy"][s]), 2) for s in scenarios])
    bars.render_to_file(str(path))
    return True
