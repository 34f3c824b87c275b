#!/usr/bin/env python3
"""Tries the examples, each with that of the next language: examples/run.py [LANGUAGE ...].

They talk in a network of their own, which needs root, so that nothing is said on this
machine's.
"""

import os
import pathlib
import re
import selectors
import shutil
import subprocess
import sys
import tempfile
import time

here = pathlib.Path(__file__).resolve().parent
LIMIT = 60  # seconds for what is waited for
JNA = os.environ.get("JNA_JAR", "/usr/share/java/jna.jar")

# How an example of a language is made, where its package is, and how it runs.
C = 'export PKG_CONFIG_PATH="$INTO/lib/pkgconfig"; {cc} -O1 -Wall -Wextra -Werror "$FROM/$NAME.{ext}" -o "$INTO/$NAME" $(pkg-config --cflags --libs once) -pthread -Wl,-rpath,"$INTO/lib"'
MAKE = {
    "c": C.format(cc="gcc -std=gnu11", ext="c"),
    "cpp": C.format(cc="g++ -std=c++17", ext="cpp"),
    "java": 'javac -Xlint:all -Werror -cp "$INTO/at-once.jar" -d "$INTO" "$FROM/${NAME^}.java"',
    "lua": 'cp "$FROM/$NAME.lua" "$INTO"',
    "node": 'cp "$FROM/$NAME.js" "$INTO"',
    "python": 'cp "$FROM/$NAME.py" "$INTO"',
    "ruby": 'cp "$FROM/$NAME.rb" "$INTO"',
}
RUN = {
    "c": ["{into}/{name}"],
    "cpp": ["{into}/{name}"],
    "java": ["java", "-cp", f"{{into}}/at-once.jar:{JNA}:{{into}}", "{Name}"],
    "lua": ["luajit", "{into}/{name}.lua"],
    "node": ["node", "{into}/{name}.js"],
    "python": ["{into}/venv/bin/python", "{into}/{name}.py"],
    "ruby": ["ruby", "-I", "{into}", "{into}/{name}.rb"],
}


# What the READMEs show, in the part about a language: the fence, and what goes around it.
FENCE = {"c": "c", "cpp": "cpp", "java": "java", "lua": "lua", "node": "js", "python": "python", "ruby": "ruby"}
AROUND = {
    "c": "#include <once.h>\nstatic char buffer [1 << 18];\nint main (void)\n{\nsize_t size, offset;\nonce_event_t event;\nonce_peer_t peer;\n%s}\n",
    "cpp": "#include <once.hpp>\nint main ()\n{\n%s}\n",
    "java": "import io.github.sjohnr.once.*;\nclass Readme {\npublic static void main(String[] args) {\n%s}\n}\n",
    "lua": 'local once = require "once"\n%s',
    "node": "%s",
    "python": "import once\n%s",
    "ruby": 'require "once"\n%s',
}
FILE = {"c": "readme.c", "cpp": "readme.cpp", "java": "Readme.java", "lua": "readme.lua", "node": "readme.mjs", "python": "readme.py", "ruby": "readme.rb"}
GUEST = """
import once
with once.Node("ben", groups=["room"]) as node:
    for event in node:
        if event.type == once.EventType.WHISPER:
            print(event.peer.name, "says", event.msg[0].decode(), flush=True)
"""


def shown(path, language):
    """What a page shows first in a language."""
    return re.search(f"^```{FENCE[language]}\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL).group(1)


def write(root, language, text):
    """Makes a program of what a page shows, in place of the one before."""
    source = root / "readme"
    source.mkdir(exist_ok=True)
    (source / FILE[language]).write_text(text)
    return shell(MAKE[language].replace(".js", ".mjs"), FROM=str(source), INTO=str(root / language), NAME="readme")


def shell(script, **environment):
    return subprocess.run(["bash", "-euo", "pipefail", "-c", script], env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def setup(language, root):
    """Installs the package and makes the examples; returns why not, if this machine lacks something."""
    into = root / language
    into.mkdir()
    done = shell('bash "$SETUP" "$INTO"', SETUP=str(here.parent / "conformance" / language / "setup.sh"), INTO=str(into))
    if done.returncode == 77:
        return done.stderr.strip().splitlines()[-1]
    for name in ("chat", "sensor", "request"):
        if done.returncode == 0:
            done = shell(MAKE[language], FROM=str(here / language), INTO=str(into), NAME=name)
    if done.returncode:
        sys.exit(f"{language} could not be set up:\n{done.stderr}")
    return ""


class Program:
    """An example that runs, and what it has printed."""

    def __init__(self, root, language, name, *arguments):
        command = [word.format(into=root / language, name=name, Name=name.capitalize()) for word in RUN[language]]
        if name == "readme" and language == "node":
            command[-1] = command[-1].replace(".js", ".mjs")
        self.what, self.printed = f"{language} {name} {' '.join(arguments)}", ""
        self.process = subprocess.Popen([*command, *arguments], cwd=root / language, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "LC_ALL": "C.UTF-8"})

    def say(self, line):
        self.process.stdin.write((line + "\n").encode())
        self.process.stdin.flush()

    def await_(self, pattern):
        """Waits until it has printed such a line."""
        end = time.monotonic() + LIMIT
        with selectors.DefaultSelector() as ready:
            ready.register(self.process.stdout, selectors.EVENT_READ)
            while not re.search(f"^{pattern}$", self.printed, re.MULTILINE):
                octets = os.read(self.process.stdout.fileno(), 1 << 16) if ready.select(max(0, end - time.monotonic())) else b""
                if not octets:
                    raise AssertionError(f"{self.what} has not printed {pattern!r}, but {self.printed!r}")
                self.printed += octets.decode(errors="replace")

    def ends(self):
        self.process.stdin.close()
        code = self.process.wait(LIMIT)
        assert code == 0, f"{self.what} has ended with {code}: {self.printed}{self.process.stdout.read().decode()}"


def chat(start, a, b):
    ana, ben = start(a, "chat", "ana"), start(b, "chat", "ben")
    ana.await_(r"\* ben is here")
    ben.await_(r"\* ana is here")
    ana.say("grüezi")
    ben.await_("ana: grüezi")
    ben.say("hello")
    ana.await_("ben: hello")
    ben.ends()
    ana.await_(r"\* ben has left")
    ana.ends()


def sensor(start, a, b):
    ana, ben = start(a, "sensor", "ana"), start(b, "sensor", "ben")
    for _ in range(2):
        ana.await_(r"ben measures 2\d\.\d °C")
        ben.await_(r"ana measures 2\d\.\d °C")
        ana.printed = ben.printed = ""


def request(start, a, b):
    start(b, "request", "serve", "ben")
    ana = start(a, "request", "ask", "ana", "what is the time?")
    ana.await_(r"WHAT IS THE TIME\?")
    ana.ends()


def readme(root, language, text):
    """A program welcomes a guest, which is in Python."""
    done = write(root, language, text)
    if done.returncode:
        return done.stderr
    (root / "python" / "guest.py").write_text(GUEST)

    def scene(start, a, b):
        start(a, "readme")
        start(b, "guest").await_("ana says welcome")

    return play(root, scene, language, "python")


def play(root, scene, a, b):
    running = []

    def start(*what):
        running.append(Program(root, *what))
        return running[-1]

    wrong = ""
    try:
        scene(start, a, b)
    except (AssertionError, OSError, subprocess.TimeoutExpired) as error:
        wrong = str(error)
    finally:
        for program in running:
            program.process.kill()
            program.process.wait()
    if wrong:
        wrong += "".join(f"\n  {program.what}: {program.printed}{program.process.stdout.read().decode()}" for program in running)
    return wrong


NETWORK = """
ip link set lo up
ip link add here type veth peer name there
ip address add 192.0.2.1/24 broadcast + dev here
ip link set here up
ip link set there up
exec "$@"
"""


def inside(root, *languages):
    """Plays all scenes, in the network that was made for them."""
    counts = {"passed": 0, "failed": 0}
    for scene in (chat, sensor, request):
        for a, b in zip(languages, languages[1:] + languages[:1]):
            wrong = play(root, scene, a, b)
            counts["failed" if wrong else "passed"] += 1
            print(f"{scene.__name__}: {a} and {b}: {wrong or 'done'}", flush=True)
    for language in languages if "python" in languages else ():
        pages = {"README.md": AROUND[language] % shown(here.parent / "README.md", language)}
        own = here.parent / "bindings" / language / "README.md"
        if own.exists():
            pages[f"bindings/{language}/README.md"] = shown(own, language).replace("class Room ", "class Readme ")
        for page, text in pages.items():
            wrong = readme(root, language, text)
            counts["failed" if wrong else "passed"] += 1
            print(f"{page}: {language}: {wrong or 'done'}", flush=True)
    print("{passed} passed, {failed} failed".format(**counts))
    return 1 if counts["failed"] or not counts["passed"] else 0


def main(wanted):
    root = pathlib.Path(tempfile.mkdtemp(prefix="once-examples"))
    try:
        languages = []
        for language in wanted or RUN:
            why = setup(language, root)
            if why:
                print(f"{language}: skipped: {why}")
            else:
                languages.append(language)
        network = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-euc", NETWORK, "network"]
        return subprocess.run([*network, sys.executable, __file__, "inside", str(root), *languages]).returncode
    finally:
        shutil.rmtree(root)


if sys.argv[1:2] == ["inside"]:
    sys.exit(inside(pathlib.Path(sys.argv[2]), *sys.argv[3:]))
sys.exit(main(sys.argv[1:]))
