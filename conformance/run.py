#!/usr/bin/env python3
"""Has every language talk to every other: conformance/run.py [--only LANG,LANG] [--scenario NAME] [--ring] [--faults].

Each folder here is a language. Its setup.sh installs the package as a user would, below a
folder of its own, and leaves there the program "driver" and the name of the installed
decoder; exit status 77 says that this machine lacks what the language needs. With --faults
each decoder is made to read a wrong place, and its language must fail. With --ring a
language plays only with the one after it.
"""

import os
import pathlib
import random
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

here = pathlib.Path(__file__).resolve().parent
FILE = here / "scenarios.txt"
LIMIT = 60  # seconds for a scenario
RING = False


def scenarios():
    """The scenarios, each with the roles that it has."""
    found, now = {}, None
    for line in FILE.read_text().splitlines():
        if line.startswith("scenario "):
            now = found.setdefault(line.split()[1], set())
        elif now is not None and line[:2] in ("a ", "b "):
            now.add(line[0])
    return found


class Side:
    def __init__(self, driver, scenario, role, port, directory):
        self.role, self.said = role, ""
        self.process = subprocess.Popen(
            [driver, str(FILE), scenario, role, str(port), directory],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def answer(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()


def play(drivers, scenario, roles, port):
    """Plays a scenario; returns what is wrong, or nothing."""
    with tempfile.TemporaryDirectory(prefix="once") as directory:
        sides = [Side(drivers[role], scenario, role, port, directory) for role in sorted(roles)]
        try:
            return converse(sides)
        finally:
            for side in sides:
                if side.process.poll() is None:
                    side.process.kill()
                side.process.communicate()


def converse(sides):
    ready, end = selectors.DefaultSelector(), time.monotonic() + LIMIT
    for side in sides:
        ready.register(side.process.stdout, selectors.EVENT_READ, side)
    open_, stalled, waiting = set(sides), False, None
    while open_:
        for key, _ in ready.select(max(0, end - time.monotonic())):
            side = key.data
            word = side.process.stdout.readline()
            if not word:
                open_.discard(side)
                ready.unregister(side.process.stdout)
                if side.said != "done" and side.process.wait() != -signal.SIGKILL:
                    return side.process.stderr.read().strip()[-2000:] or f"{side.role} ended with {side.process.returncode}"
            elif word.strip() == "done":
                side.said = "done"
            elif word.strip() == "stall":
                os.kill(side.process.pid, signal.SIGSTOP)
                os.waitpid(side.process.pid, os.WUNTRACED)
                stalled = True
            elif word.strip() == "awaitstall":
                waiting = side
            elif word.strip() == "kill":
                for other in sides:
                    if other is not side:
                        other.process.kill()
                side.answer()
            if stalled and waiting:
                waiting.answer()
                waiting = None
        if time.monotonic() > end:
            return f"not over after {LIMIT} s; so far: " + " ".join(s.role + ":" + (s.said or "?") for s in sides)
    for side in sides:
        side.process.wait()
        if side.process.returncode not in (0, -signal.SIGKILL):
            return f"{side.role} ended with {side.process.returncode}"
    return ""


def unlisted():
    """The methods of the models that methods.txt does not have, which no driver would miss."""
    listed = {tuple(line.split()[:2]) for line in (here / "methods.txt").read_text().splitlines() if not line.startswith("#")}
    for path in sorted((here.parent / "api" / "class").glob("*.xml")):
        model = xml.etree.ElementTree.parse(path).getroot()
        for method in model.iter("method"):
            result = method.find("return")
            # a record is copied by each language, and a batch is a list
            own = model.get("batch") or result is not None and result.get("type") == model.get("name")
            name = method.get("name").replace(" ", "_")
            if not own and (model.get("name"), name) not in listed:
                yield f"{model.get('name')} {name}"


def setup(language, root):
    into = root / language
    into.mkdir(parents=True)
    done = subprocess.run(["bash", str(here / language / "setup.sh"), str(into)], stderr=subprocess.PIPE, text=True)
    if done.returncode == 77:
        return None, done.stderr.strip().splitlines()[-1]
    if done.returncode:
        sys.exit(f"{language} could not be set up:\n{done.stderr}")
    return into / "driver", ""


def spoil(language, root):
    """Makes the installed decoder read each message one octet late."""
    script = here / language / "fault.sh"
    subprocess.run(["bash", str(script), str(root / language)], check=True)


def main(arguments):
    for method in unlisted():
        sys.exit(f"methods.txt does not have {method}")
    languages = sorted(path.parent.name for path in here.glob("*/setup.sh"))
    if "--only" in arguments:
        languages = arguments[arguments.index("--only") + 1].split(",")
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    global RING
    RING = "--ring" in arguments
    root = pathlib.Path(tempfile.mkdtemp(prefix="once-conformance"))
    try:
        drivers = {}
        for language in languages:
            drivers[language], why = setup(language, root)
            if drivers[language] is None:
                print(f"{language}: skipped: {why}")
                counts["skipped"] += 1
                del drivers[language]
        port = random.randrange(20000, 30000)
        if "--faults" in arguments:
            faults(drivers, root, counts, port)
        else:
            wanted = arguments[arguments.index("--scenario") + 1] if "--scenario" in arguments else ""
            everybody(drivers, counts, port, wanted)
    finally:
        shutil.rmtree(root)
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**counts))
    return 1 if counts["failed"] or not counts["passed"] else 0


def partners(a, languages):
    """Whom a language plays with: everybody, or with --ring the one after it."""
    return [languages[(languages.index(a) + 1) % len(languages)]] if RING else languages


def everybody(drivers, counts, port, wanted):
    for scenario, roles in scenarios().items():
        if wanted not in ("", scenario):
            continue
        for a in drivers:
            for b in partners(a, list(drivers)) if "b" in roles else [a]:
                port += 1
                wrong = play({"a": drivers[a], "b": drivers[b]}, scenario, roles, port)
                counts["failed" if wrong else "passed"] += 1
                if wrong:
                    print(f"{scenario}: {a} and {b}: {wrong}", flush=True)
        print(f"{scenario}: done", flush=True)


def faults(drivers, root, counts, port):
    for language, driver in drivers.items():
        if not (here / language / "fault.sh").exists():
            print(f"{language}: has no decoder")
            continue
        port += 1
        spoil(language, root)
        wrong = play({"a": driver, "b": driver}, "talk", {"a", "b"}, port)
        counts["passed" if wrong else "failed"] += 1
        print(f"{language} with a fault in its decoder: " + (f"red, as it must be: {wrong.splitlines()[0][:100]}" if wrong else "GREEN"))


sys.exit(main(sys.argv[1:]))
