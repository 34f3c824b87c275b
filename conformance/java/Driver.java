import io.github.sjohnr.once.Cancel;
import io.github.sjohnr.once.Code;
import io.github.sjohnr.once.Event;
import io.github.sjohnr.once.Identity;
import io.github.sjohnr.once.Network;
import io.github.sjohnr.once.Node;
import io.github.sjohnr.once.OnceException;
import io.github.sjohnr.once.Peer;
import io.github.sjohnr.once.Server;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicInteger;

/** The driver for Java: Driver FILE SCENARIO ROLE PORT DIRECTORY. */
final class Driver {
    private static final Duration LONG = Duration.ofSeconds(10);

    private final Path list; // of methods
    private final int port;
    private final String directory;
    private final Map<String, Peer> peers = new HashMap<>();
    private final AtomicInteger lines = new AtomicInteger();
    private Node node;
    private Event last;
    private Event answered;
    private String said = "";

    private Driver(Path list, int port, String directory) {
        this.list = list;
        this.port = port;
        this.directory = directory;
    }

    public static void main(String[] args) throws Exception {
        Driver driver = new Driver(Path.of(args[0]).resolveSibling("methods.txt"), Integer.parseInt(args[3]), args[4]);
        String now = "";
        for (String line : Files.readAllLines(Path.of(args[0]))) {
            List<String> words = Arrays.asList(line.split(" ", -1));
            if (words.get(0).equals("scenario")) {
                now = words.get(1);
            } else if (now.equals(args[1]) && words.get(0).equals(args[2])) {
                try {
                    driver.run(words.subList(1, words.size()), LONG);
                } catch (Exception | AssertionError e) {
                    System.err.println(now + ": " + line + ": " + e);
                    e.printStackTrace();
                    System.exit(1);
                }
            }
        }
        System.out.println("done");
        System.exit(0);
    }

    private static void must(boolean so, Object what) {
        if (!so) {
            throw new AssertionError(what);
        }
    }

    private static byte[] frame(String word) {
        String value = word.substring(word.indexOf(':') + 1);
        byte[] octets;
        switch (word.substring(0, word.indexOf(':'))) {
        case "fill":
            octets = new byte[Integer.parseInt(value)];
            for (int i = 0; i < octets.length; i++) {
                octets[i] = (byte) (i * 7);
            }
            return octets;
        case "long":
            octets = new byte[Integer.parseInt(value)];
            Arrays.fill(octets, (byte) 'x');
            return octets;
        case "hex":
            octets = new byte[value.length() / 2];
            for (int i = 0; i < octets.length; i++) {
                octets[i] = (byte) Integer.parseInt(value.substring(2 * i, 2 * i + 2), 16);
            }
            return octets;
        default:
            return value.getBytes(StandardCharsets.UTF_8);
        }
    }

    private static byte[][] frames(List<String> words) {
        return words.stream().map(Driver::frame).toArray(byte[][]::new);
    }

    private Node make(String name, List<String> settings) {
        Node made = new Node(name);
        made.setInterface("127.0.0.1");
        made.setPort(port);
        made.setInterval(Duration.ofMillis(100));
        made.setLinger(Duration.ofMillis(500));
        for (String setting : settings) {
            String[] words = setting.split("=");
            switch (words[0]) {
            case "security": made.setSecurity(Node.Security.valueOf(words[1].toUpperCase())); break;
            case "identity": made.setIdentity(new Identity(directory + "/" + words[1])); break;
            case "header": made.setHeader(words[1], words[2]); break;
            case "log": made.setLog((level, message, attributes) -> {
                lines.incrementAndGet();
                throw new IllegalStateException("a handler that fails");
            }); break;
            default: throw new AssertionError(setting);
            }
        }
        return made;
    }

    private UUID peer(String name) {
        if (name.equals("self")) {
            return node.uuid();
        }
        return name.equals("nobody") ? new UUID(0, 7) : peers.get(name).uuid();
    }

    private void expect(String type, String name, List<String> rest) {
        for (;;) {
            Event event = node.recv(Duration.ofSeconds(30), null);
            peers.put(event.peer().name(), event.peer());
            if (!event.type().name().equalsIgnoreCase(type) || !event.peer().name().equals(name)) {
                continue;
            }
            last = event;
            if (!rest.isEmpty() && !rest.get(0).contains(":")) {
                String told = type.equals("exit") ? event.reason() : event.group();
                must(told.equals(rest.get(0)), told);
                rest = rest.subList(1, rest.size());
            }
            must(Arrays.deepEquals(event.msg(), frames(rest)), "the content is not what was sent");
            return;
        }
    }

    private void fails(String name, List<String> words, Duration timeout) throws Exception {
        try {
            run(words, timeout);
        } catch (OnceException e) {
            must(e.code().name().equals(name.toUpperCase().replace('-', '_')), e.code() + ": " + e.getMessage());
            said = e.getMessage();
            return;
        } catch (IllegalArgumentException e) {
            must(name.equals("argument"), e);
            said = e.getMessage();
            return;
        }
        throw new AssertionError(words.get(0) + " did not fail");
    }

    private void nothing(String where) {
        byte[][] content = where.equals("content") ? null : new byte[][] {where.equals("frame") ? null : new byte[1]};
        try {
            node.whisper(where.equals("peer") ? null : peer("nobody"), content, null, null);
        } catch (NullPointerException e) {
            return;
        }
        throw new AssertionError("it did not fail");
    }

    /** There is each method of the list, and what gets something gets it. */
    private void methods(Path list) throws Exception {
        Network network = new Network(directory + "/network");
        network.invite("ben", "", new UUID(0, 0), 1);
        io.github.sjohnr.once.Files files = new io.github.sjohnr.once.Files(node);
        Map<String, Object> of = new HashMap<>();
        for (Object one : List.of(node, node.snapshot(), last, last.peer(), Node.interfaces().get(0), network, network.members().get(0), new Identity(""), files, files.offer(last.peer()), new Server(""))) {
            of.put(one.getClass().getSimpleName().toLowerCase(), one);
        }
        for (String line : Files.readAllLines(list)) {
            String[] words = line.split(" ");
            Object one = of.get(words[0].replace("once_", ""));
            if (one == null) {
                must(line.startsWith("#"), line);
                continue;
            }
            String name = words[1].replace("_", "");
            Method method = Arrays.stream(one.getClass().getDeclaredMethods()).filter(each -> Modifier.isPublic(each.getModifiers()) && each.getName().equalsIgnoreCase(name)).findFirst().orElse(null);
            must(method != null, "there is no " + line);
            if (words[2].equals("get")) {
                try {
                    method.invoke(one);
                } catch (InvocationTargetException e) {
                    must(e.getCause() instanceof OnceException, e.getCause());
                }
            }
        }
    }

    private void wrong(String argument) throws Exception {
        Class<? extends Exception> kind = IllegalArgumentException.class;
        try {
            switch (argument) {
            case "security": kind = NullPointerException.class; node.setSecurity(null); break;
            case "port": node.setPort(Long.MAX_VALUE); break;
            case "status": node.reply(1, 1L << 32, "x"); break;
            case "interval": node.setInterval(Duration.ofNanos(-1)); break;
            case "timeout": node.flush(Duration.ofNanos(-1), null); break;
            case "group": kind = NullPointerException.class; node.join(null); break;
            case "contest": argument = "group"; node.setContestInGroup("\ud800"); break;
            case "peer": kind = NullPointerException.class; node.whisper((UUID) null, "x"); break;
            case "identity": kind = NullPointerException.class; node.setIdentity(null); break;
            case "content": kind = NullPointerException.class; node.whisper(new UUID(0, 7), new byte[1], null); break;
            default: said = argument; return; // which javac refuses
            }
        } catch (IllegalArgumentException | NullPointerException e) {
            must(kind.isInstance(e), e);
            said = e.getMessage();
            return;
        }
        throw new AssertionError("it did not fail");
    }

    private void twice() throws Exception {
        BlockingQueue<Code> ends = new LinkedBlockingQueue<>();
        try (Cancel cancel = new Cancel()) {
            for (int i = 0; i < 2; i++) {
                new Thread(() -> {
                    try {
                        for (;;) {
                            node.recvBatch(null, cancel);
                        }
                    } catch (OnceException e) {
                        ends.add(e.code());
                    }
                }).start();
            }
            Code first = ends.take();
            must(first == Code.BUSY, first);
            cancel.cancel();
            Code second = ends.take();
            must(second == Code.CANCELED, second);
        }
    }

    private static void tell(String word) throws Exception {
        System.out.println(word);
        System.in.read();
    }

    private void run(List<String> words, Duration timeout) throws Exception {
        List<String> rest = words.subList(1, words.size());
        String first = rest.isEmpty() ? "" : rest.get(0);
        String second = rest.size() < 2 ? "" : rest.get(1);
        switch (words.get(0)) {
        case "node": node = make(first, rest.subList(1, rest.size())); break;
        case "start": node.start(); break;
        case "stop": node.stop(); break;
        case "close": node.close(); break;
        case "flush": node.flush(timeout, null); break;
        case "recv":
            for (;;) {
                node.recv(timeout, null);
            }
        case "join": node.join(first.contains(":") ? new String(frame(first), StandardCharsets.UTF_8) : first); break;
        case "leave": node.leave(first); break;
        case "sethead": node.setHeader(first, second); break;
        case "whisper": node.whisper(peer(first), frames(rest.subList(1, rest.size())), timeout, null); break;
        case "nothing": nothing(first); break;
        case "ping": must(node.ping(peer(first), timeout, null) > 0, "it took no time"); break;
        case "methods": methods(list); break;
        case "wrong": wrong(first); break;
        case "ask": answered = node.ask(peer(first), frames(rest.subList(1, rest.size())), timeout, null); break;
        case "answer":
            must(answered.status() == Long.parseLong(first), answered.status());
            must(Arrays.deepEquals(answered.msg(), frames(rest.subList(1, rest.size()))), "the answer is another");
            break;
        case "reply": node.reply(last.question(), Long.parseLong(first), frames(rest.subList(1, rest.size())), timeout, null); break;
        case "shout": node.shout(first, frames(rest.subList(1, rest.size())), timeout, null); break;
        case "second": make(first, List.of("identity=" + first)).start(); break;
        case "expect": expect(first, second, new ArrayList<>(rest.subList(2, rest.size()))); break;
        case "peers": must(node.peers().size() == Integer.parseInt(first), node.peers()); break;
        case "own": must(node.ownGroups().size() == Integer.parseInt(first), node.ownGroups()); break;
        case "header": must(peers.get(first).header(second).equals(rest.get(2)), peers.get(first)); break;
        case "protection": must(last.protection().name().equalsIgnoreCase(first), last.protection()); break;
        case "text": must(first.equals("name") && node.name().equals(second), node.name()); break;
        case "error": fails(first, rest.subList(1, rest.size()), timeout); break;
        case "timeout": fails("timed-out", rest, Duration.ofMillis(100)); break;
        case "message": must(said.contains(first), said); break;
        case "twice": twice(); break;
        case "logged": must(lines.get() > 0, "nothing was logged"); break;
        case "die":
            new ProcessBuilder("kill", "-9", Long.toString(ProcessHandle.current().pid())).start();
            Thread.currentThread().join(); // for ever
            break;
        case "kill": case "stall": case "awaitstall": tell(words.get(0)); break;
        default: throw new AssertionError("there is no verb " + words.get(0));
        }
    }
}
